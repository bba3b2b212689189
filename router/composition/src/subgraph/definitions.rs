//! Definitions that a subgraph may leave out and composition adds: `@link` and its types, federation's scalars and
//! directives.
//!
//! A subgraph may also write them itself; then they must say the same (`check_own_definition`).

use std::sync::LazyLock;

use apollo_compiler::ast::{
    Definition, DirectiveDefinition, Document, InputValueDefinition, ScalarTypeDefinition, Type,
};
use apollo_compiler::{Name, Node};

use crate::federation_spec::FederationDirective;
use crate::link::Version;

/// Definition of `@link` (link spec v1.0) under its usual names.
static LINK_DEFINITIONS: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let text =
        "directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
        scalar link__Import
        enum link__Purpose { SECURITY EXECUTION }";
    Document::parse(text, "link.graphql")
        .expect("a constant text")
        .definitions
});

/// Definitions of the link specification for a schema that calls its directive `directive_name`.
pub(super) fn link_definitions(directive_name: &str) -> impl Iterator<Item = Definition> {
    LINK_DEFINITIONS
        .iter()
        .cloned()
        .map(move |definition| match definition {
            Definition::DirectiveDefinition(mut directive) if directive.name != directive_name => {
                directive.make_mut().name = Name::new_unchecked(directive_name);
                Definition::DirectiveDefinition(directive)
            }
            other => other,
        })
}

pub(super) fn scalar(name: &str) -> Definition {
    Definition::ScalarTypeDefinition(Node::new(ScalarTypeDefinition {
        description: None,
        name: Name::new_unchecked(name),
        directives: Default::default(),
    }))
}

/// Definition of a federation directive for a schema that calls it `name`; `scalar_name` renames its scalars.
pub(super) fn directive(
    directive: FederationDirective,
    version: Version,
    name: &Name,
    scalar_name: &dyn Fn(&str) -> Option<String>,
) -> Definition {
    let mut definition = directive.definition(version);
    definition.name = Name::new_unchecked(name.as_str());
    for argument in &mut definition.arguments {
        if let Some(renamed) = scalar_name(argument.ty.inner_named_type()) {
            let renamed = renamed_type(&argument.ty, &Name::new_unchecked(&renamed));
            argument.make_mut().ty = Node::new(renamed);
        }
    }
    Definition::DirectiveDefinition(Node::new(definition))
}

/// The same wrappers around another name.
pub(super) fn renamed_type(ty: &Type, name: &Name) -> Type {
    match ty {
        Type::Named(_) => Type::Named(name.clone()),
        Type::NonNullNamed(_) => Type::NonNullNamed(name.clone()),
        Type::List(inner) => Type::List(Box::new(renamed_type(inner, name))),
        Type::NonNullList(inner) => Type::NonNullList(Box::new(renamed_type(inner, name))),
    }
}

/// Compares a subgraph's own definition of a federation directive with the specification's; says what differs.
pub(super) fn check_own_definition(
    own: &DirectiveDefinition,
    directive: FederationDirective,
    version: Version,
    is_scalar_of_spec: &dyn Fn(&str, &str) -> bool,
) -> Vec<String> {
    let spec = directive.definition(version);
    let mut faults = Vec::new();
    for expected in &spec.arguments {
        let found = own.arguments.iter().find(|argument| argument.name == expected.name);
        match found {
            Some(found) if !is_same_type(found, expected, is_scalar_of_spec) => faults.push(format!(
                "argument `{}` should have type `{}` but has type `{}`",
                expected.name, expected.ty, found.ty
            )),
            Some(found) => faults.extend(default_fault(found, expected)),
            None if expected.is_required() => faults.push(format!("argument `{}` is missing", expected.name)),
            None => {}
        }
    }
    for found in &own.arguments {
        if !spec.arguments.iter().any(|expected| expected.name == found.name) {
            faults.push(format!("argument `{}` is not part of the specification", found.name));
        }
    }
    if own.repeatable && !spec.repeatable {
        faults.push("it must not be `repeatable`".to_owned());
    }
    for location in &own.locations {
        if !spec.locations.contains(location) {
            faults.push(format!("it must not be allowed on {}", location.name()));
        }
    }
    faults
}

fn default_fault(found: &InputValueDefinition, expected: &InputValueDefinition) -> Option<String> {
    (found.default_value != expected.default_value && found.default_value.is_some()).then(|| {
        let shown = expected
            .default_value
            .as_ref()
            .map_or("none".to_owned(), ToString::to_string);
        format!("the default of argument `{}` should be {shown}", expected.name)
    })
}

/// Nullability may be tighter or looser at the outside; the named type must be the specification's.
fn is_same_type(
    found: &InputValueDefinition,
    expected: &InputValueDefinition,
    is_scalar_of_spec: &dyn Fn(&str, &str) -> bool,
) -> bool {
    let named = found.ty.inner_named_type();
    let expected_name = expected.ty.inner_named_type();
    let same_name = named == expected_name || is_scalar_of_spec(named, expected_name);
    same_name && shape(&found.ty) == shape(&expected.ty)
}

/// Depth of lists.
fn shape(ty: &Type) -> usize {
    match ty {
        Type::Named(_) | Type::NonNullNamed(_) => 0,
        Type::List(inner) | Type::NonNullList(inner) => 1 + shape(inner),
    }
}
