//! Composes Apollo Federation subgraphs into a supergraph.
//!
//! [`compose`] takes the SDL of every subgraph, Federation 1 or 2, and gives the supergraph SDL (join v0.5, link
//! v1.0), the API schema and hints, or every reason why the subgraphs do not fit together. Stages hand on distinct types:
//!
//! ```text
//! Subgraph --load--> SubgraphSchema --upgrade, validate--> ValidSubgraph --merge--> Merged --rules--> Composed
//! ```
//!
//! A large graph is loaded, checked and merged on all cores; then the API schema is made, and all is printed, beside the
//! last of the rules. `cargo bench -p composition` says how long that takes.
//!
//! The last of the rules, `satisfiability`, walks the query graph of `federation`, which the planner walks as well.
//!
//! Pure: reads no files and asks no server.

mod access;
mod alternatives;
mod error;
mod federation_spec;
mod field_set;
mod field_usage;
mod graph_names;
mod inaccessible;
mod link;
mod merge;
mod satisfiability;
mod sdl;
mod subgraph;
mod supergraph_rules;
mod upgrade;
mod validate;

use federation::api_schema::ApiSchema;
use federation::supergraph::{JoinedTypes, SupergraphError};
use federation::{Subgraph, parallel};

pub use error::{CompositionError, ErrorCode, Hint, HintCode, SourceLocation};

/// Size of all SDL from which on threads are worth starting, in bytes: below, composing takes about as long.
const PARALLEL_BYTES_MIN: usize = 100_000;

/// What composition gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The supergraph with join directives, as routers read it; types sorted by name.
    pub supergraph_sdl: String,
    /// What clients see.
    pub api_schema_sdl: String,
    /// Things worth knowing, in a stable order.
    pub hints: Vec<Hint>,
}

/// Composes `subgraphs`; their order does not matter.
///
/// # Errors
/// Every error of the first stage that finds any, in a stable order.
pub fn compose(subgraphs: &[Subgraph]) -> Result<Composed, Vec<CompositionError>> {
    let graphs = graph_names::check_and_name(subgraphs)?;
    let is_large = subgraphs.iter().map(|subgraph| subgraph.sdl.len()).sum::<usize>() > PARALLEL_BYTES_MIN;
    let loaded = parallel::map(
        is_large,
        graphs.iter().map(|(subgraph, _)| *subgraph).collect(),
        subgraph::load,
    );
    if loaded.iter().any(Result::is_err) {
        return Err(errors_of_subgraphs(loaded, graphs));
    }
    let upgraded = upgrade::upgrade(loaded.into_iter().flatten().collect())?;
    let upgraded = upgraded.into_iter().zip(graphs).collect();
    let valid = parallel::map(is_large, upgraded, |(loaded, (_, graph))| {
        validate::validate(loaded, graph)
    });
    let valid = each(valid.into_iter())?;
    let merged = merge::merge(&valid)?;
    supergraph_rules::check(&merged, &valid)?;
    let print = || (merged.schema.to_string(), ApiSchema::from_supergraph(&merged.schema));
    let check = || -> Result<(JoinedTypes, Vec<Hint>), Vec<CompositionError>> {
        let joined_types = JoinedTypes::from_schema(&merged.schema).map_err(|error| invalid(&error))?;
        let hints = satisfiability::check(&joined_types, &merged.schema, &valid)?;
        Ok((joined_types, hints))
    };
    let ((supergraph_sdl, api_schema), checked) = parallel::both(is_large, print, check);
    let api_schema = api_schema.map_err(|error| invalid(&error.into()))?;
    let (joined_types, hints) = checked?;
    let composed = Composed {
        supergraph_sdl,
        api_schema_sdl: api_schema.sdl().to_owned(),
        hints: merged.hints.into_iter().chain(hints).collect(),
    };
    // Freeing what is large takes longer than printing it.
    let merged = (merged.schema, api_schema);
    parallel::both(is_large, move || drop(merged), move || drop((joined_types, valid)));
    Ok(composed)
}

fn invalid(error: &SupergraphError) -> Vec<CompositionError> {
    vec![CompositionError::new(ErrorCode::InvalidGraphql, error.to_string())]
}

/// Everything that is wrong with single subgraphs when one of them cannot even be read. Those of Federation 1 are not
/// looked at further: what they mean depends on the others.
fn errors_of_subgraphs(
    loaded: Vec<Result<subgraph::SubgraphSchema, Vec<CompositionError>>>,
    graphs: Vec<(&Subgraph, apollo_compiler::Name)>,
) -> Vec<CompositionError> {
    let checked = loaded.into_iter().zip(graphs).map(|(loaded, (_, graph))| match loaded {
        Ok(subgraph) if subgraph.is_federation_2() => validate::validate(subgraph, graph).err().unwrap_or_default(),
        Ok(_) => Vec::new(),
        Err(errors) => errors,
    });
    checked.flatten().collect()
}

/// All results, or all errors.
fn each<T>(results: impl Iterator<Item = Result<T, Vec<CompositionError>>>) -> Result<Vec<T>, Vec<CompositionError>> {
    let mut values = Vec::new();
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}
