//! What a running gateway cannot change.

use crate::config::plan::{Attachments, Plan};

/// Gives a new plan what a running gateway with the old one cannot change, and names what had been meant to differ.
pub fn keep(old: &Plan, new: &mut Plan) -> Vec<&'static str> {
    let mut kept = Vec::new();
    keep_one("server.listen", &old.server.listen, &mut new.server.listen, &mut kept);
    keep_one("server.max_connections", &old.server.max_connections, &mut new.server.max_connections, &mut kept);
    keep_one("server.max_turns", &old.server.max_turns, &mut new.server.max_turns, &mut kept);
    keep_one("server.tls", &old.server.tls, &mut new.server.tls, &mut kept);
    keep_one("store", &old.store, &mut new.store, &mut kept);
    // Who may send files is looked up for each request.
    let who = new.attachments.as_ref().map(|attachments| (attachments.cors.clone(), attachments.anonymous));
    let old_attachments = old.attachments.clone().map(|old| {
        let (cors, anonymous) = who.unwrap_or((old.cors, old.anonymous));
        Attachments { cors, anonymous, ..old }
    });
    keep_one("attachments", &old_attachments, &mut new.attachments, &mut kept);
    kept
}

fn keep_one<T: PartialEq + Clone>(name: &'static str, old: &T, new: &mut T, kept: &mut Vec<&'static str>) {
    if old != new {
        new.clone_from(old);
        kept.push(name);
    }
}
