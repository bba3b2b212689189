//! What clients of a composed graph must see, by the merging rules of Federation ("Composition rules").

use std::collections::BTreeSet;

use apollo_compiler::Schema;
use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use indexmap::IndexMap;

use super::graph::{FieldDef, Graph, InputDef, Kind, SubgraphId, Subgraphs, Usage};
use super::layout::{SubgraphLayout, is_member};
use super::sdl::literal;

/// What differs between a composed schema and what a graph is.
pub(super) fn difference(graph: &Graph, layouts: &[SubgraphLayout], schema: &Schema) -> Option<String> {
    let (expected, actual) = (expected(graph, layouts), actual(schema));
    let missing: Vec<&String> = expected.difference(&actual).collect();
    let added: Vec<&String> = actual.difference(&expected).collect();
    (!missing.is_empty() || !added.is_empty()).then(|| format!("missing {missing:?}, added {added:?}"))
}

/// One line for everything that a schema defines.
fn actual(schema: &Schema) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, definition) in schema.types.iter().filter(|(_, definition)| !definition.is_built_in()) {
        match definition {
            ExtendedType::Object(object) => {
                lines.extend(
                    object
                        .implements_interfaces
                        .iter()
                        .map(|interface| format!("{name} implements {interface}")),
                );
                lines.extend(object.fields.values().map(|field| field_line(name, field)));
            }
            ExtendedType::Interface(interface) => {
                lines.extend(interface.fields.values().map(|field| field_line(name, field)));
            }
            ExtendedType::Union(union) => lines.extend(union.members.iter().map(|member| format!("{name} = {member}"))),
            ExtendedType::Enum(known) => lines.extend(known.values.keys().map(|value| format!("{name} = {value}"))),
            ExtendedType::Scalar(_) => lines.extend([format!("scalar {name}")]),
            ExtendedType::InputObject(input) => {
                lines.extend(
                    input
                        .fields
                        .values()
                        .map(|field| format!("{name}.{}", input_line(field))),
                );
            }
        }
    }
    lines
}

fn field_line(type_name: &str, field: &FieldDefinition) -> String {
    let arguments: BTreeSet<String> = field.arguments.iter().map(|argument| input_line(argument)).collect();
    format!("{type_name}.{}{arguments:?}: {}", field.name, field.ty)
}

fn input_line(input: &InputValueDefinition) -> String {
    let ty: &Type = &input.ty;
    match &input.default_value {
        Some(default) => format!("{}: {ty} = {}", input.name, default.serialize().no_indent()),
        None => format!("{}: {ty}", input.name),
    }
}

fn expected(graph: &Graph, layouts: &[SubgraphLayout]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, definition) in &graph.types {
        let declaring = Subgraphs(
            (0..layouts.len())
                .filter(|subgraph| layouts[*subgraph].types.contains_key(name))
                .fold(0, |set, subgraph| set | 1 << subgraph),
        );
        let here: Vec<SubgraphId> = (0..layouts.len()).filter(|subgraph| declaring.has(*subgraph)).collect();
        let known_to_some = |known: &Subgraphs| here.iter().any(|subgraph| known.has(*subgraph));
        let known_to_all = |known: &Subgraphs| !here.is_empty() && here.iter().all(|subgraph| known.has(*subgraph));
        match &definition.kind {
            Kind::Root | Kind::Entity(_) | Kind::Value { .. } | Kind::Interface(_) => {
                object_lines(graph, layouts, name, &mut lines);
            }
            Kind::Union(members) => {
                let members = members.iter().filter(|(_, known)| known_to_some(known));
                lines.extend(members.map(|(member, _)| format!("{name} = {member}")));
            }
            Kind::Enum { values, usage } => {
                // What nothing uses is merged like what is only given.
                let is_input = *usage == Usage::Input && is_taken(graph, layouts, name);
                let values = values.iter().filter(|(_, known)| match is_input {
                    true => known_to_all(known),
                    false => known_to_some(known),
                });
                lines.extend(values.map(|(value, _)| format!("{name} = {value}")));
            }
            Kind::Scalar if !here.is_empty() => lines.extend([format!("scalar {name}")]),
            Kind::Scalar => {}
            Kind::Input(fields) => {
                let fields = fields.iter().filter(|(_, field)| known_to_all(&field.subgraphs));
                lines.extend(fields.map(|(field, input)| format!("{name}.{}", written(graph, field, input))));
            }
        }
    }
    lines
}

/// Whether an argument or a field of an input that some subgraph declares has a type.
fn is_taken(graph: &Graph, layouts: &[SubgraphLayout], type_name: &str) -> bool {
    layouts.iter().enumerate().any(|(subgraph, layout)| {
        let takes = |input: &InputDef| input.subgraphs.has(subgraph) && input.ty.base() == type_name;
        layout.types.iter().any(|(name, fields)| {
            let mut fields = fields.keys().filter_map(|field| graph.field(name, field));
            let mut inputs = match &graph.types[name].kind {
                Kind::Input(inputs) => inputs.values().collect(),
                _ => Vec::new(),
            }
            .into_iter();
            inputs.any(takes) || fields.any(|(_, field)| field.arguments.values().any(takes))
        })
    })
}

/// Fields and interfaces that any subgraph declares, and fields of objects that stand for the type's interfaces.
fn object_lines(graph: &Graph, layouts: &[SubgraphLayout], name: &str, lines: &mut BTreeSet<String>) {
    let mut fields: IndexMap<&str, (&FieldDef, Vec<SubgraphId>)> = IndexMap::new();
    for (subgraph, layout) in layouts.iter().enumerate() {
        let Some(declared) = layout.types.get(name) else {
            continue;
        };
        for interface in graph.interfaces_of(name) {
            if layout.types.contains_key(interface) && is_member(graph, interface, name, subgraph) {
                lines.insert(format!("{name} implements {interface}"));
                let added = graph
                    .interface(interface)
                    .into_iter()
                    .flat_map(|interface| &interface.object_fields);
                for (field, definition) in added {
                    fields.entry(field).or_insert((definition, Vec::new()));
                }
            }
        }
        for (field, definition) in declared
            .keys()
            .filter_map(|field| Some((field, graph.field(name, field)?.1)))
        {
            fields.entry(field).or_insert((definition, Vec::new())).1.push(subgraph);
        }
    }
    for (field, (definition, here)) in fields {
        let arguments = definition.arguments.iter();
        let arguments = arguments.filter(|(_, input)| here.iter().all(|subgraph| input.subgraphs.has(*subgraph)));
        let arguments: BTreeSet<String> = arguments
            .map(|(argument, input)| written(graph, argument, input))
            .collect();
        lines.insert(format!("{name}.{field}{arguments:?}: {}", definition.ty));
    }
}

fn written(graph: &Graph, name: &str, input: &InputDef) -> String {
    match &input.default {
        Some(default) => format!("{name}: {} = {}", input.ty, literal(graph, input.ty.base(), default)),
        None => format!("{name}: {}", input.ty),
    }
}
