//! Which subgraphs are homes of an entity, and by which keys they are connected.

use super::*;

impl Dealer {
    pub(super) fn deal_keys(&mut self, name: &str) {
        let graph = &self.schema.graph;
        let mut homes: Vec<SubgraphId> = (0..graph.subgraphs).collect();
        self.dice.shuffle(&mut homes);
        let mut forced = None;
        if let Some((interface, object_in, keyed)) = &self.stands_in
            && graph.objects(interface).contains(&name)
        {
            homes.retain(|home| home != object_in && home != keyed);
            forced = Some(*keyed);
        }
        homes.truncate(self.dice.between(1, 4));
        if let Some(keyed) = forced {
            homes.insert(0, keyed);
        }
        let kinds = self.key_kinds(name);
        let mut keys: Vec<Key> = Vec::new();
        for (index, home) in homes.iter().enumerate() {
            if index == 0 {
                keys.push(Key {
                    subgraph: *home,
                    fields: kinds[0].clone(),
                    is_resolvable: true,
                });
                continue;
            }
            let neighbour = homes[self.dice.below(index)];
            let shared: Vec<FieldSet> = keys
                .iter()
                .filter(|key| key.subgraph == neighbour)
                .map(|key| key.fields.clone())
                .collect();
            let fields = if self.dice.chance(40) {
                self.dice.pick(&kinds).clone()
            } else {
                self.dice.pick(&shared).clone()
            };
            if !shared.contains(&fields) {
                keys.push(Key {
                    subgraph: neighbour,
                    fields: fields.clone(),
                    is_resolvable: true,
                });
            }
            keys.push(Key {
                subgraph: *home,
                fields,
                is_resolvable: true,
            });
        }
        self.homes.insert(name.to_owned(), homes);
        if let Some(entity) = self.graph().entity_mut(name) {
            entity.keys = keys;
        }
    }

    /// Field sets that may be keys, `id` first; their fields are added.
    pub(super) fn key_kinds(&mut self, name: &str) -> Vec<FieldSet> {
        let leaf = |name: &str| Selected::field(name, Vec::new());
        let mut kinds = vec![vec![leaf("id")]];
        self.add_key_field(name, "id", "ID");
        for _ in 0..self.dice.below(3) {
            match self.dice.below(5) {
                0 | 4 => {
                    self.add_key_field(name, "sku", "String");
                    kinds.push(vec![leaf("sku")]);
                }
                1 => {
                    self.add_key_field(name, "part", "Int");
                    self.add_key_field(name, "lot", "String");
                    kinds.push(vec![leaf("part"), leaf("lot")]);
                }
                2 => {
                    let reference = format!("{name}Ref");
                    self.graph().types.insert(
                        reference.clone(),
                        TypeDef {
                            kind: Kind::Value { implements: Vec::new() },
                            fields: IndexMap::new(),
                        },
                    );
                    self.add_key_field(&reference, "page", "String");
                    self.add_key_field(&reference, "line", "Int");
                    self.add_key_field(name, "ref", &reference);
                    kinds.push(vec![Selected::field("ref", vec![leaf("page"), leaf("line")])]);
                }
                _ => {
                    let other = self.dice.pick(&self.schema.entities).clone();
                    if other != name {
                        self.add_key_field(name, "boss", &other);
                        kinds.push(vec![Selected::field("boss", vec![leaf("id")])]);
                    }
                }
            }
        }
        kinds
    }

    pub(super) fn add_key_field(&mut self, type_name: &str, name: &str, base: &str) {
        let field = plain_field(Ty::named(base).non_null());
        self.graph().types[type_name]
            .fields
            .entry(name.to_owned())
            .or_insert(field);
    }

    /// Whether a field is one of those that keys are made of.
    pub(super) fn is_key_field(&self, type_name: &str, name: &str) -> bool {
        self.is_part_of_key(type_name, name) || ["id", "sku", "part", "lot", "ref", "boss"].contains(&name)
    }

    /// Whether some subgraph has a key with a field.
    pub(super) fn is_part_of_key(&self, type_name: &str, name: &str) -> bool {
        let entity = self.schema.graph.entity(type_name).into_iter();
        let mut fields = entity.flat_map(|entity| &entity.keys).flat_map(|key| &key.fields);
        fields.any(|selected| matches!(selected, Selected::Field { name: field, .. } if field == name))
    }
}
