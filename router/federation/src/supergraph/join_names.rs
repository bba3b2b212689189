//! What the elements of the join specification are called in a supergraph: `@join__type`, unless `@link` renames them.

use apollo_compiler::Name;

use crate::link::Links;

pub(super) struct JoinNames {
    /// The enum of subgraphs.
    pub(super) graph_enum: Name,
    pub(super) graph_directive: Name,
    pub(super) owner_directive: Name,
    pub(super) type_directive: Name,
    pub(super) field_directive: Name,
    pub(super) implements_directive: Name,
    pub(super) union_member_directive: Name,
}

impl JoinNames {
    pub(super) fn of(links: &Links) -> Self {
        let name = |element| links.element_name("join", element);
        Self {
            graph_enum: name("Graph"),
            graph_directive: name("@graph"),
            owner_directive: name("@owner"),
            type_directive: name("@type"),
            field_directive: name("@field"),
            implements_directive: name("@implements"),
            union_member_directive: name("@unionMember"),
        }
    }
}
