//! Tools that are a request to a server, as the configuration describes it. The model fills places in it; the host, the
//! shape of the path and the headers are the operator's. What the server says of a failure stays here.

mod address;
mod body;
mod template;

pub use address::{Address, AddressError};
pub use body::Shape;
pub use template::{Template, TemplateError, Unfit};

use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::Request;
use serde_json::{Map, Value};

use super::net::{Answer, Net};
use super::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};
use crate::secret::Secret;

/// A tool that is a request to a server.
#[derive(Clone, Debug)]
pub struct HttpTool {
    /// Where it calls from.
    pub net: Net,
    /// The request's method.
    pub method: Method,
    /// Its address.
    pub address: Address,
    /// Members of its query, beside those of the address. One whose argument is left out is left out.
    pub query: Vec<(String, Filling)>,
    /// Its headers.
    pub headers: Vec<(String, Secret)>,
    /// Its body.
    pub body: Body,
    /// What of the answer is the result.
    pub take: Take,
    /// The statuses that go well; all from 200 to 299 if there is none.
    pub success: Vec<u16>,
    /// Largest answer in bytes.
    pub max_response: usize,
}

/// What a member of the query is.
#[derive(Clone, Debug)]
pub enum Filling {
    /// A text with places.
    Template(Template),
    /// A secret.
    Secret(Secret),
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum Body {
    /// None.
    Empty,
    /// The arguments as they are.
    Arguments,
    /// JSON with places.
    Shape(Shape),
}

/// What of an answer is the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// All of it: as JSON if it says that it is JSON, or else as text.
    Whole,
    /// All of it as text.
    Text,
    /// The part of its JSON with this pointer.
    Pointer(String),
}

impl Tool for HttpTool {
    fn run(&self, input: ToolInput, _: Speaker) -> ToolFuture {
        let tool = self.clone();
        Box::pin(async move { tool.call(input).await.unwrap_or_else(ToolOutput::error) })
    }
}

impl HttpTool {
    async fn call(&self, input: ToolInput) -> Result<ToolOutput, String> {
        let Value::Object(arguments) = input.arguments else {
            return Err("The arguments are no object.".to_owned());
        };
        let request = self.request(arguments)?;
        let answer = self.net.fetch(request, self.max_response, |status| self.is_success(status)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        self.take.of(&answer).map(ToolOutput::ok)
    }

    fn request(&self, arguments: Map<String, Value>) -> Result<Request, String> {
        let said = |unfit: Unfit| unfit.0;
        let query = self.query_of(&arguments).map_err(said)?;
        let url = self.address.fill(&arguments, &query).map_err(said)?;
        let mut request = Request::new(self.method.clone(), url);
        let body = match &self.body {
            Body::Empty => None,
            Body::Arguments => Some(Value::Object(arguments)),
            Body::Shape(shape) => Some(shape.fill(&arguments).map_err(said)?),
        };
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/*;q=0.9, */*;q=0.1"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "The tool is set up wrong.")?;
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| "The tool is set up wrong.")?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        *request.body_mut() = body.map(|body| body.to_string().into());
        Ok(request)
    }

    fn query_of(&self, arguments: &Map<String, Value>) -> Result<Vec<(&str, String)>, Unfit> {
        let mut query = Vec::new();
        for (name, filling) in &self.query {
            let value = match filling {
                Filling::Template(template) => template.fill(arguments)?,
                Filling::Secret(secret) => Some(secret.expose().to_owned()),
            };
            query.extend(value.map(|value| (name.as_str(), value)));
        }
        Ok(query)
    }

    fn is_success(&self, status: u16) -> bool {
        if self.success.is_empty() { (200..300).contains(&status) } else { self.success.contains(&status) }
    }
}

impl Take {
    fn of(&self, answer: &Answer) -> Result<Value, String> {
        let is_json = answer.media_type == "application/json" || answer.media_type.ends_with("+json");
        match self {
            Self::Whole if is_json => json(answer),
            Self::Whole | Self::Text => Ok(String::from_utf8_lossy(&answer.body).into_owned().into()),
            Self::Pointer(pointer) => {
                let mut whole = json(answer)?;
                let part = whole.pointer_mut(pointer).map(Value::take);
                part.ok_or_else(|| "The service's answer does not have what was asked for.".to_owned())
            }
        }
    }
}

fn json(answer: &Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.body).map_err(|_| "The service's answer is no JSON.".to_owned())
}
