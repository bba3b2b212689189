//! Runtime types of shared fields: whichever subgraph is asked, objects of the same types should come.
//!
//! Only the walk knows which subgraphs can resolve a field at one place of a query. Types that subgraphs define but no
//! query meets together may differ.

use federation::query_graph::{FieldEdge, QueryGraph};
use federation::supergraph::{JoinedTypes, SubgraphId, TypeId};

/// Most types that are named for each subgraph.
const NAMES_MAX: usize = 5;

/// Subgraphs that resolve one field of an abstract type, and the types that each may give.
pub(super) struct RuntimeTypes<'a> {
    by_subgraph: Vec<(SubgraphId, &'a [TypeId])>,
}

impl<'a> RuntimeTypes<'a> {
    /// `None` when all give the same, so that there is nothing to say.
    ///
    /// Fields that move by label are left out, since no two subgraphs resolve them at a time; so are interface objects,
    /// which do not know types.
    pub(super) fn that_differ(graph: &'a QueryGraph, edges: &[&'a FieldEdge]) -> Option<Self> {
        let mut by_subgraph: Vec<(SubgraphId, &[TypeId])> = Vec::new();
        for edge in edges.iter().filter(|edge| edge.override_label.is_none()) {
            let Some(target) = edge.target else { continue };
            let node = graph.node(target);
            let is_known = by_subgraph.iter().any(|(known, _)| *known == node.subgraph);
            if !node.is_interface_object && !is_known {
                by_subgraph.push((node.subgraph, &node.possible_types));
            }
        }
        let (_, first) = by_subgraph.first()?;
        let differ = by_subgraph.iter().any(|(_, types)| types != first);
        differ.then_some(Self { by_subgraph })
    }

    /// Whether some type may come from all of them.
    pub(super) fn have_one_in_common(&self) -> bool {
        let Some(((_, first), others)) = self.by_subgraph.split_first() else {
            return false;
        };
        let mut candidates = first.iter();
        candidates.any(|candidate| others.iter().all(|(_, types)| types.binary_search(candidate).is_ok()))
    }

    /// `` `Book` in `media`, `Film` and 3 more in `films` ``
    pub(super) fn describe(&self, joined_types: &JoinedTypes) -> String {
        let described = self.by_subgraph.iter().map(|(subgraph, types)| {
            let names = types.iter().take(NAMES_MAX);
            let names: Vec<String> = names
                .map(|id| format!("`{}`", joined_types.type_definition(*id).name))
                .collect();
            let names = match (names.is_empty(), types.len().saturating_sub(NAMES_MAX)) {
                (true, _) => "no type".to_owned(),
                (false, 0) => names.join(", "),
                (false, more) => format!("{} and {more} more", names.join(", ")),
            };
            format!("{names} in `{}`", joined_types.subgraph(*subgraph).name)
        });
        described.collect::<Vec<_>>().join("; ")
    }
}
