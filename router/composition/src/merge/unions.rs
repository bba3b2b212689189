//! Unions: all members of all subgraphs.

use apollo_compiler::schema::{ComponentName, ExtendedType, UnionType};
use apollo_compiler::{Name, Node};

use super::implementations::unplaced;
use super::{Merger, Sources, components};
use crate::error::HintCode;

impl<'a> Merger<'a> {
    pub(super) fn merge_union(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) -> Option<ExtendedType> {
        let (description, mut directives) = self.merge_type_head(name, sources);
        let members = self.members.get(name).cloned().unwrap_or_default();
        for member in &members {
            let (with, without): (Vec<_>, Vec<_>) = sources.iter().partition(|(_, definition)| {
                definition
                    .as_union()
                    .is_some_and(|union| union.members.contains(member.as_str()))
            });
            directives.extend(with.iter().map(|(index, _)| self.join_union_member(*index, member)));
            if !without.is_empty() {
                let missing = self.name_subgraphs(without.iter().map(|(index, _)| *index));
                let message = format!("`{member}` is not a member of union `{name}` in {missing}");
                let spans: Vec<_> = without
                    .iter()
                    .map(|(index, source)| (*index, source.location()))
                    .collect();
                self.hint(HintCode::InconsistentUnionMember, message, spans);
            }
        }
        Some(ExtendedType::Union(Node::new(UnionType {
            description,
            name: unplaced(name),
            directives: components(directives),
            members: members
                .iter()
                .map(|member| ComponentName::from(unplaced(member)))
                .collect(),
        })))
    }
}
