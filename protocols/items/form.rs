//! Forms out of the calls that ask for them, and their answers.

use serde_json::Value;

use super::{Form, FormState, Question};
use crate::chat::CallPart;
use crate::wire::json::Arguments;

impl Form {
    /// The form that a call asks for: `{"questions": [{"question", "id"?, "options"?, "multiple"?, "description"?}]}`.
    /// Questions without an id, or with one that is taken, get their number. Nothing if there is no question.
    pub fn of_call(call: &CallPart) -> Option<Self> {
        let Arguments::Object(arguments) = Arguments::read(&call.arguments) else { return None };
        let mut questions: Vec<Question> = Vec::new();
        for asked in arguments.get("questions")?.as_array()? {
            if let Some(mut question) = question(asked) {
                let is_taken = |id: &str| id.is_empty() || questions.iter().any(|other| other.id == id);
                let mut number = questions.len() + 1;
                while is_taken(&question.id) {
                    question.id = format!("q{number}");
                    number += 1;
                }
                questions.push(question);
            }
        }
        let form = Self { state: FormState::Pending, call: call.id.clone(), questions };
        (!form.questions.is_empty()).then_some(form)
    }

    /// True if it waits for the result of this call.
    pub fn waits_for(&self, call: &str) -> bool {
        self.state == FormState::Pending && self.call == call
    }

    /// Takes the answers that came as the call's output: what [`form_output`](super::form_output) gives.
    /// Questions that it does not answer so are skipped.
    pub fn take_output(&mut self, output: &Value) {
        self.state = FormState::Answered;
        let answers = output.get("answers").and_then(Value::as_array);
        for question in &mut self.questions {
            let given =
                answers.into_iter().flatten().find(|answer| answer.get("id") == Some(&question.id.as_str().into()));
            question.answer = Some(given.and_then(|answer| answer.get("values")).map(texts).unwrap_or_default());
        }
    }
}

fn question(asked: &Value) -> Option<Question> {
    let text = |name: &str| asked.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut options: Vec<String> = Vec::new();
    for option in asked.get("options").map(texts).unwrap_or_default() {
        if !options.contains(&option) {
            options.push(option);
        }
    }
    Some(Question {
        id: text("id").unwrap_or_default(),
        question: text("question")?,
        options,
        multiple: asked.get("multiple") == Some(&Value::Bool(true)),
        description: text("description"),
        answer: None,
    })
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Runs, ToolKind};
    use serde_json::json;

    fn form(arguments: &Value) -> Option<Form> {
        let call = CallPart {
            id: "c".into(),
            name: "ask".into(),
            arguments: arguments.to_string(),
            kind: ToolKind::Function,
            runs: Runs::Page,
            approval: None,
            marks: Vec::new(),
        };
        Form::of_call(&call)
    }

    fn ids(form: &Form) -> Vec<&str> {
        form.questions.iter().map(|question| question.id.as_str()).collect()
    }

    #[test]
    fn questions_have_ids_of_their_own_and_options_once() {
        let asked = json!({"questions": [
            {"question": "Which?", "options": ["a", "b", "a"], "multiple": true},
            {"id": "q1", "question": "Why?"},
            {"id": "q1", "question": "How?", "description": "In short."},
            {"id": "own", "question": "Who?"},
            {"no": "question"},
        ]});
        let form = form(&asked).unwrap();
        assert_eq!(ids(&form), ["q1", "q2", "q3", "own"]);
        assert_eq!((form.questions[0].options.len(), form.questions[0].multiple), (2, true));
        assert_eq!(form.questions[2].description.as_deref(), Some("In short."));
    }

    #[test]
    fn what_asks_nothing_is_no_form() {
        for arguments in
            [json!({}), json!({"questions": []}), json!({"questions": "?"}), json!([]), json!({"questions": [1]})]
        {
            assert_eq!(form(&arguments), None, "{arguments}");
        }
    }

    #[test]
    fn an_output_answers_what_it_names() {
        let mut form =
            form(&json!({"questions": [{"id": "a", "question": "A?"}, {"id": "b", "question": "B?"}]})).unwrap();
        assert!(form.waits_for("c") && !form.waits_for("d"));
        form.take_output(&json!({"answers": [{"id": "b", "values": ["yes"]}, {"id": "x", "values": ["no"]}]}));
        assert!(!form.waits_for("c"));
        let answers: Vec<_> = form.questions.iter().map(|question| question.answer.clone().unwrap()).collect();
        assert_eq!(answers, [vec![], vec!["yes".to_owned()]]);
    }
}
