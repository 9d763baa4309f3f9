//! Whether the process serves, for whoever watches it.

use chatwire_protocols::error::CallerError;
use http::request::Parts;
use http::{Method, Response};
use serde_json::json;

use super::body::Body;
use super::gateway::Gateway;
use super::{cors, refuse};

/// The gateway's own paths: whether the process lives, and whether it takes more work.
const OWN: [&str; 2] = ["/health", "/ready"];

/// The answer, if it is asked for at one of the gateway's own paths. They may be called by any name, which is what
/// watchers do, and tell nothing.
pub fn own(gateway: &Gateway, path: &str, head: &Parts) -> Option<Response<Body>> {
    // A route whose dialect tells more of its health may be at the root.
    if !OWN.contains(&path) || gateway.health(path).is_some() {
        return None;
    }
    Some(refused(gateway, head).unwrap_or_else(|| refuse::json(200, &json!({"status": "ok"}))))
}

/// The answer, if it is asked for below a route whose dialect tells more.
pub async fn of_route(gateway: &Gateway, path: &str, head: &Parts) -> Option<Response<Body>> {
    let route = gateway.health(path)?;
    if head.method == Method::OPTIONS {
        return None;
    }
    if let Some(response) = refused(gateway, head) {
        return Some(response);
    }
    let mut response = match gateway.threads.health(route).await {
        Ok(answer) => refuse::given(route.frontend.answer(&answer)),
        Err(error) => {
            tracing::error!(%error, "the store cannot be asked");
            refuse::json(503, &json!({"status": "unhealthy"}))
        }
    };
    cors::apply(&route.cors, &head.headers, &mut response);
    Some(response)
}

fn refused(gateway: &Gateway, head: &Parts) -> Option<Response<Body>> {
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut response = refuse::plain(&CallerError::new(405, "method_not_allowed", "use GET"));
        refuse::allow(&mut response, "GET, HEAD");
        return Some(response);
    }
    gateway.stop.has_begun().then(|| refuse::json(503, &json!({"status": "stopping"})))
}
