//! The provider's secrets taken out of failures.

use chatwire_protocols::error::Failure;
use serde_json::Value;

use crate::config::plan::Provider;
use crate::secret::Scrubber;

/// Takes the provider's secrets out of a failure's texts.
pub fn scrub(failure: &mut Failure, provider: &Provider) {
    let scrubber = Scrubber::new(provider.keys.iter().chain(provider.headers.iter().map(|(_, value)| value)));
    scrubber.scrub(&mut failure.message);
    if let Some(type_) = &mut failure.type_ {
        scrubber.scrub(type_);
    }
    match &mut failure.code {
        Some(Value::String(code)) => scrubber.scrub(code),
        Some(code) if scrubber.finds(&code.to_string()) => failure.code = None,
        _ => {}
    }
}
