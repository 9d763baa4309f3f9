//! Summaries of long results.

use std::sync::Arc;
use std::time::Duration;

use super::names::Names;
use super::{Resolver, value};
use crate::config::file::{self, Optional};
use crate::config::plan::Model;
use crate::tools::{INSTRUCTIONS, Summaries};

impl Resolver<'_> {
    pub fn summaries(&mut self, file: &Optional<file::Summaries>, models: &Names<Model>) -> Option<Arc<Summaries>> {
        let file = value(file)?;
        let model = file.model.0.as_ref().and_then(|model| self.own_model(model, models))?;
        let size = |given: &Optional<crate::config::values::Size>, or| value(given).map_or(or, |size| size.0);
        Some(Arc::new(Summaries {
            model,
            instructions: value(&file.instructions).cloned().unwrap_or_else(|| INSTRUCTIONS.to_owned()),
            above: size(&file.above, 16 << 10),
            timeout: value(&file.timeout).map_or(Duration::from_secs(60), |time| time.0),
            max_read: size(&file.max_read, 256 << 10),
            max_kept: size(&file.max_kept, 256 << 10),
        }))
    }
}
