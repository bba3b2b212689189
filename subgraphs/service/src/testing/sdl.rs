//! A service's schema as its tests walk it.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{ConstDirective, FieldDefinition, TypeKind, TypeSystemDefinition};
use async_graphql::{Positioned, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The object types of a schema, by name.
pub(super) struct Sdl {
    pub(super) objects: BTreeMap<String, ObjectType>,
}

pub(super) struct ObjectType {
    /// Names of the fields of each key by which this service resolves it, with spaces between them. None of most types.
    pub(super) keys: Vec<String>,
    /// Those that this service resolves, without the federation's own.
    pub(super) fields: Vec<Field>,
}

#[derive(Clone)]
pub(super) struct Field {
    pub(super) name: String,
    /// Name of its type, without lists.
    pub(super) of: String,
    /// Of a scalar or an enum.
    pub(super) is_leaf: bool,
    /// Has an argument that must be given.
    pub(super) needs_arguments: bool,
    pub(super) needs_scopes: bool,
}

impl Sdl {
    pub(super) fn read(sdl: &str) -> Sdl {
        let document = parse_schema(sdl).expect("the SDL of a service parses");
        let types: Vec<_> = document
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(definition) => Some(definition.node),
                _ => None,
            })
            .collect();
        let mut leaves: BTreeSet<String> = ["ID", "String", "Int", "Float", "Boolean"].map(str::to_owned).into();
        let is_leaf = |kind: &TypeKind| matches!(kind, TypeKind::Scalar | TypeKind::Enum(_));
        let own = types.iter().filter(|item| is_leaf(&item.kind));
        leaves.extend(own.map(|item| item.name.node.to_string()));
        let mut objects = BTreeMap::new();
        for item in types {
            let TypeKind::Object(object) = item.kind else { continue };
            let fields = object.fields.iter().map(|field| &field.node);
            let fields =
                fields.filter(|field| !has(&field.directives, "external") && !field.name.node.starts_with('_'));
            let object = ObjectType {
                keys: keys(&item.directives),
                fields: fields.map(|field| Field::read(field, &leaves)).collect(),
            };
            objects.insert(item.name.node.to_string(), object);
        }
        Sdl { objects }
    }

    /// Types that this service resolves by a key.
    pub(super) fn entities(&self) -> impl Iterator<Item = (&String, &ObjectType)> {
        self.objects.iter().filter(|(_, object)| !object.keys.is_empty())
    }
}

impl Field {
    fn read(field: &FieldDefinition, leaves: &BTreeSet<String>) -> Field {
        let of = field.ty.node.to_string().trim_matches(['[', ']', '!']).to_owned();
        let mut arguments = field.arguments.iter().map(|argument| &argument.node);
        Field {
            name: field.name.node.to_string(),
            is_leaf: leaves.contains(&of),
            of,
            needs_arguments: arguments.any(|argument| !argument.ty.node.nullable && argument.default_value.is_none()),
            needs_scopes: has(&field.directives, "requiresScopes"),
        }
    }
}

fn has(directives: &[Positioned<ConstDirective>], name: &str) -> bool {
    directives.iter().any(|directive| directive.node.name.node == name)
}

fn keys(directives: &[Positioned<ConstDirective>]) -> Vec<String> {
    let keys = directives.iter().map(|directive| &directive.node);
    keys.filter(|directive| directive.name.node == "key")
        .filter(|directive| {
            directive.get_argument("resolvable").map(|value| &value.node) != Some(&Value::Boolean(false))
        })
        .filter_map(
            |directive| match directive.get_argument("fields").map(|value| &value.node) {
                Some(Value::String(fields)) => Some(fields.clone()),
                _ => None,
            },
        )
        .collect()
}
