//! Widgets of tools.

use std::fs;
use std::sync::Arc;

use super::Resolver;
use crate::config::read::At;
use crate::config::report::Problem;
use crate::tools::WidgetTemplate;

/// Largest widget file in bytes.
const LARGEST: u64 = 1 << 20;

impl Resolver<'_> {
    /// The template in a file.
    pub fn widget(&mut self, path: &At<String>) -> Option<Arc<WidgetTemplate>> {
        let file = self.surroundings.folder.join(&path.value);
        let read = || {
            let size = fs::metadata(&file).map_err(|error| error.to_string())?.len();
            if size > LARGEST {
                return Err(format!("it has {size} bytes, and {LARGEST} are the limit"));
            }
            let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
            WidgetTemplate::read(&text)
        };
        match read() {
            Ok(template) => Some(Arc::new(template)),
            Err(why) => {
                let title = format!("the widget `{}` cannot be used", path.value);
                self.problem(Problem::new(path.span.clone(), title).label(why.as_str()));
                None
            }
        }
    }
}
