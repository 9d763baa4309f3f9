//! Secrets from where the file says that they are.

use std::mem::take;

use http::HeaderValue;

use super::Resolver;
use crate::config::file::{Key, SecretSource};
use crate::config::mask::is_variable;
use crate::config::read::{At, Section};
use crate::config::report::{Problem, Span};
use crate::secret::Secret;

/// Who needs a secret, for messages.
pub struct Need<'a> {
    /// The place of the table that says where it is.
    pub at: Span,
    /// Who it is for, as in "provider `openai`".
    pub who: String,
    /// Who uses that, with the place; without one, the secret need not be there.
    pub user: Option<(&'a str, Span)>,
    /// What to do instead of setting it.
    pub instead: &'static str,
}

/// A secret as it is written somewhere.
pub struct Found {
    pub text: Secret,
    /// The place that names where it is.
    pub span: Span,
    /// Where it is, for messages.
    pub place: String,
}

/// Largest secret in a file, in bytes.
const LARGEST: u64 = 64 << 10;

impl Resolver<'_> {
    /// Fetches a secret. Nothing if there is none, which has been noted, or if nobody needs it.
    pub fn secret(&mut self, source: &SecretSource, need: &Need<'_>) -> Option<Secret> {
        let Found { text, span, place } = self.secret_text(source, need)?;
        self.sendable(text.expose(), &span, &place)
    }

    /// The same as it is written there, which may be several lines.
    pub fn secret_text(&mut self, source: &SecretSource, need: &Need<'_>) -> Option<Found> {
        match (&source.env, &source.file) {
            (Some(name), None) => self.variable(name, need),
            (None, Some(path)) => self.secret_file(path, need),
            _ if !source.is_sound() => None,
            _ => {
                let problem = Problem::new(need.at.clone(), "a secret comes from one place");
                self.problem(problem.help("write either `{ env = \"NAME\" }` or `{ file = \"path\" }`"));
                None
            }
        }
    }

    fn variable(&mut self, name: &At<String>, need: &Need<'_>) -> Option<Found> {
        if !is_variable(&name.value) {
            let problem = Problem::new(name.span.clone(), "not the name of an environment variable");
            self.problem(problem.help("the name stands here, the secret itself only in the environment"));
            return None;
        }
        let user = need.user.as_ref()?;
        let secret = (self.surroundings.env)(&name.value);
        let Some(secret) = secret.filter(|secret| !secret.trim().is_empty()) else {
            let title = format!("environment variable `{}` is not set", name.value);
            let problem = Problem::new(name.span.clone(), title).label(format!("{} needs it", need.who));
            let problem = problem.also(user.1.clone(), format!("{} uses {}", user.0, need.who));
            self.problem(problem.help(format!("set it, or {}", need.instead)));
            return None;
        };
        let place = format!("environment variable `{}`", name.value);
        Some(Found { text: Secret::new(secret), span: name.span.clone(), place })
    }

    fn secret_file(&mut self, path: &At<String>, need: &Need<'_>) -> Option<Found> {
        let user = need.user.as_ref()?;
        let full = self.surroundings.folder.join(&path.value);
        let read = self
            .files
            .read(&full, LARGEST)
            .and_then(|mut secret| String::from_utf8(take(&mut *secret)).map_err(|_| "it is not UTF-8".to_owned()));
        match read {
            Ok(secret) => {
                let place = format!("file `{}`", path.value);
                Some(Found { text: Secret::new(secret), span: path.span.clone(), place })
            }
            Err(why) => {
                let problem = Problem::new(path.span.clone(), format!("cannot read the file `{}`", path.value));
                let problem = problem.label(format!("{} needs it: {why}", need.who));
                self.problem(problem.also(user.1.clone(), format!("{} uses {}", user.0, need.who)));
                None
            }
        }
    }

    /// The header that carries a token.
    pub fn bearer<'n>(
        &mut self,
        key: Option<&At<Key>>,
        headers: &[(String, Secret)],
        need: &dyn Fn(&Span) -> Need<'n>,
    ) -> Option<(String, Secret)> {
        let key = key?;
        if let Some((name, _)) = headers.iter().find(|(name, _)| name == "authorization") {
            let title = format!("`bearer` is the header `{name}`, which is there already");
            self.problem(Problem::new(key.span.clone(), title));
        }
        let token = self.secret(&key.value.0, &need(&key.span))?;
        Some(("authorization".to_owned(), Secret::new(format!("Bearer {}", token.expose()))))
    }

    /// The secret without blanks around it, if a header can hold it.
    pub fn sendable(&mut self, secret: &str, span: &Span, place: &str) -> Option<Secret> {
        let secret = secret.trim();
        let fits = !secret.is_empty() && HeaderValue::from_str(secret).is_ok();
        if !fits {
            let title = format!("{place} does not hold what a header can carry");
            self.problem(Problem::new(span.clone(), title).help("it must be one line of visible characters"));
        }
        fits.then(|| Secret::new(secret))
    }
}
