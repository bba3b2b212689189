//! Random operations over an API schema. Not all are valid; those that are not are passed over.

use std::fmt::Write as _;

use apollo_compiler::Name;
use apollo_compiler::ast::{FieldDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use federation::supergraph::Supergraph;
use serde_json::{Value, json};

pub(super) struct Generator<'a> {
    supergraph: &'a Supergraph,
    state: u64,
    text: String,
    aliases: u32,
    fields: u32,
}

/// Most fields of one operation.
const FIELDS_MAX: u32 = 40;

impl<'a> Generator<'a> {
    pub(super) fn new(supergraph: &'a Supergraph, seed: u64) -> Self {
        Self {
            supergraph,
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            text: String::new(),
            aliases: 0,
            fields: 0,
        }
    }

    /// Text and variables.
    pub(super) fn operation(mut self) -> (String, Value) {
        let root = self
            .supergraph
            .api_schema()
            .schema()
            .schema_definition
            .query
            .clone()
            .unwrap();
        let depth = 4 + self.roll(3) as u32;
        self.selection_set(&root.name, depth);
        let variables = json!({ "yes": true, "no": false });
        let used: Vec<String> = ["yes", "no"]
            .into_iter()
            .filter(|name| self.text.contains(&format!("${name}")))
            .map(|name| format!("${name}: Boolean!"))
            .collect();
        let head = if used.is_empty() {
            String::new()
        } else {
            format!("({})", used.join(", "))
        };
        (format!("query{head} {}", self.text), variables)
    }

    /// xorshift: the same numbers everywhere.
    fn roll(&mut self, sides: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % sides
    }

    fn selection_set(&mut self, type_name: &Name, depth: u32) {
        let schema = self.supergraph.api_schema().schema();
        self.text.push_str("{ ");
        let fields: Vec<FieldDefinition> = match &schema.types[type_name] {
            ExtendedType::Object(object) => object
                .fields
                .values()
                .map(|field| field.node.as_ref().clone())
                .collect(),
            ExtendedType::Interface(interface) => interface
                .fields
                .values()
                .map(|field| field.node.as_ref().clone())
                .collect(),
            _ => Vec::new(),
        };
        let start = self.text.len();
        for _ in 0..1 + self.roll(4) {
            if fields.is_empty() || self.fields > FIELDS_MAX {
                break;
            }
            let field = fields[self.roll(fields.len() as u64) as usize].clone();
            self.field(&field, depth);
        }
        let possible_types = self.supergraph.api_schema().possible_types(type_name);
        if possible_types.len() > 1 || (possible_types.first().is_some_and(|only| only != type_name)) {
            for _ in 0..self.roll(4) {
                let target = possible_types[self.roll(possible_types.len() as u64) as usize].clone();
                let target = self.wider(&target, type_name);
                let _ = write!(self.text, "... on {target} ");
                self.directive();
                self.selection_set(&target, depth);
            }
        }
        if self.text.len() == start || self.roll(6) == 0 {
            self.text.push_str("__typename ");
        }
        self.text.push_str("} ");
    }

    /// Now and then an interface of the type instead.
    fn wider(&mut self, object: &Name, parent: &Name) -> Name {
        let schema = self.supergraph.api_schema().schema();
        let interfaces: Vec<Name> = match schema.types.get(object) {
            Some(ExtendedType::Object(object)) => object
                .implements_interfaces
                .iter()
                .map(|interface| interface.name.clone())
                .collect(),
            _ => Vec::new(),
        };
        if interfaces.is_empty() || self.roll(3) > 0 {
            return object.clone();
        }
        let interface = interfaces[self.roll(interfaces.len() as u64) as usize].clone();
        if interface == *parent {
            object.clone()
        } else {
            interface
        }
    }

    fn field(&mut self, field: &FieldDefinition, depth: u32) {
        let inner = field.ty.inner_named_type();
        let schema = self.supergraph.api_schema().schema();
        let is_composite = schema
            .types
            .get(inner)
            .is_some_and(|definition| definition.is_object() || definition.is_interface() || definition.is_union());
        if is_composite && depth == 0 {
            return;
        }
        self.fields += 1;
        let arguments = self.arguments(field);
        if self.roll(5) == 0 || !arguments.is_empty() {
            self.aliases += 1;
            let _ = write!(self.text, "a{}: ", self.aliases);
        }
        let _ = write!(self.text, "{}{arguments} ", field.name);
        self.directive();
        if is_composite {
            self.selection_set(&inner.clone(), depth - 1);
        }
    }

    fn directive(&mut self) {
        match self.roll(16) {
            0 => self.text.push_str("@include(if: $yes) "),
            1 => self.text.push_str("@include(if: $no) "),
            2 => self.text.push_str("@skip(if: $yes) "),
            3 => self.text.push_str("@skip(if: $no) "),
            _ => {}
        }
    }

    fn arguments(&mut self, field: &FieldDefinition) -> String {
        let mut arguments = Vec::new();
        for argument in &field.arguments {
            if !argument.ty.is_non_null() && self.roll(2) == 0 {
                continue;
            }
            arguments.push(format!("{}: {}", argument.name, self.value(&argument.ty)));
        }
        if arguments.is_empty() {
            String::new()
        } else {
            format!("({})", arguments.join(", "))
        }
    }

    fn value(&mut self, value_type: &Type) -> String {
        if value_type.is_list() {
            return format!("[{}]", self.value(value_type.item_type()));
        }
        let name = value_type.inner_named_type();
        match self.supergraph.api_schema().schema().types.get(name) {
            Some(ExtendedType::Enum(definition)) => definition.values[0].value.to_string(),
            Some(ExtendedType::InputObject(definition)) => {
                let fields = definition
                    .fields
                    .values()
                    .map(|field| format!("{}: {}", field.name, self.value(&field.ty)));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
            _ => match name.as_str() {
                "Int" => self.roll(3).to_string(),
                "Float" => format!("{}.5", self.roll(3)),
                "Boolean" => (self.roll(2) == 0).to_string(),
                _ => format!("\"v{}\"", self.roll(3)),
            },
        }
    }
}
