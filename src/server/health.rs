//! Whether the process serves, for whoever watches it.

use chatwire_protocols::error::CallerError;
use http::request::Parts;
use http::{Method, Response};
use serde_json::json;

use super::body::Body;
use super::gateway::Gateway;
use super::{cors, refuse};

/// The gateway's own path.
const PATH: &str = "/health";

/// The answer, if this is what is asked for: at the gateway's own path, or below a route whose dialect tells more.
pub async fn reply(gateway: &Gateway, head: &Parts) -> Option<Response<Body>> {
    let route = gateway.health(head.uri.path());
    if route.is_none() && head.uri.path() != PATH {
        return None;
    }
    if head.method == Method::OPTIONS && route.is_some() {
        return None;
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut response = refuse::plain(&CallerError::new(405, "method_not_allowed", "use GET"));
        refuse::allow(&mut response, "GET, HEAD");
        return Some(response);
    }
    if gateway.stop.has_begun() {
        return Some(refuse::json(503, &json!({"status": "stopping"})));
    }
    let Some(route) = route else { return Some(refuse::json(200, &json!({"status": "ok"}))) };
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
