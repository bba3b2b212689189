//! Random `@requires`: leaves, with arguments, nested, of abstract types, and of fields that require something.

use super::*;

impl Dealer {
    pub(super) fn add_requires(&mut self) {
        self.choose_requiring();
        for name in self.schema.entities.clone() {
            let fields: Vec<String> = self.schema.graph.types[&name].fields.keys().cloned().collect();
            for (index, field) in fields.iter().enumerate() {
                let definition = &self.schema.graph.types[&name].fields[field];
                let [place] = definition.places.as_slice() else {
                    continue;
                };
                if !self.requiring.contains(&(name.clone(), field.clone())) {
                    continue;
                }
                let subgraph = place.subgraph;
                // What this one requires may require something itself, but only what stands before it: no circles.
                let candidates = fields[..index].iter().filter(|other| {
                    let places = &self.schema.graph.types[&name].fields[*other].places;
                    !places.is_empty()
                        && places
                            .iter()
                            .all(|place| place.subgraph != subgraph && place.overrides != Some(subgraph))
                });
                let mut candidates: Vec<String> = candidates.cloned().collect();
                self.dice.shuffle(&mut candidates);
                // Two fields that require a third one with different arguments cannot share a request.
                if self.dice.chance(50) {
                    let fields = &self.schema.graph.types[&name].fields;
                    candidates.sort_by_key(|other| fields[other].arguments.is_empty());
                }
                candidates.truncate(self.dice.between(1, 2));
                let requires: FieldSet = candidates
                    .iter()
                    .filter_map(|other| self.required(&name, other, (subgraph, 2)))
                    .collect();
                self.graph().types[&name].fields[field].places[0].requires = requires;
            }
        }
    }

    fn choose_requiring(&mut self) {
        for name in &self.schema.entities {
            for (field, definition) in &self.schema.graph.types[name].fields {
                if let [place] = definition.places.as_slice()
                    && place.overrides.is_none()
                    && self.dice.chance(35)
                {
                    self.requiring.push((name.clone(), field.clone()));
                }
            }
        }
    }

    /// * `(subgraph, depth)`: who requires it, and how deeply it may nest.
    pub(super) fn required(
        &mut self,
        type_name: &str,
        name: &str,
        (subgraph, depth): (SubgraphId, usize),
    ) -> Option<Selected> {
        let field = self.schema.graph.field(type_name, name)?.1.clone();
        let mut arguments = serde_json::Map::new();
        for (name, input) in &field.arguments {
            let is_plain = ["Int", "String", "Boolean", "Float", "ID"].contains(&input.ty.base());
            let is_needed = input.ty.is_non_null() && input.default.is_none();
            if is_plain && (is_needed || self.dice.chance(50)) {
                arguments.insert(
                    name.clone(),
                    input_value(&mut self.dice, &self.schema.graph, &input.ty, 1),
                );
            } else if is_needed {
                return None;
            }
        }
        let base = field.ty.base().to_owned();
        let mut below = Vec::new();
        if self.schema.graph.is_composite(&base) {
            below = self.required_below(&base, (subgraph, depth.checked_sub(1)?))?;
        }
        Some(Selected::Field {
            name: name.to_owned(),
            arguments,
            below,
        })
    }

    pub(super) fn required_below(
        &mut self,
        type_name: &str,
        (subgraph, depth): (SubgraphId, usize),
    ) -> Option<FieldSet> {
        if self.schema.graph.is_abstract(type_name) {
            return self.required_of_members(type_name, (subgraph, depth));
        }
        let fields = &self.schema.graph.types[type_name].fields;
        let is_simple = |field: &FieldDef| {
            field
                .places
                .iter()
                .all(|place| place.requires.is_empty() && place.overrides.is_none())
        };
        let mut names: Vec<String> = fields
            .iter()
            .filter(|(name, field)| {
                is_simple(field) && !self.requiring.contains(&(type_name.to_owned(), (*name).clone()))
            })
            .map(|(name, _)| name.clone())
            .collect();
        self.dice.shuffle(&mut names);
        let wanted = self.dice.between(1, 2);
        let selected = names
            .iter()
            .filter_map(|name| self.required(type_name, name, (subgraph, depth)));
        let selected: FieldSet = selected.take(wanted).collect();
        (!selected.is_empty()).then_some(selected)
    }

    /// Whoever requires something of an abstract type knows all of its members.
    pub(super) fn required_of_members(
        &mut self,
        type_name: &str,
        (subgraph, depth): (SubgraphId, usize),
    ) -> Option<FieldSet> {
        let members = self.members(type_name);
        let is_object = self
            .schema
            .graph
            .interface(type_name)
            .is_some_and(|interface| !interface.object_in.is_empty());
        if is_object {
            return None;
        }
        let mut selected = FieldSet::new();
        let first = self.schema.graph.types[type_name].fields.keys().next().cloned();
        let first = first.filter(|_| self.dice.chance(50)).filter(|first| {
            let fields = members
                .iter()
                .filter_map(|member| self.schema.graph.types[member].fields.get(first));
            let is_requiring = |member: &String| self.requiring.contains(&(member.clone(), first.clone()));
            !members.iter().any(is_requiring)
                && fields
                    .flat_map(|field| &field.places)
                    .all(|place| place.requires.is_empty() && place.overrides.is_none())
        });
        if let Some(first) = first {
            selected.push(Selected::field(&first, Vec::new()));
        } else {
            for member in &members {
                if let Some(below) = self.required_below(member, (subgraph, depth)) {
                    selected.push(Selected::On(member.clone(), below));
                }
            }
        }
        for member in &members {
            self.set_member(type_name, member, |known| known.insert(subgraph));
        }
        (!selected.is_empty()).then_some(selected)
    }
}
