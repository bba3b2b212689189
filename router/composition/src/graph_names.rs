//! Names of subgraphs: checked, sorted, and turned into values of the enum `join__Graph`.

use std::collections::HashSet;

use apollo_compiler::Name;
use federation::Subgraph;

use crate::error::{CompositionError, ErrorCode};

/// Subgraphs sorted by name, each with its value of `join__Graph`.
///
/// # Errors
/// No subgraph, a reserved name, or a name used twice.
pub(crate) fn check_and_name(subgraphs: &[Subgraph]) -> Result<Vec<(&Subgraph, Name)>, Vec<CompositionError>> {
    let mut sorted: Vec<&Subgraph> = subgraphs.iter().collect();
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    let errors = faults(&sorted);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut taken = HashSet::new();
    let named = sorted.into_iter().map(|subgraph| {
        let plain = enum_value(&subgraph.name);
        let mut candidate = plain.clone();
        let mut number = 0;
        while !taken.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{plain}_{number}");
        }
        (subgraph, Name::new_unchecked(&candidate))
    });
    Ok(named.collect())
}

fn faults(sorted: &[&Subgraph]) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    if sorted.is_empty() {
        errors.push(CompositionError::new(
            ErrorCode::NoQueries,
            "there is no subgraph to compose; give at least one",
        ));
    }
    for subgraph in sorted {
        if subgraph.name.trim().is_empty() || subgraph.name == "_" {
            let message = format!(
                "`{}` cannot be the name of a subgraph; use letters, digits and `-`",
                subgraph.name
            );
            errors.push(CompositionError::new(ErrorCode::InvalidSubgraphName, message));
        }
    }
    for pair in sorted.windows(2).filter(|pair| pair[0].name == pair[1].name) {
        let message = format!(
            "two subgraphs are called `{}`, but names must be unique; rename one of them",
            pair[0].name
        );
        errors.push(CompositionError::new(ErrorCode::InvalidSubgraphName, message));
    }
    errors
}

/// Upper case, with `_` for what a GraphQL name cannot hold. A name that ends like a numbered one gets another `_`, so
/// that it cannot meet the number given to a name used twice.
fn enum_value(name: &str) -> String {
    let mut value: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    if value.starts_with(|first: char| first.is_ascii_digit()) {
        value.insert(0, '_');
    }
    let ends_in_number = value
        .trim_end_matches(|last: char| last.is_ascii_digit())
        .ends_with('_')
        && !value.ends_with('_');
    if ends_in_number {
        value.push('_');
    }
    value
}
