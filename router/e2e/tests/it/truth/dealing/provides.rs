//! Random `@provides`: nested, through values, and of abstract types.

use super::*;

impl Dealer {
    pub(super) fn add_provides(&mut self) {
        let types: Vec<String> = self.schema.graph.types.keys().cloned().collect();
        for name in types {
            let fields: Vec<String> = self.schema.graph.types[&name].fields.keys().cloned().collect();
            for field in fields {
                for index in 0..self.schema.graph.types[&name].fields[&field].places.len() {
                    if !self.dice.chance(25) {
                        continue;
                    }
                    let definition = &self.schema.graph.types[&name].fields[&field];
                    let (base, subgraph) = (definition.ty.base().to_owned(), definition.places[index].subgraph);
                    if let Some(provides) = self.provided(&base, (subgraph, 3)) {
                        self.graph().types[&name].fields[&field].places[index].provides = provides;
                    }
                }
            }
        }
    }

    pub(super) fn provided(&mut self, type_name: &str, (subgraph, depth): (SubgraphId, usize)) -> Option<FieldSet> {
        let depth = depth.checked_sub(1)?;
        let graph = &self.schema.graph;
        let definition = graph.types.get(type_name)?;
        match &definition.kind {
            Kind::Interface(interface) if !interface.object_in.is_empty() => None,
            Kind::Interface(_) | Kind::Union(_) => {
                let members = graph.objects(type_name).into_iter();
                let here = members.filter(|member| is_member(graph, type_name, member, subgraph));
                let here: Vec<String> = here.map(str::to_owned).collect();
                if here.is_empty() {
                    return None;
                }
                let member = self.dice.pick(&here).clone();
                let below = self.provided(&member, (subgraph, depth))?;
                Some(vec![Selected::On(member, below)])
            }
            Kind::Entity(_) | Kind::Value { .. } => {
                let is_value = matches!(definition.kind, Kind::Value { .. });
                let candidates = definition.fields.iter().filter(|(name, field)| {
                    let is_elsewhere = !field.places.is_empty()
                        && field.places.iter().all(|place| {
                            place.subgraph != subgraph && place.overrides.is_none() && place.provides.is_empty()
                        });
                    (is_elsewhere && !self.is_key_field(type_name, name))
                        || (is_value && graph.is_composite(field.ty.base()))
                });
                let mut candidates: Vec<String> = candidates.map(|(name, _)| name.clone()).collect();
                self.dice.shuffle(&mut candidates);
                for name in candidates {
                    let field = &self.schema.graph.types[type_name].fields[&name];
                    // Field sets of this directive have no arguments.
                    if !field.arguments.is_empty() {
                        continue;
                    }
                    let base = field.ty.base().to_owned();
                    let below = match self.schema.graph.is_composite(&base) {
                        true if is_value => self.provided(&base, (subgraph, depth)),
                        true => self.provided_or_owned(&base, (subgraph, depth)),
                        false => Some(Vec::new()),
                    };
                    if let Some(below) = below {
                        return Some(vec![Selected::field(&name, below)]);
                    }
                }
                None
            }
            _ => None,
        }
    }

    /// Below a provided field: what is provided there as well, or what is there anyway.
    pub(super) fn provided_or_owned(
        &mut self,
        type_name: &str,
        (subgraph, depth): (SubgraphId, usize),
    ) -> Option<FieldSet> {
        if let Some(provided) = self.provided(type_name, (subgraph, depth)) {
            return Some(provided);
        }
        let graph = &self.schema.graph;
        if graph.entity(type_name).is_some() {
            return None;
        }
        let fields = graph.types.get(type_name)?.fields.iter();
        let mut leaves = fields.filter(|(_, field)| !graph.is_composite(field.ty.base()) && field.arguments.is_empty());
        let is_value = matches!(graph.types[type_name].kind, Kind::Value { .. });
        leaves
            .next()
            .filter(|_| is_value)
            .map(|(name, _)| vec![Selected::field(name, Vec::new())])
    }
}
