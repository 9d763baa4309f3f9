//! Widgets of tools.

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
        let read = self.files.read(&file, LARGEST).and_then(|text| {
            WidgetTemplate::read(std::str::from_utf8(&text).map_err(|_| "it is not UTF-8".to_owned())?)
        });
        match read {
            Ok(template) => Some(Arc::new(template)),
            Err(why) => {
                let title = format!("the widget `{}` cannot be used", path.value);
                self.problem(Problem::new(path.span.clone(), title).label(why.as_str()));
                None
            }
        }
    }
}
