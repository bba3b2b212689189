//! Composes Apollo Federation subgraphs into a supergraph.
//!
//! [`compose`] takes the SDL of every subgraph, Federation 1 or 2, and gives the supergraph SDL (join v0.5, link
//! v1.0), the API schema and hints, or every reason why the subgraphs do not fit together. Stages hand on distinct types:
//!
//! ```text
//! Subgraph --load--> SubgraphSchema --upgrade, validate--> ValidSubgraph --merge--> Merged --rules--> Composed
//! ```
//!
//! Pure: reads no files and asks no server.

mod error;
mod federation_spec;
mod field_set;
mod field_usage;
mod graph_names;
mod inaccessible;
mod link;
mod merge;
mod satisfiability;
mod subgraph;
mod supergraph_rules;
mod upgrade;
mod validate;

use federation::{Subgraph, api_schema::ApiSchema};

pub use error::{CompositionError, ErrorCode, Hint, HintCode, SourceLocation};

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
    let loaded = each(graphs.iter().map(|(subgraph, _)| subgraph::load(subgraph)))?;
    let upgraded = upgrade::upgrade(loaded)?;
    let valid = each(
        upgraded
            .into_iter()
            .zip(graphs)
            .map(|(loaded, (_, graph))| validate::validate(loaded, graph)),
    )?;
    let merged = merge::merge(&valid)?;
    supergraph_rules::check(&merged, &valid)?;
    satisfiability::check(&merged, &valid)?;
    let api_schema = ApiSchema::from_supergraph(&merged.schema)
        .map_err(|error| vec![CompositionError::new(ErrorCode::InvalidGraphql, error.to_string())])?;
    Ok(Composed {
        supergraph_sdl: merged.schema.to_string(),
        api_schema_sdl: api_schema.sdl().to_owned(),
        hints: merged.hints,
    })
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
