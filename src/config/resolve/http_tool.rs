//! Tools that are a request to a server.

use std::ops::Range;

use http::Method;
use serde_json::Value;

use super::secret::Need;
use super::{Resolver, entries, items, value};
use crate::config::file::HeaderText;
use crate::config::placed::Placed;
use crate::config::read::{At, Section};
use crate::config::report::{Problem, Span};
use crate::config::tool_kinds::Http;
use crate::secret::Secret;
use crate::tools::http::{Address, Body, Filling, HttpTool, Shape, Take, Template};
use crate::tools::{Arguments, Net};

/// The tool that makes a request.
pub struct Caller<'a> {
    /// Its name.
    pub name: &'a str,
    /// Who offers it, with the place.
    pub user: Option<&'a (String, Span)>,
    /// Its arguments.
    pub arguments: &'a Arguments,
}

impl<'a> Caller<'a> {
    fn need(&self, at: &Span) -> Need<'a> {
        Need {
            at: at.clone(),
            who: format!("tool `{}`", self.name),
            user: self.user.map(|(user, span)| (user.as_str(), span.clone())),
            instead: "take the tool out of the route",
        }
    }
}

impl Resolver<'_> {
    /// The request of a tool. Nothing if something in it is wrong, which has been noted.
    pub fn http_tool(&mut self, file: &Http, caller: &Caller<'_>, net: &Net) -> Option<HttpTool> {
        let before = self.problems.len();
        let address = file.url.0.as_ref().and_then(|url| self.address(url, caller));
        let method = value(&file.method).map_or(Method::GET, |method| method.0.clone());
        let query = entries(&file.query).iter();
        let query = query.filter_map(|member| {
            let filling = self.filling(member.value.as_ref()?, caller)?;
            Some((member.name.value.clone(), filling))
        });
        let query = query.collect();
        let body = self.body(file.body.as_ref(), &method, caller);
        let tool = HttpTool {
            net: net.clone(),
            address: address?,
            query,
            headers: self.tool_headers(file, caller),
            body: body?,
            method,
            take: value(&file.result).cloned().unwrap_or(Take::Whole),
            success: items(&file.success).iter().filter_map(|status| u16::try_from(status.value.0).ok()).collect(),
            max_response: value(&file.max_response).map_or(1 << 20, |size| size.0),
        };
        (self.problems.len() == before && file.is_sound()).then_some(tool)
    }

    fn address(&mut self, url: &At<String>, caller: &Caller<'_>) -> Option<Address> {
        match Address::parse(&url.value) {
            Ok(address) => {
                for name in address.arguments() {
                    let span = self.place_of(url, name);
                    self.check_argument(name, &span, caller, true);
                }
                Some(address)
            }
            Err(error) => {
                let span = self.part(url, error.at);
                let problem = Problem::new(span, "not the address of a tool").label(error.what);
                self.problem(problem.help("write one like \"https://api.example.com/orders/{order}\""));
                None
            }
        }
    }

    fn filling(&mut self, given: &At<HeaderText>, caller: &Caller<'_>) -> Option<Filling> {
        match &given.value {
            HeaderText::From(source) => self.secret(source, &caller.need(&given.span)).map(Filling::Secret),
            HeaderText::Plain(text) => {
                let text = At { value: text.0.expose().to_owned(), span: given.span.clone() };
                let template =
                    self.template(&text, Template::parse(&text.value).map_err(|error| (error.at, error.what)))?;
                for name in template.arguments() {
                    let span = self.place_of(&text, name);
                    self.check_argument(name, &span, caller, false);
                }
                Some(Filling::Template(template))
            }
        }
    }

    fn template<T>(&mut self, text: &At<String>, parsed: Result<T, (Range<usize>, &'static str)>) -> Option<T> {
        parsed
            .map_err(|(at, what)| {
                let span = self.part(text, at);
                self.problem(Problem::new(span, "a text with a wrong place for an argument").help(what));
            })
            .ok()
    }

    fn tool_headers(&mut self, file: &Http, caller: &Caller<'_>) -> Vec<(String, Secret)> {
        let need = |at: &Span| caller.need(at);
        let given = entries(&file.headers).iter();
        let mut headers: Vec<_> =
            given.filter_map(|header| self.header(&header.name, header.value.as_ref()?, &need)).collect();
        headers.extend(self.bearer(file.bearer.as_ref(), &headers, &need));
        headers
    }

    fn body(&mut self, given: Option<&At<Placed>>, method: &Method, caller: &Caller<'_>) -> Option<Body> {
        let takes_arguments = [Method::POST, Method::PUT, Method::PATCH].contains(method);
        let Some(given) = given else {
            return Some(if takes_arguments { Body::Arguments } else { Body::Empty });
        };
        if *method == Method::GET {
            let problem = Problem::new(given.span.clone(), "a GET request has no body");
            self.problem(problem.help("write `method = \"POST\"`, or use `query`"));
            return None;
        }
        match Shape::parse(&given.value.json) {
            Ok(shape) => {
                for (place, name) in shape.arguments() {
                    self.check_argument(name, &given.value.place(&place), caller, false);
                }
                Some(Body::Shape(shape))
            }
            Err(error) => {
                let text = given.value.json.pointer(&error.place).and_then(Value::as_str).unwrap_or_default();
                let text = At { value: text.to_owned(), span: given.value.place(&error.place) };
                self.template(&text, Err((error.at, error.what)))
            }
        }
    }

    /// The place of an argument's name in a text.
    fn place_of(&self, text: &At<String>, name: &str) -> Span {
        let at = text.value.find(&format!("{{{name}}}")).unwrap_or_default();
        self.part(text, at + 1..at + 1 + name.len())
    }

    fn check_argument(&mut self, name: &str, span: &Span, caller: &Caller<'_>, needed: bool) {
        let schema = caller.arguments.schema();
        let properties = schema["properties"].as_object();
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            let title = format!("`{name}` is no argument of tool `{}`", caller.name);
            let known = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
            let problem = Problem::new(span.clone(), title).suggest(name, "arguments", known);
            self.problem(problem.help("arguments are the `properties` of its `parameters`"));
        } else if needed && !schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name)) {
            let title = format!("the address needs `{name}`, which a model may leave out");
            let problem = Problem::new(span.clone(), title);
            self.problem(problem.help("add it to `required` in `parameters`, or move it into `query`"));
        }
    }
}
