//! Objects that a subgraph does not know, and fields that must not fail.

use super::*;

impl Dealer {
    /// For some entities, one home does not know one of the objects.
    pub(super) fn choose_unknown(&mut self) {
        for name in self.schema.entities.clone() {
            let home = *self.dice.pick(&self.homes[&name]);
            let number = self.dice.below(OBJECTS as usize) as u64;
            if self.dice.chance(60) && self.may_lack_objects(&name, home) {
                if let Some(entity) = self.graph().entity_mut(&name) {
                    entity.unknown = Some((home, number));
                }
                self.make_key_null(&name, home);
            }
        }
    }

    /// Whether it makes no difference, by whichever way an object is reached, that a home does not know it: nobody else
    /// resolves the home's fields, nobody requires them, and no way leads through it.
    fn may_lack_objects(&self, name: &str, home: SubgraphId) -> bool {
        let graph = &self.schema.graph;
        let (required, layouts) = (required_fields(graph), layouts(graph));
        let is_provided = |field: &str| {
            let mut declared = layouts.iter().map(|layout| layout.declared(name, field));
            declared.any(|declared| declared == Some(Declared::Provided))
        };
        // Below an entity in a key stands more than the key, which others may take from here.
        let entity = graph.entity(name).into_iter();
        let mut keys = entity
            .flat_map(|entity| &entity.keys)
            .filter(|key| key.subgraph == home);
        let has_entity_in_key = keys.any(|key| {
            key.fields.iter().any(|selected| match selected {
                Selected::Field { name: field, below, .. } => {
                    !below.is_empty() && graph.entity(graph.types[name].fields[field].ty.base()).is_some()
                }
                Selected::On(..) => false,
            })
        });
        let is_alone = graph.types[name].fields.iter().all(|(field, definition)| {
            let is_here = definition.places.iter().any(|place| place.subgraph == home);
            let is_required = required.iter().any(|other| other.is(name, field));
            !is_here || (definition.places.len() == 1 && !is_provided(field) && !is_required)
        });
        let mut interfaces = graph
            .interfaces_of(name)
            .iter()
            .filter_map(|interface| graph.interface(interface));
        let is_keyed = interfaces.any(|interface| !interface.keyed.is_empty());
        is_alone
            && !is_keyed
            && !has_entity_in_key
            && self.has_key_of_others(name, home)
            && is_connected_without(graph, name, (home, &Vec::new()))
    }

    /// Whether a subgraph has one key only, which others have, too: nobody learns one key by another from it.
    fn has_key_of_others(&self, name: &str, home: SubgraphId) -> bool {
        let keys = self.schema.graph.entity(name).map_or(&[][..], |entity| &entity.keys);
        let own: Vec<&Key> = keys.iter().filter(|key| key.subgraph == home).collect();
        let mut others = keys.iter().filter(|key| key.subgraph != home && key.is_resolvable);
        matches!(own.as_slice(), [only] if others.any(|other| other.fields == only.fields))
    }

    /// Where the home's only key is a leaf that all others can do without, it is null for the unknown object.
    fn make_key_null(&mut self, name: &str, home: SubgraphId) {
        let keys = self.schema.graph.entity(name).map_or(&[][..], |entity| &entity.keys);
        let own: Vec<&Key> = keys.iter().filter(|key| key.subgraph == home).collect();
        let [key] = own.as_slice() else { return };
        let [Selected::Field { name: field, below, .. }] = key.fields.as_slice() else {
            return;
        };
        let is_needed = keys.iter().filter(|other| other.subgraph != home).any(|other| {
            let of_same = keys.iter().filter(|key| key.subgraph == other.subgraph);
            of_same.into_iter().all(|same| same.fields == key.fields)
        });
        let is_used = keys.iter().any(|other| {
            other.fields != key.fields && other.fields.iter().any(|selected| key.fields.contains(selected))
        });
        let without = (home, &key.fields);
        if field == "id"
            || !below.is_empty()
            || is_needed
            || is_used
            || !is_connected_without(&self.schema.graph, name, without)
        {
            return;
        }
        let field = field.clone();
        let field = &mut self.graph().types[name].fields[&field];
        field.ty = Ty::named(field.ty.base());
    }

    fn drop_requires_of(&mut self, names: &[String]) {
        let fields = self
            .graph()
            .types
            .values_mut()
            .flat_map(|definition| definition.fields.values_mut());
        for place in fields.flat_map(|field| &mut field.places) {
            if selects(&place.requires, names) {
                place.requires.clear();
            }
        }
    }

    /// Where a required field must not be null, its failure makes an entity null for the subgraph that has it: what clients
    /// select there is gone as well, which no request can help, and there is no value to send.
    pub(super) fn spare_required_fields(&mut self) {
        let spreading = || {
            let required = required_fields(&self.schema.graph).into_iter();
            required.filter(|required| required.spreads)
        };
        if spreading().next().is_some() {
            let world = World::new(self.schema.graph.clone(), layouts(&self.schema.graph));
            let without_value = |required: &RequiredField| !world.has_values(&required.type_name, &required.field);
            let names: Vec<String> = spreading()
                .filter(without_value)
                .map(|required| required.field)
                .collect();
            self.drop_requires_of(&names);
        }
        for required in required_fields(&self.schema.graph) {
            let fields = &mut self.graph().types[&required.type_name].fields;
            if let Some(field) = fields.get_mut(&required.field).filter(|_| required.spreads) {
                field.fails = false;
            }
        }
    }
}

/// Whether a field set selects fields of these names on any level.
fn selects(field_set: &FieldSet, names: &[String]) -> bool {
    field_set.iter().any(|selected| match selected {
        Selected::Field { name, below, .. } => names.contains(name) || selects(below, names),
        Selected::On(_, below) => selects(below, names),
    })
}

/// A field that some `@requires` selects.
struct RequiredField {
    type_name: String,
    field: String,
    /// Whether a failure makes an entity null.
    spreads: bool,
}

impl RequiredField {
    fn is(&self, type_name: &str, field: &str) -> bool {
        self.type_name == type_name && self.field == field
    }
}

/// What is required, on every level.
fn required_fields(graph: &Graph) -> Vec<RequiredField> {
    let mut found = Vec::new();
    for (name, definition) in &graph.types {
        for place in definition.fields.values().flat_map(|field| &field.places) {
            collect_fields(graph, (name, true), &place.requires, &mut found);
        }
    }
    found
}

/// * `spreads`: whether a null in place of an object of the type makes an entity null.
fn collect_fields(
    graph: &Graph,
    (type_name, spreads): (&str, bool),
    field_set: &FieldSet,
    found: &mut Vec<RequiredField>,
) {
    for selected in field_set {
        match selected {
            Selected::On(name, below) => collect_fields(graph, (name, spreads), below, found),
            Selected::Field { name, below, .. } => {
                let mut spreads_below = false;
                for object in graph.objects(type_name) {
                    let Some((_, field)) = graph.field(object, name) else {
                        continue;
                    };
                    spreads_below |= spreads && !field.ty.keeps_nulls();
                    found.push(RequiredField {
                        type_name: object.to_owned(),
                        field: name.clone(),
                        spreads: spreads && field.ty.is_non_null(),
                    });
                }
                if let Some((_, field)) = graph.field(type_name, name) {
                    let base = field.ty.base();
                    // An entity may be asked for by itself.
                    let is_entity = graph.objects(base).iter().any(|object| graph.entity(object).is_some());
                    collect_fields(graph, (base, spreads_below || is_entity), below, found);
                }
            }
        }
    }
}

/// Whether all other subgraphs that have an entity reach each other without `home` and without a key.
fn is_connected_without(graph: &Graph, name: &str, (home, without): (SubgraphId, &FieldSet)) -> bool {
    let keys = graph.entity(name).map_or(&[][..], |entity| &entity.keys);
    let keys: Vec<&Key> = keys
        .iter()
        .filter(|key| key.subgraph != home && key.fields != *without)
        .collect();
    let mut subgraphs: Vec<SubgraphId> = keys.iter().map(|key| key.subgraph).collect();
    subgraphs.sort_unstable();
    subgraphs.dedup();
    let resolvers: Vec<SubgraphId> = keys
        .iter()
        .filter(|key| key.is_resolvable)
        .map(|key| key.subgraph)
        .collect();
    subgraphs.iter().all(|start| {
        let mut reached = vec![*start];
        let mut next = 0;
        while let Some(&at) = reached.get(next) {
            next += 1;
            for key in keys.iter().filter(|key| key.is_resolvable) {
                let has_key = keys.iter().any(|own| own.subgraph == at && own.fields == key.fields);
                if has_key && !reached.contains(&key.subgraph) {
                    reached.push(key.subgraph);
                }
            }
        }
        resolvers.iter().all(|resolver| reached.contains(resolver))
    })
}
