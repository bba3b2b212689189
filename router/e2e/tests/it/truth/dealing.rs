//! Deals a schema to subgraphs, so that it composes: every field can be resolved from everywhere.
//!
//! An entity's *homes* are the subgraphs that resolve fields of it. Each home but the first shares a key with one before
//! it, so a way leads from every home to every other one. Any other subgraph that comes across the entity has a *stub* of
//! it, with the key of some home.

mod abstract_types;
mod keys;
mod mending;
mod provides;
mod requires;
mod unknown;

use indexmap::IndexMap;

use super::dice::Dice;
use super::graph::{
    FieldDef, FieldSet, Graph, InputDef, Key, Kind, Place, Selected, SubgraphId, Subgraphs, Ty, TypeDef, Usage,
};
use super::layout::{Declared, is_member, layouts};
use super::schema::{self, Schema, composite, input_value, wrapped};
use super::world::{OBJECTS, World};

/// A random graph.
pub(super) fn graph(seed: u64) -> Graph {
    let mut dice = Dice::new(seed);
    let mut schema = schema::generate(&mut dice);
    schema.graph.subgraphs = dice.between(2, 6);
    let mut dealer = Dealer {
        dice,
        schema,
        homes: IndexMap::new(),
        stands_in: None,
        requiring: Vec::new(),
    };
    dealer.deal_leaves();
    dealer.choose_interface_object();
    for name in dealer.schema.entities.clone() {
        dealer.deal_keys(&name);
    }
    for name in dealer.schema.entities.clone() {
        dealer.deal_fields(&name);
    }
    dealer.add_root_fields();
    dealer.deal_members();
    dealer.add_interface_object_fields();
    dealer.mend();
    dealer.add_requires();
    dealer.mend();
    dealer.add_provides();
    dealer.mend();
    dealer.drop_interface_objects_that_clash();
    dealer.choose_unknown();
    dealer.spare_required_fields();
    dealer.schema.graph
}

struct Dealer {
    dice: Dice,
    schema: Schema,
    homes: IndexMap<String, Vec<SubgraphId>>,
    /// An interface, where an object stands in its place, and where it has its key.
    stands_in: Option<(String, SubgraphId, SubgraphId)>,
    /// Types and fields that are to require something, if there is anything to require.
    requiring: Vec<(String, String)>,
}

impl Dealer {
    fn graph(&mut self) -> &mut Graph {
        &mut self.schema.graph
    }

    /// Members of an abstract type.
    fn members(&self, abstract_type: &str) -> Vec<String> {
        let members = self.schema.graph.objects(abstract_type).into_iter();
        members.map(str::to_owned).collect()
    }

    fn subgraph(&mut self) -> SubgraphId {
        self.dice.below(self.schema.graph.subgraphs)
    }

    /// A random set that has a given one.
    fn some_subgraphs(&mut self) -> Subgraphs {
        Subgraphs(self.dice.next() as u32)
    }

    /// Some values and input fields are known to some subgraphs only; never the first of a type.
    fn deal_leaves(&mut self) {
        for index in 0..self.schema.graph.types.len() {
            let mut dealt = self.schema.graph.types[index].kind.clone();
            match &mut dealt {
                Kind::Enum { values, usage } if *usage != Usage::Both => {
                    for subgraphs in values.values_mut().skip(1) {
                        if self.dice.chance(40) {
                            *subgraphs = self.some_subgraphs();
                        }
                    }
                }
                Kind::Input(fields) => {
                    for field in fields.values_mut().skip(1) {
                        if self.dice.chance(25) && !field.ty.is_non_null() && field.default.is_none() {
                            field.subgraphs = self.some_subgraphs();
                        }
                    }
                }
                _ => {}
            }
            self.schema.graph.types[index].kind = dealt;
        }
        self.drop_defaults_that_some_do_not_know();
    }

    /// Defaults were chosen when everybody knew everything.
    fn drop_defaults_that_some_do_not_know(&mut self) {
        let graph = &mut self.schema.graph;
        let is_dealt = |definition: &TypeDef| match &definition.kind {
            Kind::Enum { values, .. } => values.values().any(|known| *known != Subgraphs::ALL),
            // Which of its fields everybody knows is decided here, too.
            Kind::Input(_) => true,
            _ => false,
        };
        let dealt: Vec<String> = graph
            .types
            .iter()
            .filter(|(_, definition)| is_dealt(definition))
            .map(|(name, _)| name.clone())
            .collect();
        for definition in graph.types.values_mut() {
            let fields = definition
                .fields
                .values_mut()
                .flat_map(|field| field.arguments.values_mut());
            let drop_default = |input: &mut InputDef| {
                if dealt.iter().any(|name| name == input.ty.base()) {
                    input.default = None;
                }
            };
            fields.for_each(drop_default);
            if let Kind::Input(fields) = &mut definition.kind {
                fields.values_mut().for_each(drop_default);
            }
        }
    }

    fn deal_fields(&mut self, type_name: &str) {
        let homes = self.homes[type_name].clone();
        let names: Vec<String> = self.schema.graph.types[type_name].fields.keys().cloned().collect();
        let plain: Vec<&String> = names
            .iter()
            .filter(|name| !self.is_key_field(type_name, name))
            .collect();
        for name in plain {
            let home = *self.dice.pick(&homes);
            let mut places = vec![Place::new(home)];
            let others: Vec<SubgraphId> = homes.iter().copied().filter(|other| *other != home).collect();
            if !others.is_empty() && self.dice.chance(20) {
                places.push(Place::new(*self.dice.pick(&others)));
            } else if !others.is_empty() && self.dice.chance(10) {
                places[0].overrides = Some(*self.dice.pick(&others));
            }
            self.graph().types[type_name].fields[name].places = places;
        }
        // What is part of no key that somebody has, nobody can resolve.
        let used: Vec<String> = names.into_iter().filter(|name| self.is_used(type_name, name)).collect();
        self.graph().types[type_name]
            .fields
            .retain(|name, _| used.contains(name));
    }

    fn is_used(&self, type_name: &str, name: &str) -> bool {
        !self.schema.graph.types[type_name].fields[name].places.is_empty() || self.is_part_of_key(type_name, name)
    }

    fn add_root_fields(&mut self) {
        for name in self.schema.entities.clone() {
            for index in 0..self.dice.between(1, 2) {
                let home = *self.dice.pick(&self.homes[&name]);
                let subgraph = if self.dice.chance(75) { home } else { self.subgraph() };
                let ty = wrapped(&mut self.dice, &name);
                self.add_root_field("Query", &format!("{}{index}", name.to_lowercase()), (ty, subgraph));
            }
        }
        for index in 0..self.dice.between(1, 4) {
            let base = composite(&mut self.dice, &self.schema);
            let (ty, subgraph) = (wrapped(&mut self.dice, &base), self.subgraph());
            self.add_root_field("Query", &format!("any{index}"), (ty, subgraph));
        }
        if let Some((interface, object_in, _)) = self.stands_in.clone() {
            let ty = wrapped(&mut self.dice, &interface);
            self.add_root_field("Query", "stand", (ty, object_in));
        }
        if self.schema.graph.types.contains_key("Mutation") {
            for index in 0..self.dice.between(2, 4) {
                let base = if self.dice.chance(30) {
                    "Int".to_owned()
                } else {
                    composite(&mut self.dice, &self.schema)
                };
                let (ty, subgraph) = (wrapped(&mut self.dice, &base), self.subgraph());
                self.add_root_field("Mutation", &format!("do{index}"), (ty, subgraph));
            }
        }
    }

    fn add_root_field(&mut self, root: &str, name: &str, (ty, subgraph): (Ty, SubgraphId)) {
        let mut places = vec![Place::new(subgraph)];
        if root == "Query" && self.dice.chance(15) {
            let other = self.subgraph();
            if other != subgraph {
                places.push(Place::new(other));
            }
        }
        let mut arguments = IndexMap::new();
        if self.dice.chance(40) {
            let base = if self.dice.chance(50) { "Int" } else { "String" };
            let ty = wrapped(&mut self.dice, base);
            let default = match self.dice.chance(40) {
                true => Some(input_value(&mut self.dice, &self.schema.graph, &ty, 1)),
                false => None,
            };
            let mut subgraphs = Subgraphs::ALL;
            if places.len() > 1 && !ty.is_non_null() && default.is_none() && self.dice.chance(50) {
                subgraphs = Subgraphs::one(subgraph);
            }
            arguments.insert("first".to_owned(), InputDef { ty, default, subgraphs });
        }
        let fails = self.dice.chance(8);
        self.graph().types[root].fields.insert(
            name.to_owned(),
            FieldDef {
                ty,
                arguments,
                places,
                fails,
            },
        );
    }
}

fn plain_field(ty: Ty) -> FieldDef {
    FieldDef {
        ty,
        arguments: IndexMap::new(),
        places: Vec::new(),
        fails: false,
    }
}
