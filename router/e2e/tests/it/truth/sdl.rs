//! Graphs as text: the SDL of each subgraph.

use std::fmt::Write as _;

use indexmap::IndexMap;
use serde_json::Value;

use super::graph::{FieldDef, Graph, InputDef, Kind, NAMES, SubgraphId, field_set_text};
use super::layout::{Declared, SubgraphLayout, is_member};

const HEAD: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.7\", import: [\"@key\", \"@external\", \
                    \"@requires\", \"@provides\", \"@shareable\", \"@override\", \"@interfaceObject\"])\n";

/// The SDL of every subgraph, by number.
pub(super) fn subgraphs(graph: &Graph, layouts: &[SubgraphLayout]) -> Vec<String> {
    let printers = (0..graph.subgraphs).map(|subgraph| Printer {
        graph,
        layouts,
        subgraph,
        out: HEAD.to_owned(),
    });
    printers.map(Printer::print).collect()
}

struct Printer<'g> {
    graph: &'g Graph,
    layouts: &'g [SubgraphLayout],
    subgraph: SubgraphId,
    out: String,
}

impl Printer<'_> {
    fn print(mut self) -> String {
        let layouts = self.layouts;
        for (name, fields) in &layouts[self.subgraph].types {
            match &self.graph.types[name].kind {
                Kind::Root | Kind::Entity(_) | Kind::Value { .. } => self.object(name, fields),
                Kind::Interface(interface) => {
                    let is_object = interface.object_in.has(self.subgraph);
                    let keyword = if is_object { "type" } else { "interface" };
                    let key = match is_object || interface.keyed.has(self.subgraph) {
                        true => " @key(fields: \"id\")",
                        false => "",
                    };
                    let object = if is_object { " @interfaceObject" } else { "" };
                    self.write(&format!("{keyword} {name}{key}{object}"));
                    self.fields(name, fields);
                }
                Kind::Union(members) => {
                    let members = members.iter().filter(|(_, subgraphs)| subgraphs.has(self.subgraph));
                    let members: Vec<&str> = members.map(|(member, _)| member.as_str()).collect();
                    self.write(&format!("union {name} = {}\n", members.join(" | ")));
                }
                Kind::Enum { values, .. } => {
                    let values = values.iter().filter(|(_, subgraphs)| subgraphs.has(self.subgraph));
                    let values: Vec<&str> = values.map(|(value, _)| value.as_str()).collect();
                    self.write(&format!("enum {name} {{ {} }}\n", values.join(" ")));
                }
                Kind::Scalar => self.write(&format!("scalar {name}\n")),
                Kind::Input(fields) => {
                    let inputs = self.inputs(fields);
                    self.write(&format!("input {name} {{ {} }}\n", inputs.join("  ")));
                }
            }
        }
        self.out
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn object(&mut self, name: &str, fields: &IndexMap<String, Declared>) {
        let definition = &self.graph.types[name];
        let interfaces = self.graph.interfaces_of(name).iter().filter(|interface| {
            self.layouts[self.subgraph].types.contains_key(*interface)
                && is_member(self.graph, interface, name, self.subgraph)
        });
        let interfaces: Vec<&str> = interfaces.map(String::as_str).collect();
        self.write(&format!("type {name}"));
        if !interfaces.is_empty() {
            self.write(&format!(" implements {}", interfaces.join(" & ")));
        }
        match &definition.kind {
            Kind::Entity(entity) => {
                let subgraph = self.subgraph;
                for key in entity.keys.iter().filter(|key| key.subgraph == subgraph) {
                    let resolvable = if key.is_resolvable { "" } else { ", resolvable: false" };
                    self.write(&format!(
                        " @key(fields: \"{}\"{resolvable})",
                        field_set_text(&key.fields)
                    ));
                }
            }
            Kind::Value { .. } => self.write(" @shareable"),
            _ => {}
        }
        self.fields(name, fields);
    }

    fn fields(&mut self, type_name: &str, fields: &IndexMap<String, Declared>) {
        let graph = self.graph;
        self.write(" {\n");
        for (name, declared) in fields {
            let Some((_, field)) = graph.field(type_name, name) else {
                continue;
            };
            let arguments = self.inputs(&field.arguments);
            let arguments = match arguments.is_empty() {
                true => String::new(),
                false => format!("({})", arguments.join(", ")),
            };
            let directives = self.directives(type_name, (name, field), *declared);
            self.write(&format!("  {name}{arguments}: {}{directives}\n", field.ty));
        }
        self.write("}\n");
    }

    fn directives(&self, type_name: &str, (name, field): (&str, &FieldDef), declared: Declared) -> String {
        let kind = &self.graph.types[type_name].kind;
        if !matches!(kind, Kind::Entity(_) | Kind::Root | Kind::Interface(_)) {
            return String::new();
        }
        match declared {
            Declared::External | Declared::Provided => return " @external".to_owned(),
            Declared::Overridden => return String::new(),
            Declared::Resolved => {}
        }
        let mut directives = String::new();
        let is_interface = matches!(kind, Kind::Interface(interface) if !interface.object_in.has(self.subgraph));
        if !is_interface && !self.is_key_field(type_name, name) && self.resolvers(type_name, name) > 1 {
            directives.push_str(" @shareable");
        }
        for place in field.places.iter().filter(|place| place.subgraph == self.subgraph) {
            if !place.requires.is_empty() {
                write!(
                    directives,
                    " @requires(fields: {})",
                    quoted(&field_set_text(&place.requires))
                )
                .expect("grows");
            }
            if !place.provides.is_empty() {
                write!(
                    directives,
                    " @provides(fields: \"{}\")",
                    field_set_text(&place.provides)
                )
                .expect("grows");
            }
            if let Some(from) = place.overrides {
                write!(directives, " @override(from: \"{}\")", NAMES[from]).expect("grows");
            }
        }
        directives
    }

    fn is_key_field(&self, type_name: &str, name: &str) -> bool {
        let keys = self.graph.entity(type_name).into_iter().flat_map(|entity| &entity.keys);
        let mut keys = keys.filter(|key| key.subgraph == self.subgraph);
        let is_field = |selected: &super::graph::Selected| matches!(selected, super::graph::Selected::Field { name: field, .. } if field == name);
        keys.any(|key| key.fields.iter().any(is_field)) || (name == "id" && self.graph.interface(type_name).is_some())
    }

    fn resolvers(&self, type_name: &str, name: &str) -> usize {
        let declared = self
            .layouts
            .iter()
            .filter_map(|layout| layout.declared(type_name, name));
        declared
            .filter(|declared| matches!(declared, Declared::Resolved | Declared::Provided))
            .count()
    }

    fn inputs(&self, inputs: &IndexMap<String, InputDef>) -> Vec<String> {
        let declared = inputs.iter().filter(|(_, input)| input.subgraphs.has(self.subgraph));
        let texts = declared.map(|(name, input)| match &input.default {
            Some(default) => format!(
                "{name}: {} = {}",
                input.ty,
                literal(self.graph, input.ty.base(), default)
            ),
            None => format!("{name}: {}", input.ty),
        });
        texts.collect()
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// JSON as a literal of GraphQL, in which names of fields and values of enums are bare.
pub(super) fn literal(graph: &Graph, type_name: &str, value: &Value) -> String {
    let kind = graph.types.get(type_name).map(|definition| &definition.kind);
    match (value, kind) {
        (Value::String(name), Some(Kind::Enum { .. })) => name.clone(),
        (Value::Array(items), _) => {
            let items: Vec<String> = items.iter().map(|item| literal(graph, type_name, item)).collect();
            format!("[{}]", items.join(", "))
        }
        (Value::Object(fields), kind) => {
            let fields = fields.iter().map(|(name, value)| {
                let field_type = match kind {
                    Some(Kind::Input(inputs)) => inputs.get(name).map_or("", |input| input.ty.base()),
                    _ => "",
                };
                format!("{name}: {}", literal(graph, field_type, value))
            });
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        (value, _) => value.to_string(),
    }
}
