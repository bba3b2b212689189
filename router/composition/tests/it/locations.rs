//! Every error says where: in each subgraph that it is about, at a place that is there.

use std::collections::BTreeSet;
use std::path::Path;

use composition::{CompositionError, compose};
use federation::Subgraph;

use crate::{conformance, fixtures};

/// Codes of errors that are about no place: nothing is written anywhere of what is missing, or of a subgraph's name.
const WITHOUT_PLACE: [&str; 2] = ["NO_QUERIES", "INVALID_SUBGRAPH_NAME"];

#[test]
fn errors_of_fixtures_have_their_places() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut faults = Vec::new();
    for feature in fixtures::features(&root) {
        check(
            &feature.display().to_string(),
            &fixtures::subgraphs(&feature),
            &mut faults,
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn errors_of_conformance_cases_have_their_places() {
    let Some(dir) = conformance::conformance_dir() else {
        return;
    };
    let mut faults = Vec::new();
    for case in conformance::composition_cases(&dir) {
        check(&case.label(), &case.subgraphs(), &mut faults);
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn check(label: &str, subgraphs: &[Subgraph], faults: &mut Vec<String>) {
    for error in compose(subgraphs).err().into_iter().flatten() {
        if let Some(fault) = fault(&error, subgraphs) {
            faults.push(format!("{label}: {fault}\n    {error}"));
        }
    }
}

/// Every error has some place, unless there is none.
pub(crate) fn assert_placed(error: &CompositionError, subgraphs: &[Subgraph]) {
    assert!(
        !error.locations.is_empty() || is_placeless(error, subgraphs),
        "no place for {error}"
    );
}

/// Whether an error is about no place, by its code or because a subgraph has nothing in it.
fn is_placeless(error: &CompositionError, subgraphs: &[Subgraph]) -> bool {
    let is_empty = |subgraph: &Subgraph| {
        let mut lines = subgraph.sdl.lines().map(str::trim_start);
        lines.all(|line| line.is_empty() || line.starts_with('#'))
    };
    WITHOUT_PLACE.contains(&error.code.as_str()) || subgraphs.iter().any(is_empty)
}

fn fault(error: &CompositionError, subgraphs: &[Subgraph]) -> Option<String> {
    if error.locations.is_empty() {
        return (!is_placeless(error, subgraphs)).then(|| "no place".to_owned());
    }
    for location in &error.locations {
        let Some(subgraph) = subgraphs.iter().find(|subgraph| subgraph.name == location.subgraph) else {
            return Some(format!("a place in `{}`, which does not exist", location.subgraph));
        };
        let line = subgraph.sdl.lines().nth(location.line as usize - 1).unwrap_or_default();
        let is_inside = (1..=line.chars().count() + 1).contains(&(location.column as usize));
        if !is_inside {
            return Some(format!(
                "{}:{}:{} is not there",
                location.subgraph, location.line, location.column
            ));
        }
    }
    let placed: BTreeSet<&str> = error
        .locations
        .iter()
        .map(|location| location.subgraph.as_str())
        .collect();
    let named = subgraphs.iter().map(|subgraph| subgraph.name.as_str());
    let unplaced: Vec<_> = named
        .filter(|name| !placed.contains(name) && is_about(&error.message, name))
        .collect();
    (!unplaced.is_empty()).then(|| format!("no place in {}", unplaced.join(", ")))
}

/// Whether a message says something of a subgraph: `[name] ...`, or `` in `name` `` and the like.
fn is_about(message: &str, subgraph: &str) -> bool {
    let is_subgraph = |before: &str| {
        let word = before.trim_end().rsplit(' ').next().unwrap_or_default();
        matches!(word, "in" | "from" | "by" | "and" | "subgraph") || word.ends_with("`,")
    };
    let quoted = format!("`{subgraph}`");
    message.starts_with(&format!("[{subgraph}]"))
        || message
            .match_indices(&quoted)
            .any(|(at, _)| is_subgraph(&message[..at]))
}
