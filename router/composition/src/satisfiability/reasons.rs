//! Why a field cannot be fetched, subgraph by subgraph.

use super::positions::{Position, Positions};
use crate::field_set::Coordinate;
use crate::field_usage::fields_of;

impl Positions<'_> {
    /// One sentence per subgraph that has the field, and one for those that have it not.
    pub(super) fn reasons(&mut self, coordinate: &Coordinate, reached: &[Position]) -> Vec<String> {
        let mut reasons = Vec::new();
        for index in 0..self.subgraphs.len() {
            for type_name in self.entry_types(index, &coordinate.0) {
                let subgraph = &self.subgraphs[index];
                let fields = subgraph.schema.types.get(&type_name).and_then(fields_of);
                if !fields.is_some_and(|fields| fields.contains_key(&coordinate.1)) {
                    continue;
                }
                let candidate = Position::new(index, type_name);
                let is_reached = reached
                    .iter()
                    .any(|position| position.subgraph == index && position.type_name == candidate.type_name);
                reasons.push(match is_reached {
                    true => self.why_not_resolved(&candidate, coordinate),
                    false => self.why_not_reached(&candidate, coordinate, reached),
                });
            }
        }
        let here: Vec<_> = reached
            .iter()
            .filter(|position| {
                let fields = self.subgraphs[position.subgraph]
                    .schema
                    .types
                    .get(&position.type_name)
                    .and_then(fields_of);
                !fields.is_some_and(|fields| fields.contains_key(&coordinate.1))
            })
            .map(|position| format!("`{}`", self.subgraphs[position.subgraph].name))
            .collect();
        if !here.is_empty() {
            reasons.push(format!(
                "{}, where the object comes from, does not have the field",
                here.join(" and ")
            ));
        }
        reasons
    }

    fn why_not_resolved(&self, position: &Position, coordinate: &Coordinate) -> String {
        let subgraph = &self.subgraphs[position.subgraph];
        let own = (position.type_name.clone(), coordinate.1.clone());
        if subgraph.usage.is_external(&own) {
            return format!("in `{}` it is `@external`", subgraph.name);
        }
        match subgraph
            .usage
            .requires(&own)
            .and_then(|applied| applied.text.as_deref())
        {
            Some(fields) => format!(
                "`{}` requires `{fields}`, which cannot be fetched for it",
                subgraph.name
            ),
            None => format!("in `{}` it is overridden", subgraph.name),
        }
    }

    fn why_not_reached(&mut self, candidate: &Position, coordinate: &Coordinate, reached: &[Position]) -> String {
        let name = self.subgraphs[candidate.subgraph].name.clone();
        let keys = self.resolvable_keys(candidate);
        if keys.is_empty() {
            return format!(
                "`{name}` resolves it, but `{}` has no resolvable `@key` there",
                candidate.type_name
            );
        }
        let texts: Vec<_> = keys
            .iter()
            .filter(|key| !self.has_key(&coordinate.0, reached, key))
            .map(|key| format!("`{}`", key.text.as_deref().unwrap_or_default()))
            .collect();
        format!(
            "`{name}` resolves it, but its key {} cannot be had from where the object is known",
            texts.join(" or ")
        )
    }
}
