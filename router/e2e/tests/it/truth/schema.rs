//! A random schema, of which nobody has decided yet who resolves it.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::dice::Dice;
use super::graph::{Entity, FieldDef, Graph, InputDef, Interface, Kind, Subgraphs, Ty, TypeDef, Usage};

const ENTITIES: [&str; 5] = ["User", "Product", "Order", "Store", "Review"];
const VALUES: [&str; 3] = ["Size", "Price", "Note"];
const INTERFACES: [&str; 3] = ["Named", "Owned", "Dated"];
const UNIONS: [&str; 2] = ["Any", "Found"];
const INPUTS: [&str; 2] = ["Filter", "Window"];
/// Few, so that types share names and differ in what they mean by them.
const FIELDS: [&str; 9] = ["name", "size", "next", "items", "owner", "rank", "tags", "kind", "peer"];
const LEAVES: [&str; 6] = ["Int", "Float", "String", "Boolean", "ID", "Json"];

/// A schema, and the names of its types by kind.
pub(super) struct Schema {
    pub(super) graph: Graph,
    pub(super) entities: Vec<String>,
    pub(super) values: Vec<String>,
    pub(super) abstracts: Vec<String>,
}

struct Generator<'d> {
    dice: &'d mut Dice,
    schema: Schema,
    output_leaves: Vec<String>,
    input_types: Vec<String>,
}

pub(super) fn generate(dice: &mut Dice) -> Schema {
    let mut generator = Generator {
        dice,
        schema: Schema {
            graph: Graph::default(),
            entities: Vec::new(),
            values: Vec::new(),
            abstracts: Vec::new(),
        },
        output_leaves: LEAVES.map(str::to_owned).to_vec(),
        input_types: LEAVES[..5].iter().map(|name| (*name).to_owned()).collect(),
    };
    generator.add_roots();
    generator.add_leaves();
    generator.add_composites();
    generator.add_fields();
    generator.schema
}

impl Generator<'_> {
    fn add(&mut self, name: &str, kind: Kind) {
        let fields = IndexMap::new();
        self.schema
            .graph
            .types
            .insert(name.to_owned(), TypeDef { kind, fields });
    }

    fn add_roots(&mut self) {
        self.add("Query", Kind::Root);
        if self.dice.chance(50) {
            self.add("Mutation", Kind::Root);
        }
    }

    fn add_leaves(&mut self) {
        self.add("Json", Kind::Scalar);
        for (name, usage) in [("Color", Usage::Output), ("Mode", Usage::Both), ("Sort", Usage::Input)] {
            if self.dice.chance(60) {
                let values = (0..self.dice.between(2, 4))
                    .map(|index| (format!("{}_{index}", name.to_uppercase()), Subgraphs::ALL));
                self.add(
                    name,
                    Kind::Enum {
                        values: values.collect(),
                        usage,
                    },
                );
                if usage != Usage::Input {
                    self.output_leaves.push(name.to_owned());
                }
                if usage != Usage::Output {
                    self.input_types.push(name.to_owned());
                }
            }
        }
        for name in &INPUTS[..self.dice.between(0, 2)] {
            let mut fields = self.inputs(4);
            if self.dice.chance(30) {
                let itself = InputDef {
                    ty: Ty::named(name),
                    default: None,
                    subgraphs: Subgraphs::ALL,
                };
                fields.insert("and".to_owned(), itself);
            }
            if !fields.is_empty() {
                self.add(name, Kind::Input(fields));
                self.input_types.push((*name).to_owned());
            }
        }
    }

    fn add_composites(&mut self) {
        let entities = self.dice.between(2, ENTITIES.len());
        for name in &ENTITIES[..entities] {
            self.add(name, Kind::Entity(Entity::default()));
            self.schema.entities.push((*name).to_owned());
        }
        for name in &VALUES[..self.dice.between(1, 3)] {
            self.add(name, Kind::Value { implements: Vec::new() });
            self.schema.values.push((*name).to_owned());
        }
        for name in &INTERFACES[..self.dice.between(0, 3)] {
            self.add(name, Kind::Interface(Interface::default()));
            self.schema.abstracts.push((*name).to_owned());
            let mut candidates = self.schema.entities.clone();
            if self.dice.chance(50) {
                candidates.extend(self.schema.values.clone());
            }
            self.dice.shuffle(&mut candidates);
            candidates.truncate(self.dice.between(1, 3));
            for member in candidates {
                match &mut self.schema.graph.types[&member].kind {
                    Kind::Entity(Entity { implements, .. }) | Kind::Value { implements } => {
                        implements.push((*name).to_owned());
                    }
                    _ => {}
                }
                if let Some(interface) = self.schema.graph.interface_mut(name) {
                    interface.members.insert(member, Subgraphs::default());
                }
            }
        }
        for name in &UNIONS[..self.dice.between(0, 2)] {
            let mut members = self.schema.entities.clone();
            members.extend(self.schema.values.clone());
            self.dice.shuffle(&mut members);
            members.truncate(self.dice.between(2, 4));
            let members = members
                .into_iter()
                .map(|member| (member, Subgraphs::default()))
                .collect();
            self.add(name, Kind::Union(members));
            self.schema.abstracts.push((*name).to_owned());
        }
    }

    fn add_fields(&mut self) {
        for name in self.schema.entities.clone() {
            let fields = self.dice.between(2, 6);
            self.add_random_fields(&name, fields);
        }
        for name in self.schema.values.clone() {
            let fields = self.dice.between(2, 4);
            self.add_random_fields(&name, fields);
        }
        for name in self.schema.abstracts.clone() {
            if self.schema.graph.interface(&name).is_some() {
                self.add_interface_fields(&name);
            }
        }
    }

    fn add_random_fields(&mut self, type_name: &str, count: usize) {
        let mut names = FIELDS.to_vec();
        self.dice.shuffle(&mut names);
        // One at least that anybody can ask for, so that no type is of composites only.
        let leaf = FieldDef {
            arguments: IndexMap::new(),
            ..self.field(100)
        };
        self.schema.graph.types[type_name]
            .fields
            .insert(names[0].to_owned(), leaf);
        for name in &names[1..count] {
            let field = self.field(55);
            self.schema.graph.types[type_name]
                .fields
                .insert((*name).to_owned(), field);
        }
    }

    /// The first is a leaf without arguments.
    fn add_interface_fields(&mut self, name: &str) {
        let prefix = name.to_lowercase();
        let members: Vec<String> = self.schema.graph.objects(name).into_iter().map(str::to_owned).collect();
        for index in 0..self.dice.between(1, 3) {
            let mut field = self.field(if index == 0 { 100 } else { 50 });
            if index == 0 {
                field.arguments.clear();
                field.fails = false;
            }
            let field_name = format!("{prefix}{index}");
            self.schema.graph.types[name]
                .fields
                .insert(field_name.clone(), field.clone());
            for member in &members {
                let mut own = field.clone();
                if self.dice.chance(25) {
                    own.ty = own.ty.non_null();
                }
                self.schema.graph.types[member].fields.insert(field_name.clone(), own);
            }
        }
    }

    /// * `leaves`: percent of leaves.
    fn field(&mut self, leaves: usize) -> FieldDef {
        let is_leaf = self.dice.chance(leaves);
        let base = if is_leaf {
            self.dice.pick(&self.output_leaves).clone()
        } else {
            composite(self.dice, &self.schema)
        };
        FieldDef {
            ty: wrapped(self.dice, &base),
            arguments: if self.dice.chance(25) {
                self.inputs(2)
            } else {
                IndexMap::new()
            },
            places: Vec::new(),
            fails: self.dice.chance(12),
        }
    }

    fn inputs(&mut self, count: usize) -> IndexMap<String, InputDef> {
        let mut inputs = IndexMap::new();
        for name in &["first", "where", "by", "flag"][..self.dice.between(1, count)] {
            let base = self.dice.pick(&self.input_types).clone();
            let ty = wrapped(self.dice, &base);
            let default = match self.dice.chance(35) {
                true => Some(input_value(self.dice, &self.schema.graph, &ty, 2)),
                false => None,
            };
            let subgraphs = Subgraphs::ALL;
            inputs.insert((*name).to_owned(), InputDef { ty, default, subgraphs });
        }
        inputs
    }
}

/// The name of a composite type.
pub(super) fn composite(dice: &mut Dice, schema: &Schema) -> String {
    match dice.below(10) {
        0..5 => dice.pick(&schema.entities).clone(),
        5..8 if !schema.abstracts.is_empty() => dice.pick(&schema.abstracts).clone(),
        _ => dice.pick(&schema.values).clone(),
    }
}

/// A type with lists and non-null around `base`.
pub(super) fn wrapped(dice: &mut Dice, base: &str) -> Ty {
    let named = Ty::named(base);
    let list = |item: Ty| Ty::List(Box::new(item));
    match dice.below(20) {
        0..8 => named,
        8..12 => named.non_null(),
        12..14 => list(named),
        14..16 => list(named.non_null()),
        16 => list(named).non_null(),
        17 => list(named.non_null()).non_null(),
        18 => list(list(named)),
        _ => list(list(named.non_null()).non_null()),
    }
}

/// A value that an input of this type takes.
///
/// * `depth`: how many levels of objects it may have.
pub(super) fn input_value(dice: &mut Dice, graph: &Graph, ty: &Ty, depth: usize) -> Value {
    match ty {
        Ty::NonNull(inner) => non_null_input(dice, graph, inner, depth),
        nullable if dice.chance(12) || (depth == 0 && is_input(graph, nullable.base())) => Value::Null,
        nullable => non_null_input(dice, graph, nullable, depth),
    }
}

fn is_input(graph: &Graph, name: &str) -> bool {
    matches!(
        graph.types.get(name).map(|definition| &definition.kind),
        Some(Kind::Input(_))
    )
}

fn non_null_input(dice: &mut Dice, graph: &Graph, ty: &Ty, depth: usize) -> Value {
    if let Ty::List(item) = ty {
        return (0..dice.below(3))
            .map(|_| input_value(dice, graph, item, depth))
            .collect();
    }
    let kind = graph.types.get(ty.base()).map(|definition| &definition.kind);
    match (ty.base(), kind) {
        (_, Some(Kind::Enum { values, .. })) => {
            let known = values.iter().filter(|(_, subgraphs)| **subgraphs == Subgraphs::ALL);
            let known: Vec<&String> = known.map(|(value, _)| value).collect();
            json!(dice.pick(&known))
        }
        (_, Some(Kind::Input(fields))) => {
            let known = fields.iter().filter(|(_, input)| input.subgraphs == Subgraphs::ALL);
            let mut object = serde_json::Map::new();
            for (name, input) in known {
                let is_needed = input.ty.is_non_null() && input.default.is_none();
                if is_needed || (depth > 0 && dice.chance(60)) {
                    object.insert(
                        name.clone(),
                        input_value(dice, graph, &input.ty, depth.saturating_sub(1)),
                    );
                }
            }
            Value::Object(object)
        }
        ("Int", _) => json!(dice.below(5)),
        ("Float", _) => json!(dice.below(5) as f64 + 0.5),
        ("Boolean", _) => json!(dice.chance(50)),
        _ => json!(format!("v{}", dice.below(4))),
    }
}
