//! Adds what a subgraph lacks to be valid: keys of stubs, members of abstract types, fields of interfaces.

use super::*;

impl Dealer {
    /// Adds what is missing in some subgraph: keys of stubs, members of abstract types, fields of interfaces.
    pub(super) fn mend(&mut self) {
        while self.mend_once() {}
    }

    pub(super) fn mend_once(&mut self) -> bool {
        let layouts = layouts(&self.schema.graph);
        for (subgraph, layout) in layouts.iter().enumerate() {
            for (name, fields) in &layout.types {
                match &self.schema.graph.types[name].kind {
                    Kind::Entity(entity) => {
                        let mut keys = entity.keys.iter().filter(|key| key.subgraph == subgraph);
                        let has_id = keys
                            .clone()
                            .any(|key| key.fields == [Selected::field("id", Vec::new())]);
                        if keys.next().is_none() || (fields.contains_key("id") && !has_id) {
                            self.add_stub(name, subgraph, fields.contains_key("id"));
                            return true;
                        }
                    }
                    Kind::Interface(interface) if interface.object_in.has(subgraph) => {}
                    Kind::Interface(_) | Kind::Union(_) => {
                        let graph = &self.schema.graph;
                        let members = graph.objects(name).into_iter();
                        let is_here = |member: &&str| is_member(graph, name, member, subgraph);
                        let here: Vec<String> = members.filter(is_here).map(str::to_owned).collect();
                        if here.is_empty() {
                            let members = self.members(name);
                            let member = self.dice.pick(&members).clone();
                            self.set_member(name, &member, |known| known.insert(subgraph));
                            return true;
                        }
                        if fields.is_empty() && graph.interface(name).is_some() {
                            self.share_first_field(name, &here, subgraph);
                            return true;
                        }
                    }
                    _ => {}
                }
            }
        }
        false
    }

    /// A key of some home; `id` when the subgraph has that field already.
    pub(super) fn add_stub(&mut self, name: &str, subgraph: SubgraphId, has_id: bool) {
        let id = vec![Selected::field("id", Vec::new())];
        let keys = self.schema.graph.entity(name).map_or(&[][..], |entity| &entity.keys);
        let fields: Vec<FieldSet> = keys
            .iter()
            .filter(|key| key.is_resolvable)
            .map(|key| key.fields.clone())
            .collect();
        let fields = if has_id && fields.contains(&id) {
            id
        } else {
            self.dice.pick(&fields).clone()
        };
        let is_resolvable = self.dice.chance(40);
        if let Some(entity) = self.graph().entity_mut(name) {
            entity.keys.push(Key {
                subgraph,
                fields,
                is_resolvable,
            });
        }
    }

    pub(super) fn share_first_field(&mut self, interface: &str, members: &[String], subgraph: SubgraphId) {
        let Some(first) = self.schema.graph.types[interface].fields.keys().next().cloned() else {
            return;
        };
        for member in members
            .iter()
            .filter(|member| self.schema.graph.entity(member).is_some())
            .cloned()
            .collect::<Vec<_>>()
        {
            let field = &mut self.graph().types[&member].fields[&first];
            if !field.places.iter().any(|place| place.subgraph == subgraph) {
                field.places.push(Place::new(subgraph));
                field.places.iter_mut().for_each(|place| {
                    place.overrides = None;
                    place.requires.clear();
                });
            }
        }
    }
}
