//! Field sharing: a field that several subgraphs resolve must be `@shareable` in all of them.

use super::Merger;
use super::fields::FieldMerge;
use crate::error::ErrorCode;
use crate::field_set::Coordinate;

impl<'a> Merger<'a> {
    pub(super) fn check_sharing(&mut self, field: &FieldMerge<'_, 'a>) {
        let mut resolving: Vec<(usize, bool)> = Vec::new();
        for (index, _) in &field.sources {
            if !field.overrides.is_overridden(*index) {
                self.categorise(*index, &field.coordinate, &mut resolving);
            }
        }
        if self.interfaces.contains_key(&field.coordinate.0) {
            let others = (0..self.subgraphs.len()).filter(|index| {
                let is_source = field.sources.iter().any(|(own, _)| own == index);
                !is_source && !field.overrides.is_overridden(*index)
            });
            for index in others {
                for coordinate in self.interface_objects_with_field(&field.coordinate, index) {
                    self.categorise(index, &coordinate, &mut resolving);
                }
            }
            resolving.sort_unstable();
        }
        let not_shareable: Vec<usize> = resolving
            .iter()
            .filter(|(_, is_shareable)| !is_shareable)
            .map(|(index, _)| *index)
            .collect();
        if resolving.len() < 2 || not_shareable.is_empty() {
            return;
        }
        let all = self.name_subgraphs(resolving.iter().map(|(index, _)| *index));
        let missing = self.name_subgraphs(not_shareable.iter().copied());
        let message = format!(
            "`{}` is resolved by {all}, but is not `@shareable` in {missing}; mark it there, or resolve it in one subgraph only",
            field.place()
        );
        let spans: Vec<_> = field
            .sources
            .iter()
            .map(|(index, source)| (*index, source.location()))
            .collect();
        self.error(ErrorCode::InvalidFieldSharing, message, spans);
    }

    fn categorise(&self, index: usize, coordinate: &Coordinate, resolving: &mut Vec<(usize, bool)>) {
        let usage = &self.subgraphs[index].usage;
        if !usage.is_fully_external(coordinate) {
            resolving.push((index, usage.is_shareable(coordinate)));
        }
    }
}
