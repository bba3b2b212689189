//! Compares schemas by what they mean: types, fields, arguments, directives; not by order or spelling.
//!
//! A schema becomes a sorted set of lines, one fact each (`Product.price: Int @join__field(graph: A)`), so that a
//! difference is a line too many or too few.

use std::collections::BTreeSet;

use apollo_compiler::Schema;
use apollo_compiler::ast::{Directive, FieldDefinition, InputValueDefinition, Value};
use apollo_compiler::executable::FieldSet;
use apollo_compiler::schema::{ExtendedType, SchemaBuilder};
use apollo_compiler::validation::Valid;

/// Facts of an API schema.
pub(crate) fn of_api_schema(sdl: &str) -> Result<BTreeSet<String>, String> {
    facts(sdl, &|name| !name.starts_with("__"))
}

/// Facts of a supergraph, without what every version of the join and link specifications defines anew.
pub(crate) fn of_supergraph(sdl: &str) -> Result<BTreeSet<String>, String> {
    facts(sdl, &|name| {
        !["join__", "link__", "__"].iter().any(|prefix| name.starts_with(prefix))
    })
}

/// What one has and the other has not.
pub(crate) fn difference(ours: &BTreeSet<String>, expected: &BTreeSet<String>) -> String {
    let extra = ours.difference(expected).map(|fact| format!("+ {fact}\n"));
    let missing = expected.difference(ours).map(|fact| format!("- {fact}\n"));
    missing.chain(extra).collect()
}

fn facts(sdl: &str, is_told: &dyn Fn(&str) -> bool) -> Result<BTreeSet<String>, String> {
    let builder = SchemaBuilder::new()
        .adopt_orphan_extensions()
        .parse(sdl, "schema.graphql");
    let schema = builder.build().map_err(|failure| failure.errors.to_string())?;
    let schema = Valid::assume_valid(schema);
    let mut facts = BTreeSet::new();
    for (operation, root) in schema.schema_definition.iter_root_operations() {
        facts.insert(format!("{operation}: {root}"));
    }
    for definition in schema
        .types
        .values()
        .filter(|definition| !definition.is_built_in() && is_told(definition.name()))
    {
        type_facts(&schema, definition, &mut facts);
    }
    Ok(facts)
}

fn type_facts(schema: &Valid<Schema>, definition: &ExtendedType, facts: &mut BTreeSet<String>) {
    let name = definition.name();
    let kind = match definition {
        ExtendedType::Scalar(_) => "scalar",
        ExtendedType::Object(_) => "type",
        ExtendedType::Interface(_) => "interface",
        ExtendedType::Union(_) => "union",
        ExtendedType::Enum(_) => "enum",
        ExtendedType::InputObject(_) => "input",
    };
    facts.insert(format!("{kind} {name}"));
    facts.extend(
        definition
            .directives()
            .iter()
            .map(|directive| format!("{name} {}", directive_fact(schema, name, directive))),
    );
    match definition {
        ExtendedType::Object(own) => {
            facts.extend(
                own.implements_interfaces
                    .iter()
                    .map(|interface| format!("{name} implements {interface}")),
            );
            facts.extend(own.fields.values().map(|field| field_fact(schema, name, field)));
        }
        ExtendedType::Interface(own) => {
            facts.extend(
                own.implements_interfaces
                    .iter()
                    .map(|interface| format!("{name} implements {interface}")),
            );
            facts.extend(own.fields.values().map(|field| field_fact(schema, name, field)));
        }
        ExtendedType::Union(own) => facts.extend(own.members.iter().map(|member| format!("{name} = {member}"))),
        ExtendedType::Enum(own) => facts.extend(own.values.values().map(|value| {
            format!(
                "{name}.{}{}",
                value.value,
                directive_facts(schema, name, &value.directives.0)
            )
        })),
        ExtendedType::InputObject(own) => {
            facts.extend(
                own.fields
                    .values()
                    .map(|field| format!("{name}.{}", input_fact(schema, name, field))),
            );
        }
        ExtendedType::Scalar(_) => {}
    }
}

fn field_fact(schema: &Valid<Schema>, parent: &str, field: &FieldDefinition) -> String {
    let mut arguments: Vec<_> = field
        .arguments
        .iter()
        .map(|argument| input_fact(schema, parent, argument))
        .collect();
    arguments.sort_unstable();
    let directives = field.directives.iter().map(|directive| {
        // `provides` selects from the field's type, `requires` from its parent.
        let is_provides = directive.specified_argument_by_name("provides").is_some();
        let target = if is_provides {
            field.ty.inner_named_type().as_str()
        } else {
            parent
        };
        directive_fact(schema, target, directive)
    });
    let mut directives: Vec<_> = directives.collect();
    directives.sort_unstable();
    format!(
        "{parent}.{}({}): {} {}",
        field.name,
        arguments.join(", "),
        field.ty,
        directives.join(" ")
    )
}

fn input_fact(schema: &Valid<Schema>, parent: &str, input: &InputValueDefinition) -> String {
    let default = input
        .default_value
        .as_ref()
        .map_or(String::new(), |value| format!(" = {}", value_fact(value)));
    format!(
        "{}: {}{default}{}",
        input.name,
        input.ty,
        directive_facts(schema, parent, &input.directives.0)
    )
}

fn directive_facts(schema: &Valid<Schema>, parent: &str, directives: &[apollo_compiler::Node<Directive>]) -> String {
    let mut facts: Vec<_> = directives
        .iter()
        .map(|directive| format!(" {}", directive_fact(schema, parent, directive)))
        .collect();
    facts.sort_unstable();
    facts.concat()
}

/// Field sets are compared as selections: `"id  dims{h}"` is `"id dims { h }"`.
fn directive_fact(schema: &Valid<Schema>, parent: &str, directive: &Directive) -> String {
    let mut arguments: Vec<_> = directive
        .arguments
        .iter()
        .filter(|argument| !matches!((argument.name.as_str(), &*argument.value), ("reason", Value::String(reason)) if reason == "No longer supported"))
        .map(|argument| {
            let value = match (argument.name.as_str(), &*argument.value) {
                ("key" | "requires" | "provides", Value::String(text)) => selection_fact(schema, parent, text),
                (_, value) => value_fact(value),
            };
            format!("{}: {value}", argument.name)
        })
        .collect();
    arguments.sort_unstable();
    format!("@{}({})", directive.name, arguments.join(", "))
}

fn selection_fact(schema: &Valid<Schema>, parent: &str, text: &str) -> String {
    let parent = apollo_compiler::Name::new_unchecked(parent);
    match FieldSet::parse(schema, parent, text, "fields") {
        Ok(parsed) => parsed.selection_set.serialize().no_indent().to_string(),
        Err(_) => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn value_fact(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", value_fact(value)))
                .collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(", "))
        }
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| value_fact(item)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
