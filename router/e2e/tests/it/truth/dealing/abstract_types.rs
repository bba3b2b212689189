//! Interfaces and unions: which members they have where, and objects in place of interfaces.

use super::*;

impl Dealer {
    pub(super) fn choose_interface_object(&mut self) {
        let graph = &self.schema.graph;
        let candidates = self.schema.abstracts.iter().filter(|name| {
            graph.interface(name).is_some() && graph.objects(name).iter().all(|member| graph.entity(member).is_some())
        });
        let candidates: Vec<String> = candidates.cloned().collect();
        if candidates.is_empty() || graph.subgraphs < 3 || !self.dice.chance(60) {
            return;
        }
        let interface = self.dice.pick(&candidates).clone();
        let stands_in = self.subgraph();
        let keyed = (stands_in + 1 + self.dice.below(self.schema.graph.subgraphs - 1)) % self.schema.graph.subgraphs;
        self.stands_in = Some((interface, stands_in, keyed));
    }

    /// Interfaces and unions have some of their members in some subgraphs, and in all that know the whole type anyway.
    pub(super) fn deal_members(&mut self) {
        for name in self.schema.abstracts.clone() {
            let members = self.members(&name);
            for member in members {
                let subgraphs = match self.dice.chance(50) {
                    true => Subgraphs::ALL,
                    false => self.some_subgraphs(),
                };
                self.set_member(&name, &member, |known| *known = subgraphs);
            }
        }
    }

    pub(super) fn set_member(&mut self, abstract_type: &str, member: &str, set: impl FnOnce(&mut Subgraphs)) {
        let members = match &mut self.schema.graph.types[abstract_type].kind {
            Kind::Interface(interface) => &mut interface.members,
            Kind::Union(members) => members,
            _ => return,
        };
        if let Some(known) = members.get_mut(member) {
            set(known);
        }
    }

    pub(super) fn add_interface_object_fields(&mut self) {
        let Some((name, object_in, keyed)) = self.stands_in.clone() else {
            return;
        };
        let mut fields = IndexMap::new();
        for index in 0..self.dice.between(1, 3) {
            let is_composite = self.dice.chance(35);
            let base = match is_composite {
                true => composite(&mut self.dice, &self.schema),
                false => (*self.dice.pick(&["Int", "String", "Float", "Json"])).to_owned(),
            };
            let fails = self.dice.chance(12);
            let mut ty = wrapped(&mut self.dice, &base);
            // Asked for before the type is known, one that fails for an object of another type must not take that along.
            if is_composite || fails {
                ty = ty.nullable();
            }
            fields.insert(
                format!("extra{index}"),
                FieldDef {
                    places: vec![Place::new(object_in)],
                    fails,
                    ..plain_field(ty)
                },
            );
        }
        let members = self.members(&name);
        for member in &members {
            self.set_member(&name, member, |known| known.insert(keyed));
        }
        self.graph().types[&name]
            .fields
            .insert("id".to_owned(), plain_field(Ty::named("ID").non_null()));
        if let Some(interface) = self.graph().interface_mut(&name) {
            interface.object_fields = fields;
            interface.object_in = Subgraphs::one(object_in);
            interface.keyed = Subgraphs::one(keyed);
        }
    }

    /// Where the closure brought an implementing type to the object that stands for its interface.
    pub(super) fn drop_interface_objects_that_clash(&mut self) {
        let Some((name, object_in, _)) = self.stands_in.clone() else {
            return;
        };
        let layouts = layouts(&self.schema.graph);
        let members = self.members(&name);
        if members
            .iter()
            .any(|member| layouts[object_in].types.contains_key(member))
        {
            if let Some(interface) = self.graph().interface_mut(&name) {
                interface.object_in = Subgraphs::default();
                interface.object_fields.clear();
            }
            self.stands_in = None;
            self.mend();
        }
    }
}
