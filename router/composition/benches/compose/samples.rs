//! Small real inputs: the fixtures of this repository, and the conformance cases when they are there.

use std::path::{Path, PathBuf};

use federation::Subgraph;
use serde::Deserialize;

/// Subgraphs to compose, and what to call them.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) subgraphs: Vec<Subgraph>,
}

/// `router/fixtures/<feature>/subgraphs/*.graphql`, also those that do not compose.
pub(crate) fn fixtures() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let features = sorted_entries(&root)
        .into_iter()
        .filter(|path| path.join("subgraphs").is_dir());
    let sample = |feature: PathBuf| Sample {
        name: file_stem(&feature),
        subgraphs: sorted_entries(&feature.join("subgraphs"))
            .iter()
            .map(|path| Subgraph {
                name: file_stem(path),
                routing_url: String::new(),
                sdl: std::fs::read_to_string(path).expect("a fixture is text"),
            })
            .collect(),
    };
    features.map(sample).collect()
}

#[derive(Deserialize)]
struct Case {
    id: u32,
    subgraphs: Vec<CaseSubgraph>,
}

#[derive(Deserialize)]
struct CaseSubgraph {
    name: String,
    sdl: String,
}

/// The cases of `composition/cases.jsonl`; none without `CONFORMANCE_DIR`.
pub(crate) fn conformance_cases() -> Vec<Sample> {
    let Some(dir) = std::env::var_os("CONFORMANCE_DIR").map(PathBuf::from) else {
        return Vec::new();
    };
    let lines = std::fs::read_to_string(dir.join("composition/cases.jsonl")).expect("the conformance cases");
    let sample = |line: &str| {
        let case: Case = serde_json::from_str(line).expect("a line is a case");
        let subgraphs = case.subgraphs.into_iter().map(|own| Subgraph {
            name: own.name,
            routing_url: String::new(),
            sdl: own.sdl,
        });
        Sample {
            name: format!("case {}", case.id),
            subgraphs: subgraphs.collect(),
        }
    };
    lines.lines().map(sample).collect()
}

fn file_stem(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}
