//! Tools.

use std::sync::Arc;
use std::time::Duration;

use super::http_tool::Caller;
use super::names::Names;
use super::provider::Users;
use super::workspace::{PartUser, Parts};
use super::{Resolver, entries, items, value};
use crate::config::file::{self, List, Optional};
use crate::config::placed::Placed;
use crate::config::plan::{Model, ToolKind, ToolPlan};
use crate::config::read::{At, Entry, Named, Section};
use crate::config::report::{Problem, Span};
use crate::config::tool_kinds::{Http, Weather, Write};
use crate::tools::mcp::{LONGEST_NAME, fits_name};
use crate::tools::workspace::{Part, Per};
use crate::tools::{Arguments, Net, Permission, Writer, form, weather};

/// What a tool that keeps its own time gets on top of it.
const GRACE: Duration = Duration::from_secs(2);

/// Which tools are offered, each with the first route that does.
pub fn users(routes: &List<file::Route>) -> Users<'_> {
    let mut users = Users::new();
    for route in items(routes) {
        let path = route.value.path.0.as_ref().map_or("", |path| path.value.as_str());
        for tool in items(&route.value.tools) {
            users.entry(&tool.value).or_insert_with(|| (format!("route `{path}`"), tool.span.clone()));
        }
        let actions = entries(&route.value.actions).iter().filter_map(|action| action.value.as_ref());
        for tool in actions.filter_map(|action| action.tool.0.as_ref()) {
            users.entry(&tool.value).or_insert_with(|| (format!("an action of route `{path}`"), tool.span.clone()));
        }
    }
    users
}

impl Resolver<'_> {
    pub fn tools(
        &mut self,
        file: &Optional<Named<file::Tool>>,
        users: &Users<'_>,
        parts: &Parts<'_>,
        models: &Names<Model>,
    ) -> Names<ToolPlan> {
        let mut names = Names::new(self.complete || file.is_some());
        let net = Net::default();
        for entry in entries(file) {
            let tool = self.tool(entry, users.get(entry.name.value.as_str()), (&net, parts, models));
            // TOML has no key twice, so no name is added twice.
            let _ = names.add(&entry.name, tool.map(Arc::new));
        }
        names
    }

    fn tool(
        &mut self,
        entry: &Entry<file::Tool>,
        user: Option<&(String, Span)>,
        (net, parts, models): (&Net, &Parts<'_>, &Names<Model>),
    ) -> Option<ToolPlan> {
        self.check_tool_name(&entry.name);
        let file = entry.value.as_ref()?;
        let arguments = match &file.parameters {
            Some(parameters) => self.parameters(parameters),
            None => Some(Arguments::default()),
        };
        let kind = self.kind(&entry.name, file)?;
        let limits = ToolPlan::new("", ToolKind::Page);
        let mut timeout = value(&file.timeout).map_or(limits.timeout, |time| time.0);
        let max_output = value(&file.max_output).map_or(limits.max_output, |size| size.0);
        let mut permission = Permission::Allow;
        let mut needs_owner = false;
        let (mut arguments, mut description) = (arguments?, value(&file.description).cloned());
        let kind = match kind {
            Kind::Fixed(fixed) => ToolKind::Fixed(fixed.result.0.as_ref()?.value.0.clone()),
            Kind::Page => ToolKind::Page,
            Kind::Form => {
                arguments = self.form_arguments(file.parameters.as_ref())?;
                description.get_or_insert_with(|| form::DESCRIPTION.to_owned());
                ToolKind::Form
            }
            Kind::Http(http) => {
                let named = Caller { name: &entry.name.value, user, arguments: &arguments };
                ToolKind::Code(Arc::new(self.http_tool(http, &named, net)?))
            }
            Kind::Write(write) => {
                let model = write.model.0.as_ref().and_then(|model| self.own_model(model, models));
                let instructions = write.instructions.0.as_ref()?.value.clone();
                ToolKind::Write(Arc::new(Writer { model: model?, instructions }))
            }
            Kind::Weather(weather) => {
                arguments = self.weather_arguments(file.parameters.as_ref())?;
                description.get_or_insert_with(|| weather::DESCRIPTION.to_owned());
                ToolKind::Code(Arc::new(self.weather_tool(weather, net)?))
            }
            Kind::Workspace(part) => {
                arguments = self.workspace_arguments(part.value, file.parameters.as_ref())?;
                description.get_or_insert_with(|| part.value.description().to_owned());
                permission = Permission::Deny;
                needs_owner = parts.workspace.as_ref().is_some_and(|workspace| workspace.per != Per::Shared);
                let user = PartUser { part: &part, name: &entry.name.value, user, timeout, shown: max_output };
                let kind = self.workspace_tool(parts, &user, net)?;
                if part.value == Part::Bash {
                    // It ends its commands itself, and then shows what they have said.
                    timeout += GRACE;
                }
                kind
            }
        };
        let plan = ToolPlan::new(&entry.name.value, kind);
        let widget = match &file.widget {
            Some(path) => Some(self.widget(path)?),
            None => None,
        };
        Some(ToolPlan {
            description,
            arguments,
            permission: value(&file.permission).map_or(permission, |word| word.0),
            timeout,
            max_output,
            needs_owner,
            widget,
            ..plan
        })
    }

    fn check_tool_name(&mut self, name: &At<String>) {
        if name.value.is_empty() || name.value.len() > LONGEST_NAME || !name.value.chars().all(fits_name) {
            let problem = Problem::new(name.span.clone(), "a name that models cannot call a tool by");
            self.problem(problem.help(format!("use at most {LONGEST_NAME} letters, digits, `_` and `-`")));
        }
    }

    /// Providers take a schema only if it is one of an object.
    fn parameters(&mut self, schema: &At<Placed>) -> Option<Arguments> {
        let kind = schema.value.json.get("type");
        if kind.is_none_or(|kind| kind != "object") {
            let problem = Problem::new(schema.value.place("/type"), "the parameters of a tool are an object");
            self.problem(problem.help("write `type = \"object\"`, and each argument under `properties`"));
            return None;
        }
        let arguments = Arguments::new(schema.value.json.clone());
        if let Err(error) = &arguments {
            let problem = Problem::new(schema.value.place(&error.place), "not a JSON Schema");
            self.problem(problem.label(error.what.as_str()));
        }
        arguments.ok()
    }

    /// The arguments of a form, which the file cannot change.
    fn form_arguments(&mut self, given: Option<&At<Placed>>) -> Option<Arguments> {
        if let Some(given) = given {
            let problem = Problem::new(given.span.clone(), "`form` has parameters of its own");
            self.problem(problem.help("leave `parameters` out: they are `questions`"));
        }
        Arguments::new(form::parameters()).ok().filter(|_| given.is_none())
    }

    /// The one way in which a tool is run.
    fn kind<'a>(&mut self, name: &At<String>, file: &'a file::Tool) -> Option<Kind<'a>> {
        let fixed = file.fixed.as_ref().map(|fixed| (Kind::Fixed(&fixed.value), &fixed.span));
        let page = file.page.as_ref().map(|page| (Kind::Page, &page.span));
        let form = file.form.as_ref().map(|form| (Kind::Form, &form.span));
        let http = file.http.as_ref().map(|http| (Kind::Http(&http.value), &http.span));
        let weather = file.weather.as_ref().map(|weather| (Kind::Weather(&weather.value), &weather.span));
        let write = file.write.as_ref().map(|write| (Kind::Write(&write.value), &write.span));
        let workspace = file
            .workspace
            .as_ref()
            .map(|part| (Kind::Workspace(At { value: part.value.0, span: part.span.clone() }), &part.span));
        let mut ways = [fixed, page, form, http, write, weather, workspace].into_iter().flatten();
        match (ways.next(), ways.next()) {
            (Some((kind, _)), None) => return Some(kind),
            (Some((_, one)), Some((_, other))) => {
                let problem = Problem::new(other.clone(), format!("tool `{}` is run in two ways", name.value));
                self.problem(problem.also(one.clone(), "the other way"));
            }
            (None, _) if !file.is_sound() => {}
            (None, _) => {
                let title = format!("nothing says how tool `{}` is run", name.value);
                let problem = Problem::new(name.span.clone(), title);
                let ways = "`http = { url = … }`, `fixed = { result = … }`, or `page = {}` if the page runs it";
                self.problem(problem.help(format!("add {ways}")));
            }
        }
        None
    }
}

/// How a tool is run, as the file says it.
enum Kind<'a> {
    Fixed(&'a file::Fixed),
    Page,
    Form,
    Http(&'a Http),
    Weather(&'a Weather),
    Write(&'a Write),
    Workspace(At<Part>),
}
