//! Checks one subgraph against the rules of federation, before any other subgraph is looked at.
//!
//! In: a [`SubgraphSchema`] of Federation 2. Out: a [`ValidSubgraph`], or everything that is wrong with it. Rules that
//! concern several subgraphs are checked where they are merged.

mod access;
mod cache_tag;
mod context;
mod cost;
mod external;
mod field_sets;
mod interfaces;
mod machinery;
mod shareable;

pub(crate) use access::ACCESS_DIRECTIVES;
pub(crate) use context::ContextArgument;

use std::ops::Deref;

use apollo_compiler::Name;

use crate::error::CompositionError;
use crate::field_set::Coordinate;
use crate::field_usage::FieldUsage;
use crate::subgraph::SubgraphSchema;

/// A subgraph that can be merged.
#[derive(Debug)]
pub(crate) struct ValidSubgraph {
    pub(crate) subgraph: SubgraphSchema,
    pub(crate) usage: FieldUsage,
    /// Arguments that are filled from a context, by field.
    pub(crate) context_arguments: Vec<(Coordinate, Vec<ContextArgument>)>,
    /// Value of the enum `join__Graph` that stands for this subgraph.
    pub(crate) graph: Name,
}

impl Deref for ValidSubgraph {
    type Target = SubgraphSchema;

    fn deref(&self) -> &SubgraphSchema {
        &self.subgraph
    }
}

/// Checks one subgraph; `graph` is its name in `join__Graph`.
pub(crate) fn validate(subgraph: SubgraphSchema, graph: Name) -> Result<ValidSubgraph, Vec<CompositionError>> {
    let mut usage = FieldUsage::of(&subgraph);
    let (context_arguments, mut errors) = context::check(&subgraph, &mut usage);
    let rules = Rules {
        subgraph: &subgraph,
        usage: &usage,
    };
    errors.extend(field_sets::check(&rules));
    errors.extend(external::check(&rules));
    errors.extend(interfaces::check(&rules));
    errors.extend(shareable::check(&rules));
    errors.extend(machinery::check(&rules));
    errors.extend(cost::check(&subgraph));
    errors.extend(access::check(&subgraph));
    errors.extend(cache_tag::check(&rules));
    if errors.is_empty() {
        Ok(ValidSubgraph {
            subgraph,
            usage,
            context_arguments,
            graph,
        })
    } else {
        Err(errors)
    }
}

/// What every rule looks at.
struct Rules<'a> {
    subgraph: &'a SubgraphSchema,
    usage: &'a FieldUsage,
}
