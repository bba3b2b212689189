//! Random operations that are valid in a schema.

use std::fmt::Write as _;

use apollo_compiler::Schema;
use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::dice::Dice;

/// How many variables there are for conditions.
const CONDITIONS: usize = 4;

/// Most fields of one operation.
const FIELDS_MAX: usize = 45;

/// An operation, in a form that can be cut down.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) keyword: &'static str,
    pub(super) selections: Vec<Selection>,
    /// By name: type condition and selections.
    pub(super) fragments: IndexMap<String, (String, Vec<Selection>)>,
    variables: Vec<Variable>,
}

#[derive(Debug, Clone)]
pub(super) enum Selection {
    Field(Field),
    Inline {
        type_condition: Option<String>,
        directives: String,
        below: Vec<Selection>,
    },
    Spread {
        fragment: String,
        directives: String,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    alias: Option<String>,
    name: String,
    arguments: String,
    directives: String,
    pub(super) below: Vec<Selection>,
}

#[derive(Debug, Clone)]
struct Variable {
    name: String,
    ty: String,
    default: Option<String>,
    value: Option<Value>,
}

impl Operation {
    /// As clients write it. What nothing uses any more is left out.
    pub(super) fn text(&self) -> String {
        let mut body = String::new();
        write_all(&self.selections, &mut body);
        let mut fragments = String::new();
        for (name, (type_condition, selections)) in self.fragments.iter().rev() {
            if body.contains(&format!("...{name} ")) || fragments.contains(&format!("...{name} ")) {
                let _ = write!(fragments, "\nfragment {name} on {type_condition} ");
                write_all(selections, &mut fragments);
            }
        }
        let text = format!("{body}{fragments}");
        let used = self.variables.iter().filter(|variable| is_used(&text, &variable.name));
        let declared = used.map(|Variable { name, ty, default, .. }| match default {
            Some(default) => format!("${name}: {ty} = {default}"),
            None => format!("${name}: {ty}"),
        });
        let declared: Vec<String> = declared.collect();
        match declared.is_empty() {
            true => format!("{} {text}", self.keyword),
            false => format!("{} ({}) {text}", self.keyword, declared.join(", ")),
        }
    }

    pub(super) fn variables(&self) -> Map<String, Value> {
        let given = self
            .variables
            .iter()
            .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)));
        given.collect()
    }
}

fn is_used(text: &str, variable: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
    let needle = format!("${variable}");
    text.match_indices(&needle)
        .any(|(at, _)| is_end(&text[at + needle.len()..]))
}

fn write_all(selections: &[Selection], out: &mut String) {
    out.push_str("{ ");
    for selection in selections {
        match selection {
            Selection::Field(Field {
                alias,
                name,
                arguments,
                directives,
                below,
            }) => {
                if let Some(alias) = alias {
                    let _ = write!(out, "{alias}: ");
                }
                let _ = write!(out, "{name}{arguments} {directives}");
                if !below.is_empty() {
                    write_all(below, out);
                }
            }
            Selection::Inline {
                type_condition,
                directives,
                below,
            } => {
                match type_condition {
                    Some(name) => {
                        let _ = write!(out, "... on {name} {directives}");
                    }
                    None => {
                        let _ = write!(out, "... {directives}");
                    }
                }
                write_all(below, out);
            }
            Selection::Spread { fragment, directives } => {
                let _ = write!(out, "...{fragment} {directives}");
            }
        }
    }
    out.push_str("} ");
}

/// The response names of one place of the answer, and what they stand for.
#[derive(Debug, Clone, Default)]
struct Scope(IndexMap<String, (Vec<Meaning>, Scope)>);

#[derive(Debug, Clone, PartialEq)]
struct Meaning {
    field: String,
    arguments: String,
    parent: String,
    /// The type's wrappers; and its name, if it is a leaf.
    shape: String,
}

struct Generator<'s> {
    schema: &'s Schema,
    dice: Dice,
    operation: Operation,
    fields: usize,
    names: usize,
}

/// A random operation.
pub(super) fn operation(schema: &Schema, seed: u64) -> Operation {
    let mut dice = Dice::new(seed);
    let is_mutation = schema.schema_definition.mutation.is_some() && dice.chance(20);
    let (keyword, root) = if is_mutation {
        ("mutation", "Mutation")
    } else {
        ("query", "Query")
    };
    let operation = Operation {
        keyword,
        selections: Vec::new(),
        fragments: IndexMap::new(),
        variables: Vec::new(),
    };
    let mut generator = Generator {
        schema,
        dice,
        operation,
        fields: 0,
        names: 0,
    };
    // Given, or by default.
    for (name, ty, default, value) in [
        ("yes", "Boolean!", None, Some(true)),
        ("no", "Boolean!", None, Some(false)),
        ("on", "Boolean!", Some("true"), None),
        ("off", "Boolean", Some("false"), None),
    ] {
        generator.operation.variables.push(Variable {
            name: name.to_owned(),
            ty: ty.to_owned(),
            default: default.map(str::to_owned),
            value: value.map(Value::Bool),
        });
    }
    let depth = generator.dice.between(2, 6);
    let mut scope = Scope::default();
    generator.operation.selections = generator.selection_set(root, depth, &mut scope);
    if !is_mutation && generator.dice.chance(6) {
        let introspection = generator.introspection();
        generator.operation.selections.push(introspection);
    }
    generator.operation
}

impl Generator<'_> {
    fn fields_of(&self, type_name: &str) -> Vec<FieldDefinition> {
        let fields = match self.schema.types.get(type_name) {
            Some(ExtendedType::Object(object)) => &object.fields,
            Some(ExtendedType::Interface(interface)) => &interface.fields,
            _ => return Vec::new(),
        };
        fields.values().map(|field| (***field).clone()).collect()
    }

    fn field_of(&self, type_name: &str, name: &str) -> Option<FieldDefinition> {
        self.fields_of(type_name).into_iter().find(|field| field.name == name)
    }

    fn is_leaf(&self, name: &str) -> bool {
        self.schema.types.get(name).is_none_or(ExtendedType::is_leaf)
    }

    /// Objects that may stand where `name` does.
    fn objects(&self, name: &str) -> Vec<String> {
        if matches!(self.schema.types.get(name), Some(ExtendedType::Object(_))) {
            return vec![name.to_owned()];
        }
        let objects = self
            .schema
            .types
            .iter()
            .filter(|(_, definition)| definition.is_object());
        let objects = objects.filter(|(object, _)| self.schema.is_subtype(name, object));
        objects.map(|(object, _)| object.to_string()).collect()
    }

    /// Types that a fragment on `parent` may be of.
    fn conditions(&self, parent: &str) -> Vec<String> {
        let possible = self.objects(parent);
        let types = self.schema.types.iter().filter(|(name, definition)| {
            (definition.is_object() || definition.is_interface() || definition.is_union())
                && !name.starts_with("__")
                && self.objects(name).iter().any(|object| possible.contains(object))
        });
        types.map(|(name, _)| name.to_string()).collect()
    }

    fn selection_set(&mut self, parent: &str, depth: usize, scope: &mut Scope) -> Vec<Selection> {
        let mut selections = Vec::new();
        let is_abstract = self
            .schema
            .types
            .get(parent)
            .is_some_and(|definition| !definition.is_object());
        for _ in 0..self.dice.between(1, if depth > 3 { 4 } else { 5 }) {
            if self.fields > FIELDS_MAX {
                break;
            }
            let selection = match self.dice.below(if is_abstract { 30 } else { 20 }) {
                0..14 => self.field(parent, depth, scope),
                14 => Some(self.typename(parent, scope)),
                15 => self.known_fragment(parent, scope),
                16 => self.new_fragment(parent, depth, scope),
                _ => self.inline(parent, depth, scope),
            };
            selections.extend(selection);
        }
        if selections.is_empty() {
            selections.push(self.typename(parent, scope));
        }
        selections
    }

    fn directives(&mut self) -> String {
        match self.dice.below(50) {
            0 => "@include(if: $yes) ",
            1 => "@include(if: $no) ",
            2 => "@skip(if: $yes) ",
            3 => "@skip(if: $no) ",
            4 => "@skip(if: $no) @include(if: $yes) ",
            5 => "@include(if: true) ",
            6 => "@include(if: $on) ",
            7 => "@skip(if: $off) ",
            8 => "@include(if: $off) ",
            _ => "",
        }
        .to_owned()
    }

    fn typename(&mut self, parent: &str, scope: &mut Scope) -> Selection {
        let meaning = Meaning {
            field: "__typename".to_owned(),
            arguments: String::new(),
            parent: parent.to_owned(),
            shape: "String!".to_owned(),
        };
        let alias = self.alias(parent, &meaning, scope);
        Selection::Field(Field {
            alias,
            name: "__typename".to_owned(),
            arguments: String::new(),
            directives: self.directives(),
            below: Vec::new(),
        })
    }

    fn field(&mut self, parent: &str, depth: usize, scope: &mut Scope) -> Option<Selection> {
        let fields = self.fields_of(parent);
        if fields.is_empty() {
            return None;
        }
        let field = self.dice.pick(&fields).clone();
        let base = field.ty.inner_named_type().to_string();
        let is_leaf = self.is_leaf(&base);
        if !is_leaf && depth == 0 {
            return None;
        }
        self.fields += 1;
        let arguments = self.arguments(&field.arguments);
        let meaning = self.meaning(parent, &field, &arguments);
        let alias = self.alias(parent, &meaning, scope);
        let directives = self.directives();
        let response_name = alias.clone().unwrap_or_else(|| field.name.to_string());
        let below = match is_leaf {
            true => Vec::new(),
            false => {
                let (_, mut below) = scope.0.get(&response_name).cloned().unwrap_or_default();
                let selections = self.selection_set(&base, depth - 1, &mut below);
                if let Some((_, known)) = scope.0.get_mut(&response_name) {
                    *known = below;
                }
                selections
            }
        };
        Some(Selection::Field(Field {
            alias,
            name: field.name.to_string(),
            arguments,
            directives,
            below,
        }))
    }

    fn meaning(&self, parent: &str, field: &FieldDefinition, arguments: &str) -> Meaning {
        let base = field.ty.inner_named_type();
        let shape = match self.is_leaf(base) {
            true => field.ty.to_string(),
            false => field.ty.to_string().replace(base.as_str(), "*"),
        };
        Meaning {
            field: field.name.to_string(),
            arguments: arguments.to_owned(),
            parent: parent.to_owned(),
            shape,
        }
    }

    /// Source: GraphQL spec, "Field Selection Merging".
    fn fits(&self, meaning: &Meaning, known: &[Meaning]) -> bool {
        let is_object = |name: &str| self.schema.types.get(name).is_some_and(ExtendedType::is_object);
        known.iter().all(|other| {
            let is_same = other.field == meaning.field && other.arguments == meaning.arguments;
            let is_apart = other.parent != meaning.parent && is_object(&other.parent) && is_object(&meaning.parent);
            other.shape == meaning.shape && (is_same || is_apart)
        })
    }

    /// A response name that does not clash, if it is not the field's own.
    fn alias(&mut self, parent: &str, meaning: &Meaning, scope: &mut Scope) -> Option<String> {
        let names: Vec<String> = self
            .fields_of(parent)
            .iter()
            .map(|field| field.name.to_string())
            .collect();
        let wish = match self.dice.below(10) {
            0 if !names.is_empty() => self.dice.pick(&names).clone(),
            1 => format!("a{}", self.dice.below(3)),
            _ => meaning.field.clone(),
        };
        let is_free = |name: &str| scope.0.get(name).is_none_or(|(known, _)| self.fits(meaning, known));
        let name = if is_free(&wish) {
            wish
        } else {
            self.names += 1;
            format!("x{}", self.names)
        };
        scope.0.entry(name.clone()).or_default().0.push(meaning.clone());
        (name != meaning.field).then_some(name)
    }

    fn inline(&mut self, parent: &str, depth: usize, scope: &mut Scope) -> Option<Selection> {
        let conditions = self.conditions(parent);
        let type_condition = if self.dice.chance(10) {
            None
        } else {
            Some(self.dice.pick(&conditions).clone())
        };
        let directives = self.directives();
        let below = self.fragment_below(type_condition.as_deref().unwrap_or(parent), depth, scope)?;
        Some(Selection::Inline {
            type_condition,
            directives,
            below,
        })
    }

    /// Fragments in fragments end somewhere.
    fn fragment_below(&mut self, parent: &str, depth: usize, scope: &mut Scope) -> Option<Vec<Selection>> {
        self.fields += 1;
        (self.fields < FIELDS_MAX).then(|| self.selection_set(parent, depth, scope))
    }

    fn new_fragment(&mut self, parent: &str, depth: usize, scope: &mut Scope) -> Option<Selection> {
        let conditions = self.conditions(parent);
        let type_condition = self.dice.pick(&conditions).clone();
        let directives = self.directives();
        let below = self.fragment_below(&type_condition, depth, scope)?;
        let fragment = format!("F{}", self.operation.fragments.len());
        self.operation
            .fragments
            .insert(fragment.clone(), (type_condition, below));
        Some(Selection::Spread { fragment, directives })
    }

    fn known_fragment(&mut self, parent: &str, scope: &mut Scope) -> Option<Selection> {
        let conditions = self.conditions(parent);
        let known = self
            .operation
            .fragments
            .iter()
            .filter(|(_, (condition, _))| conditions.contains(condition));
        let known: Vec<String> = known.map(|(name, _)| name.clone()).collect();
        if known.is_empty() {
            return None;
        }
        let fragment = self.dice.pick(&known).clone();
        let (type_condition, below) = &self.operation.fragments[&fragment];
        let mut widened = scope.clone();
        if !self.absorb(type_condition, below, &mut widened) {
            return None;
        }
        *scope = widened;
        Some(Selection::Spread {
            fragment,
            directives: self.directives(),
        })
    }

    /// Adds what is selected to a scope; false if it clashes.
    fn absorb(&self, parent: &str, selections: &[Selection], scope: &mut Scope) -> bool {
        selections.iter().all(|selection| match selection {
            Selection::Field(field) if field.name == "__typename" => {
                let meaning = Meaning {
                    field: field.name.clone(),
                    arguments: String::new(),
                    parent: parent.to_owned(),
                    shape: "String!".to_owned(),
                };
                self.absorb_field(field, &meaning, None, scope)
            }
            Selection::Field(field) => self.field_of(parent, &field.name).is_some_and(|definition| {
                let meaning = self.meaning(parent, &definition, &field.arguments);
                self.absorb_field(field, &meaning, Some(definition.ty.inner_named_type().as_str()), scope)
            }),
            Selection::Inline {
                type_condition, below, ..
            } => self.absorb(type_condition.as_deref().unwrap_or(parent), below, scope),
            Selection::Spread { fragment, .. } => {
                let (type_condition, below) = &self.operation.fragments[fragment];
                self.absorb(type_condition, below, scope)
            }
        })
    }

    fn absorb_field(&self, field: &Field, meaning: &Meaning, base: Option<&str>, scope: &mut Scope) -> bool {
        let name = field.alias.clone().unwrap_or_else(|| field.name.clone());
        let (known, below) = scope.0.entry(name).or_default();
        if !self.fits(meaning, known) {
            return false;
        }
        known.push(meaning.clone());
        base.is_none_or(|base| self.absorb(base, &field.below, below))
    }

    fn arguments(&mut self, definitions: &[apollo_compiler::Node<InputValueDefinition>]) -> String {
        let mut arguments = Vec::new();
        for definition in definitions {
            let is_required = definition.ty.is_non_null() && definition.default_value.is_none();
            if is_required || self.dice.chance(60) {
                arguments.push(format!("{}: {}", definition.name, self.argument(&definition.ty)));
            }
        }
        match arguments.is_empty() {
            true => String::new(),
            false => format!("({})", arguments.join(", ")),
        }
    }

    /// A literal, a variable, or a literal with variables in it.
    fn argument(&mut self, ty: &Type) -> String {
        if self.dice.chance(30) {
            return self.variable(ty);
        }
        let value = self.value(ty, 2);
        self.literal(ty, &value)
    }

    fn variable(&mut self, ty: &Type) -> String {
        let same = self
            .operation
            .variables
            .iter()
            .skip(CONDITIONS)
            .filter(|variable| variable.ty == ty.to_string());
        let same: Vec<String> = same.map(|variable| variable.name.clone()).collect();
        if !same.is_empty() && self.dice.chance(30) {
            return format!("${}", self.dice.pick(&same));
        }
        let name = format!("v{}", self.operation.variables.len());
        let default = self.dice.chance(25).then(|| {
            let value = self.value(ty, 2);
            self.constant(ty, &value)
        });
        let is_given = (ty.is_non_null() && default.is_none()) || self.dice.chance(75);
        let value = is_given.then(|| self.value(ty, 2));
        self.operation.variables.push(Variable {
            name: name.clone(),
            ty: ty.to_string(),
            default,
            value,
        });
        format!("${name}")
    }

    fn value(&mut self, ty: &Type, depth: usize) -> Value {
        let schema = self.schema;
        let definition = schema.types.get(ty.inner_named_type());
        let is_input = matches!(definition, Some(ExtendedType::InputObject(_)));
        if !ty.is_non_null() && (self.dice.chance(12) || (depth == 0 && is_input)) {
            return Value::Null;
        }
        if ty.is_list() {
            // One value stands for a list of one, unless it is null.
            let single = !ty.item_type().is_list() && self.dice.chance(8);
            let items = if single { 1 } else { self.dice.below(3) };
            let mut items: Vec<Value> = (0..items).map(|_| self.value(ty.item_type(), depth)).collect();
            return match single && !items[0].is_null() {
                true => items.remove(0),
                false => Value::Array(items),
            };
        }
        match (ty.inner_named_type().as_str(), definition) {
            (_, Some(ExtendedType::Enum(definition))) => {
                let values: Vec<&str> = definition.values.keys().map(|name| name.as_str()).collect();
                json!(self.dice.pick(&values))
            }
            (_, Some(ExtendedType::InputObject(input))) => {
                let mut object = Map::new();
                for field in input.fields.values() {
                    if field.is_required() || (depth > 0 && self.dice.chance(60)) {
                        object.insert(field.name.to_string(), self.value(&field.ty, depth.saturating_sub(1)));
                    }
                }
                Value::Object(object)
            }
            ("Int", _) => json!(self.dice.below(5)),
            ("Float", _) if self.dice.chance(30) => json!(self.dice.below(5)),
            ("Float", _) => json!(self.dice.below(5) as f64 + 0.5),
            ("Boolean", _) => json!(self.dice.chance(50)),
            ("ID", _) if self.dice.chance(30) => json!(self.dice.below(5)),
            _ => {
                let texts = ["v", "\"", "\\", "é\n", ""];
                json!(texts[self.dice.below(texts.len())])
            }
        }
    }

    fn constant(&self, ty: &Type, value: &Value) -> String {
        let definition = self.schema.types.get(ty.inner_named_type());
        match (value, definition) {
            (Value::Array(items), _) => {
                let items: Vec<String> = items.iter().map(|item| self.constant(ty.item_type(), item)).collect();
                format!("[{}]", items.join(", "))
            }
            (Value::String(name), Some(ExtendedType::Enum(_))) => name.clone(),
            (Value::Object(fields), Some(ExtendedType::InputObject(input))) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", self.constant(&input.fields[name.as_str()].ty, value)));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
            (value, _) => value.to_string(),
        }
    }

    /// Like [`Self::constant`], with variables here and there.
    fn literal(&mut self, ty: &Type, value: &Value) -> String {
        match value {
            Value::Array(items) if ty.is_list() => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| self.literal_below(ty.item_type(), item))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(fields) => {
                let schema = self.schema;
                let Some(ExtendedType::InputObject(input)) = schema.types.get(ty.inner_named_type()) else {
                    return self.constant(ty, value);
                };
                let mut texts = Vec::new();
                for (name, value) in fields {
                    texts.push(format!(
                        "{name}: {}",
                        self.literal_below(&input.fields[name.as_str()].ty, value)
                    ));
                }
                format!("{{ {} }}", texts.join(", "))
            }
            value => self.constant(ty, value),
        }
    }

    fn literal_below(&mut self, ty: &Type, value: &Value) -> String {
        if self.dice.chance(10) {
            self.variable(ty)
        } else {
            self.literal(ty, value)
        }
    }

    fn introspection(&mut self) -> Selection {
        let field = |name: &str, below: Vec<Selection>| Field {
            alias: None,
            name: name.to_owned(),
            arguments: String::new(),
            directives: String::new(),
            below,
        };
        let name = || Selection::Field(field("name", Vec::new()));
        let typename = Selection::Field(field("__typename", Vec::new()));
        if self.dice.chance(50) {
            let query_type = Selection::Field(field("queryType", vec![name()]));
            let mutation_type = Selection::Field(Field {
                alias: Some("m".to_owned()),
                ..field("mutationType", vec![name(), typename])
            });
            return Selection::Field(Field {
                directives: self.directives(),
                ..field("__schema", vec![query_type, mutation_type])
            });
        }
        let types: Vec<String> = self
            .schema
            .types
            .keys()
            .map(ToString::to_string)
            .filter(|name| !name.starts_with("__"))
            .collect();
        let arguments = format!("(name: \"{}\")", self.dice.pick(&types));
        let kind = Selection::Field(field("kind", Vec::new()));
        Selection::Field(Field {
            arguments,
            alias: Some("type".to_owned()),
            ..field("__type", vec![kind, name(), typename])
        })
    }
}
