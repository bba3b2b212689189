//! A plan for people (text, an indented tree) and for programs (JSON), and its size.
//!
//! Both forms use the node names that federation's users know: `QueryPlan`, `Sequence`, `Parallel`, `Fetch`,
//! `BatchFetch`, `Flatten`, `Condition`, `Defer`, `Subscription`.

use std::fmt::{self, Write as _};

use apollo_compiler::Name;
use apollo_compiler::ast::{self, Definition, Selection};
use serde_json::{Value, json};

use super::{
    BooleanCondition, ContextVariable, DeferredPart, EntityFetch, Fetch, FetchTarget, OperationKind, PathElement,
    PlanNode, QueryPlan, Representation, RepresentationInput,
};

impl QueryPlan {
    /// How many subgraph requests the plan makes when every condition holds; a batch is one.
    pub fn fetches(&self) -> usize {
        self.root.as_ref().map_or(0, PlanNode::fetches)
    }

    /// How many requests follow one another on the longest way.
    pub fn stages(&self) -> usize {
        self.root.as_ref().map_or(0, PlanNode::stages)
    }

    /// The plan for programs.
    pub fn to_json(&self) -> Value {
        let mut plan = json!({ "kind": "QueryPlan" });
        if let Some(root) = &self.root {
            plan["node"] = root.to_json();
        }
        if let Some(introspection) = &self.introspection {
            plan["introspection"] = json!(introspection);
        }
        plan
    }
}

impl PlanNode {
    fn children(&self) -> Vec<&PlanNode> {
        match self {
            Self::Sequence(nodes) | Self::Parallel(nodes) => nodes.iter().collect(),
            Self::Fetch(_) => Vec::new(),
            Self::Condition { if_true, if_false, .. } => {
                [if_true, if_false].into_iter().flatten().map(AsRef::as_ref).collect()
            }
            Self::Defer { primary, deferred } => {
                let parts = deferred.iter().filter_map(|part| part.node.as_ref());
                primary.iter().chain(parts).map(AsRef::as_ref).collect()
            }
            Self::Subscription { rest, .. } => rest.iter().map(AsRef::as_ref).collect(),
        }
    }

    fn own_fetches(&self) -> usize {
        usize::from(matches!(self, Self::Fetch(_) | Self::Subscription { .. }))
    }

    fn fetches(&self) -> usize {
        self.own_fetches() + self.children().into_iter().map(Self::fetches).sum::<usize>()
    }

    fn stages(&self) -> usize {
        let children = self.children().into_iter().map(Self::stages);
        self.own_fetches()
            + match self {
                Self::Sequence(_) => children.sum::<usize>(),
                Self::Defer { primary, deferred } => {
                    let after = deferred.iter().filter_map(|part| part.node.as_ref());
                    let first = primary.as_ref().map_or(0, |node| node.stages());
                    first + after.map(|node| node.stages()).max().unwrap_or_default()
                }
                _ => children.max().unwrap_or_default(),
            }
    }

    fn to_json(&self) -> Value {
        let list = |nodes: &[PlanNode]| nodes.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::Sequence(nodes) => json!({ "kind": "Sequence", "nodes": list(nodes) }),
            Self::Parallel(nodes) => json!({ "kind": "Parallel", "nodes": list(nodes) }),
            Self::Fetch(fetch) => fetch.to_json(),
            Self::Condition {
                variable,
                if_true,
                if_false,
            } => {
                let mut node = json!({ "kind": "Condition", "condition": variable.as_str() });
                for (name, clause) in [("ifClause", if_true), ("elseClause", if_false)] {
                    if let Some(clause) = clause {
                        node[name] = clause.to_json();
                    }
                }
                node
            }
            Self::Defer { primary, deferred } => {
                let mut node = json!({ "kind": "Defer", "primary": {} });
                if let Some(primary) = primary {
                    node["primary"]["node"] = primary.to_json();
                }
                node["deferred"] = deferred.iter().map(DeferredPart::to_json).collect();
                node
            }
            Self::Subscription { primary, rest } => {
                let mut node = json!({ "kind": "Subscription", "primary": primary.to_json() });
                if let Some(rest) = rest {
                    node["rest"] = rest.to_json();
                }
                node
            }
        }
    }
}

impl DeferredPart {
    fn to_json(&self) -> Value {
        let mut part = json!({ "part": self.part, "label": self.label, "after": self.after, "depends": self.depends });
        if let Some(node) = &self.node {
            part["node"] = node.to_json();
        }
        part
    }

    /// `part: 1, label: "later", after: [0], depends: [2]`
    fn head(&self) -> String {
        let mut head = format!("part: {}", self.part);
        if let Some(label) = &self.label {
            let _ = write!(head, ", label: {label:?}");
        }
        if !self.after.is_empty() {
            let _ = write!(head, ", after: {:?}", self.after);
        }
        if let Some(depends) = self.depends.as_ref().filter(|depends| !depends.is_empty()) {
            let _ = write!(head, ", depends: {depends:?}");
        }
        head
    }
}

impl Fetch {
    fn to_json(&self) -> Value {
        let mut fetch = json!({
            "kind": "Fetch",
            "id": self.id,
            "serviceName": self.subgraph.as_ref(),
            "operationKind": kind_name(self.operation_kind),
            "operation": self.document.as_ref(),
            "variableUsages": names(&self.variables),
            "reason": self.reason,
        });
        match &self.target {
            FetchTarget::Root { path } if path.is_empty() => fetch,
            FetchTarget::Root { path } => flatten(path, &fetch),
            FetchTarget::Entities(entities) => match entities.as_slice() {
                [only] => {
                    fetch["requires"] = json!(only.representations.iter().map(representation_json).collect::<Vec<_>>());
                    add_to_entity(&mut fetch, only);
                    flatten(&only.path, &fetch)
                }
                _ => {
                    fetch["kind"] = json!("BatchFetch");
                    fetch["entities"] = entities.iter().map(entity_json).collect();
                    fetch
                }
            },
        }
    }
}

fn flatten(path: &[PathElement], node: &Value) -> Value {
    json!({ "kind": "Flatten", "path": path_json(path), "node": node })
}

fn entity_json(entity: &EntityFetch) -> Value {
    let mut json = json!({
        "alias": entity.response_name.as_str(),
        "variable": entity.variable.as_str(),
        "path": path_json(&entity.path),
        "requires": entity.representations.iter().map(representation_json).collect::<Vec<_>>(),
    });
    add_to_entity(&mut json, entity);
    json
}

/// What most entity fetches have none of.
fn add_to_entity(json: &mut Value, entity: &EntityFetch) {
    if !entity.conditions.is_empty() {
        json["conditions"] = entity.conditions.iter().map(|all| conditions_json(all)).collect();
    }
    if !entity.context_variables.is_empty() {
        let contexts = entity.context_variables.iter();
        json["contexts"] = contexts.map(|context| context_json(entity, context)).collect();
    }
}

fn context_json(entity: &EntityFetch, context: &ContextVariable) -> Value {
    let sources = context.sources.iter().map(|source| {
        json!({
            "path": path_json(&entity.path[..source.depth]),
            "runtimeTypes": names(&source.runtime_types),
            "value": names(&source.value),
        })
    });
    json!({ "variable": context.variable.as_str(), "sources": sources.collect::<Vec<_>>() })
}

/// `, if: $a and !$b or $c`; nothing when there are none.
fn conditions_text(conditions: &[Vec<BooleanCondition>]) -> String {
    let one = |condition: &BooleanCondition| {
        let sign = if condition.value { "" } else { "!" };
        format!("{sign}${}", condition.variable)
    };
    let all = |all: &Vec<BooleanCondition>| all.iter().map(one).collect::<Vec<_>>().join(" and ");
    if conditions.is_empty() {
        return String::new();
    }
    let any: Vec<String> = conditions.iter().map(all).collect();
    format!(", if: {}", any.join(" or "))
}

/// `customer.currency`, nearest first.
fn context_text(entity: &EntityFetch, context: &ContextVariable) -> String {
    let sources = context.sources.iter().map(|source| {
        let mut path = entity.path[..source.depth].to_vec();
        if !source.runtime_types.is_empty() {
            path.push(PathElement::TypeCondition(source.runtime_types.clone()));
        }
        path.extend(source.value.iter().cloned().map(PathElement::Field));
        path_text(&path)
    });
    sources.collect::<Vec<_>>().join(", else ")
}

fn representation_json(representation: &Representation) -> Value {
    json!({
        "runtimeTypes": names(&representation.runtime_types),
        "typename": representation.typename.as_ref().map(Name::as_str),
        "inputs": inputs_text(&representation.inputs),
    })
}

fn conditions_json(conditions: &[BooleanCondition]) -> Value {
    let conditions = conditions.iter();
    conditions
        .map(|condition| json!({ "variable": condition.variable.as_str(), "value": condition.value }))
        .collect()
}

fn names(names: &[Name]) -> Vec<&str> {
    names.iter().map(Name::as_str).collect()
}

fn path_json(path: &[PathElement]) -> Vec<String> {
    path.iter().map(element_text).collect()
}

fn element_text(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => name.to_string(),
        PathElement::Items => "@".to_owned(),
        PathElement::TypeCondition(types) => format!("|[{}]", names(types).join(",")),
    }
}

fn path_text(path: &[PathElement]) -> String {
    path_json(path).join(".").replace(".|[", "|[")
}

fn kind_name(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Query => "query",
        OperationKind::Mutation => "mutation",
        OperationKind::Subscription => "subscription",
    }
}

/// `id price org { id }`; what is stored under another name is `name: stored_name`.
fn inputs_text(inputs: &[RepresentationInput]) -> String {
    let texts = inputs.iter().map(|input| {
        let mut text = input.name.to_string();
        if input.storage_name != input.name {
            let _ = write!(text, ": {}", input.storage_name);
        }
        if !input.inputs.is_empty() {
            let _ = write!(text, " {{ {} }}", inputs_text(&input.inputs));
        }
        if input.runtime_types.is_empty() {
            text
        } else {
            format!("... on {} {{ {text} }}", names(&input.runtime_types).join(" | "))
        }
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// The indented tree.
impl fmt::Display for QueryPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer::default();
        printer.open("QueryPlan");
        if let Some(introspection) = &self.introspection {
            printer.line(&format!("Introspection: {introspection}"));
        }
        if let Some(root) = &self.root {
            printer.node(root);
        }
        printer.close();
        formatter.write_str(&printer.text)
    }
}

#[derive(Default)]
struct Printer {
    text: String,
    depth: usize,
}

impl Printer {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:width$}{line}", "", width = self.depth * 2);
    }

    fn open(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn node(&mut self, node: &PlanNode) {
        match node {
            PlanNode::Sequence(nodes) => self.nodes("Sequence", nodes),
            PlanNode::Parallel(nodes) => self.nodes("Parallel", nodes),
            PlanNode::Fetch(fetch) => self.fetch(fetch),
            PlanNode::Condition {
                variable,
                if_true,
                if_false,
            } => {
                for (head, clause) in [("Include", if_true), ("Skip", if_false)] {
                    if let Some(clause) = clause {
                        self.open(&format!("{head}(if: ${variable})"));
                        self.node(clause);
                        self.close();
                    }
                }
            }
            PlanNode::Defer { primary, deferred } => self.parts(primary.as_deref(), deferred),
            PlanNode::Subscription { primary, rest } => {
                self.open("Subscription");
                self.open("Primary");
                self.fetch(primary);
                self.close();
                if let Some(rest) = rest {
                    self.open("Rest");
                    self.node(rest);
                    self.close();
                }
                self.close();
            }
        }
    }

    fn parts(&mut self, primary: Option<&PlanNode>, deferred: &[DeferredPart]) {
        self.open("Defer");
        self.open("Primary");
        if let Some(primary) = primary {
            self.node(primary);
        }
        self.close();
        for part in deferred {
            self.open(&format!("Deferred({})", part.head()));
            if let Some(node) = &part.node {
                self.node(node);
            }
            self.close();
        }
        self.close();
    }

    fn nodes(&mut self, head: &str, nodes: &[PlanNode]) {
        self.open(head);
        for node in nodes {
            self.node(node);
        }
        self.close();
    }

    fn fetch(&mut self, fetch: &Fetch) {
        let document = ast::Document::parse(fetch.document.as_ref(), "fetch.graphql");
        let document = document.unwrap_or_else(|partial| partial.partial);
        let selections = document.definitions.iter().find_map(|definition| match definition {
            Definition::OperationDefinition(operation) => Some(operation.selection_set.as_slice()),
            _ => None,
        });
        let selections = selections.unwrap_or_default();
        if !fetch.reason.is_empty() {
            self.line(&format!("# {}", fetch.reason));
        }
        match &fetch.target {
            FetchTarget::Root { path } => {
                let at = if path.is_empty() {
                    String::new()
                } else {
                    format!(", path: \"{}\"", path_text(path))
                };
                self.open(&format!("Fetch(service: \"{}\"{at})", fetch.subgraph));
                self.selections(kind_prefix(fetch.operation_kind), selections);
                self.close();
            }
            FetchTarget::Entities(entities) => {
                let name = if entities.len() == 1 { "Fetch" } else { "BatchFetch" };
                self.open(&format!("{name}(service: \"{}\")", fetch.subgraph));
                for entity in entities {
                    self.entity(entity, selections);
                }
                self.close();
            }
        }
    }

    fn entity(&mut self, entity: &EntityFetch, selections: &[Selection]) {
        let conditions = conditions_text(&entity.conditions);
        self.open(&format!("Flatten(path: \"{}\"{conditions})", path_text(&entity.path)));
        for representation in entity.representations.iter() {
            let types = match (&representation.typename, representation.runtime_types.as_slice()) {
                (Some(name), []) => name.to_string(),
                (Some(name), types) => format!("{} as {name}", names(types).join(" | ")),
                (None, types) => names(types).join(" | "),
            };
            self.line(&format!("{types} {{ {} }} =>", inputs_text(&representation.inputs)));
        }
        for context in &entity.context_variables {
            self.line(&format!("${} = {}", context.variable, context_text(entity, context)));
        }
        let field = selections.iter().find_map(|selection| match selection {
            Selection::Field(field) if *field.response_name() == entity.response_name => Some(field),
            _ => None,
        });
        self.selections("", field.map_or(&[], |field| field.selection_set.as_slice()));
        self.close();
    }

    fn selections(&mut self, prefix: &str, selections: &[Selection]) {
        self.line(&format!("{prefix}{{"));
        self.depth += 1;
        for selection in selections {
            let text = selection.serialize().to_string();
            for line in text.lines() {
                self.line(line);
            }
        }
        self.depth -= 1;
        self.line("}");
    }
}

fn kind_prefix(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Query => "",
        OperationKind::Mutation => "mutation ",
        OperationKind::Subscription => "subscription ",
    }
}
