//! What the model thought and the provider did for it, as tasks; and the sources of an answer.

use serde_json::Value;

use super::object::Object;
use crate::event::{Citation, ToolOutcome};
use crate::items::{KeptCall, Task};

/// Most queries and sources that one task shows.
const SHOWN: usize = 50;

/// A task of a workflow. A call without a result loads while its workflow is `open`.
pub(super) fn task(task: &Task, open: bool) -> Value {
    match task {
        Task::Thought { text, .. } => Object::default()
            .set("status_indicator", "none")
            .set("type", "thought")
            .set("content", text.as_str())
            .into(),
        Task::Call(call) => provider_call(call, open),
    }
}

fn provider_call(call: &KeptCall, open: bool) -> Value {
    let indicator = match (&call.result, open) {
        (Some(result), _) if result.outcome == ToolOutcome::Ok => "complete",
        (None, true) => "loading",
        _ => "none",
    };
    let label = if call.call.name.is_empty() { call.call.kind.name() } else { &call.call.name };
    let object = Object::default().set("status_indicator", indicator);
    if !label.starts_with("web_search") {
        return object.set("type", "custom").set("title", words(label)).into();
    }
    let arguments: Value = serde_json::from_str(&call.call.arguments).unwrap_or_default();
    let output = call.result.as_ref().map_or(&Value::Null, |result| &result.output);
    let queries = queries(&[&arguments, output]);
    object
        .set("type", "web_search")
        .maybe("title_query", queries.first().cloned())
        .set("queries", queries)
        .set("sources", sources(&[&arguments, output]))
        .into()
}

/// `code_interpreter_call` as people write it.
fn words(label: &str) -> String {
    let label = label.strip_suffix("_call").unwrap_or(label).replace('_', " ");
    let mut letters = label.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What was searched for: one query, or several. Some providers say it with the result only.
fn queries(said: &[&Value]) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for said in said {
        let listed = said.get("queries").and_then(Value::as_array).into_iter().flatten();
        for query in said.get("query").into_iter().chain(listed).filter(|query| query.is_string()) {
            if found.len() < SHOWN && !found.contains(query) {
                found.push(query.clone());
            }
        }
    }
    found
}

/// What was found: objects with an address, in a list that is the output itself or its `sources`, `results` or `content`.
fn sources(outputs: &[&Value]) -> Vec<Value> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for output in outputs {
        let lists = [Some(*output), output.get("sources"), output.get("results"), output.get("content")];
        for entry in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            let Some(url) = text("url") else { continue };
            if found.len() < SHOWN && found.iter().all(|(_, known)| *known != url) {
                found.push((text("title").unwrap_or(url), url));
            }
        }
    }
    found.into_iter().map(|(title, url)| url_source(title, url)).collect()
}

fn url_source(title: &str, url: &str) -> Value {
    Object::default().set("title", title).set("type", "url").set("url", url).into()
}

/// A source that a text rests on, marked behind so many characters of the text. Every citation has a form, so that
/// the numbers of annotations stay dense.
pub(super) fn annotation(citation: &Citation, at: u32) -> Value {
    let title = citation.title.as_deref().filter(|title| !title.is_empty());
    let source = match citation.url.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => url_source(title.unwrap_or(url), url),
        None => {
            let name = title.or(citation.file.as_deref()).unwrap_or("Document");
            Object::default().set("title", name).set("type", "file").set("filename", name).into()
        }
    };
    Object::default().set("type", "annotation").set("source", source).set("index", at).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::{CallPart, ResultPart};
    use crate::event::{Runs, ToolKind};

    fn call(kind: &str, name: &str, arguments: &str, output: Option<Value>) -> Task {
        let result = output.map(|output| ResultPart {
            call: "c".into(),
            name: name.into(),
            outcome: ToolOutcome::Ok,
            output,
            files: Vec::new(),
            runs: Runs::Provider,
        });
        let call = CallPart {
            id: "c".into(),
            name: name.into(),
            arguments: arguments.to_owned(),
            kind: ToolKind::Other(kind.into()),
            runs: Runs::Provider,
            approval: None,
            marks: Vec::new(),
        };
        Task::Call(Box::new(KeptCall { call, result }))
    }

    #[test]
    fn a_search_shows_its_queries_and_sources_once_each() {
        let arguments = r#"{"type":"search","query":"Bern","queries":["Bern","Bern weather",5],
                            "sources":[{"type":"url","url":"https://a/"}]}"#;
        let output = json!([{"url": "https://b/", "title": "B"}, {"url": "https://a/", "title": "A"}, {"no": 1}, 7]);
        let searched = task(&call("web_search_call", "", arguments, Some(output)), true);
        let expected = r#"{"status_indicator":"complete","type":"web_search","title_query":"Bern","queries":["Bern","Bern weather"],"sources":[{"title":"https://a/","type":"url","url":"https://a/"},{"title":"B","type":"url","url":"https://b/"}]}"#;
        assert_eq!(searched.to_string(), expected);
        for (arguments, open, indicator) in [("", true, "loading"), ("{\"query\":", false, "none")] {
            let searching = task(&call("server_tool_use", "web_search", arguments, None), open);
            let expected = json!({"status_indicator": indicator, "type": "web_search", "queries": [], "sources": []});
            assert_eq!(searching, expected);
        }
    }

    #[test]
    fn a_search_is_told_by_its_result_where_its_call_says_nothing() {
        let output = json!({"query": "lakes", "content": [{"url": "https://a/", "title": "A"}]});
        let searched = task(&call("web_search_call", "", "", Some(output)), true);
        assert_eq!((&searched["queries"], &searched["sources"][0]["title"]), (&json!(["lakes"]), &json!("A")));
    }

    #[test]
    fn sources_have_a_bound() {
        let output: Vec<Value> = (0..200).map(|at| json!({"url": format!("https://a/{at}")})).collect();
        let searched = task(&call("", "web_search", "{}", Some(json!({"results": output}))), false);
        assert_eq!(searched["sources"].as_array().unwrap().len(), SHOWN);
    }

    #[test]
    fn other_calls_and_thoughts_are_told_in_words() {
        let shown = task(&call("code_interpreter_call", "", "{}", Some(Value::Null)), false);
        assert_eq!(shown, json!({"status_indicator": "complete", "type": "custom", "title": "Code interpreter"}));
        assert_eq!(words(""), "");
        let thought = Task::Thought { text: String::new(), summary: true, marks: Vec::new() };
        assert_eq!(task(&thought, true).to_string(), r#"{"status_indicator":"none","type":"thought","content":""}"#);
    }

    #[test]
    fn every_citation_is_an_annotation() {
        let cite = |url: Option<&str>, title: Option<&str>, file: Option<&str>| {
            let citation = Citation {
                url: url.map(str::to_owned),
                title: title.map(str::to_owned),
                file: file.map(Into::into),
                ..Citation::default()
            };
            annotation(&citation, 7)["source"].clone()
        };
        let url = json!({"title": "T", "type": "url", "url": "u"});
        assert_eq!(cite(Some("u"), Some("T"), Some("f")), url);
        assert_eq!(cite(Some("u"), Some(""), None)["title"], "u");
        assert_eq!(cite(Some(""), Some("a.txt"), None), json!({"title": "a.txt", "type": "file", "filename": "a.txt"}));
        assert_eq!(cite(None, None, Some("file-1"))["filename"], "file-1");
        assert_eq!(cite(None, None, None)["title"], "Document");
        assert_eq!(annotation(&Citation::default(), 7)["index"], 7);
    }
}
