//! Why each request exists, for people.

use federation::supergraph::{SubgraphId, TypeId};

use super::Fetches;
use crate::selection::Item;

/// Why a field is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The operation, or a field set around it, selects it.
    Own,
    /// It is resolved with what it requires.
    Requiring,
    /// It is resolved with arguments from a context.
    TakingContext,
    /// A key or a `@requires` needs it.
    Input,
}

impl Fetches<'_, '_> {
    /// Notes why a request exists: for its first few fields; people see the others in the request.
    pub(super) fn add_reason(&mut self, group: usize, type_id: TypeId, item: &Item, purpose: Purpose) {
        const REASONS_MAX: usize = 3;
        if self.groups[group].reasons.len() >= REASONS_MAX {
            return;
        }
        let definition = self.search.sets.field(type_id, &item.field);
        let joins = definition.map_or(&[][..], |field| field.joins.as_slice());
        let subgraph: SubgraphId = self.groups[group].slot.subgraph;
        let resolves = joins.iter().any(|join| join.subgraph == subgraph && !join.is_external);
        let is_only = joins.iter().filter(|join| !join.is_external).count() == 1;
        let name = &self.search.supergraph.subgraph(subgraph).name;
        let coordinate = format!(
            "{}.{}",
            self.search.supergraph.type_definition(type_id).name,
            item.field
        );
        let is_known_here = joins.iter().any(|join| join.subgraph == subgraph);
        let reason = match purpose {
            Purpose::Input => format!("{coordinate} is sent to another subgraph"),
            Purpose::Requiring => format!("{coordinate} requires fields of other subgraphs"),
            Purpose::TakingContext => format!("{coordinate} takes an argument from an object above"),
            Purpose::Own if resolves && is_only => format!("{coordinate} is resolved only in {name}"),
            Purpose::Own if resolves => format!("{coordinate} is resolved in {name}, among others"),
            Purpose::Own if is_known_here => format!("{coordinate} is provided by {name} on this path"),
            Purpose::Own => format!("{coordinate} is resolved by {name} for an interface"),
        };
        self.add_reason_text(group, reason);
    }

    pub(super) fn add_reason_text(&mut self, group: usize, reason: String) {
        let reasons = &mut self.groups[group].reasons;
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
}
