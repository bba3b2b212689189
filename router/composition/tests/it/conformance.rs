//! Agreement with Apollo's composition on cases that are kept outside of this repository (`CONFORMANCE_DIR`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use composition::{Composed, CompositionError, compose};
use federation::Subgraph;
use serde::Deserialize;

use crate::meaning;

/// How many cases must agree; raised with each step forward.
const FLOOR: Score = Score {
    cases: 697,
    ok: 693,
    codes: 691,
    api_schemas: 360,
    supergraphs: 360,
};

#[derive(Deserialize)]
struct Case {
    id: u32,
    name: String,
    subgraphs: Vec<CaseSubgraph>,
    expected: Expected,
}

#[derive(Deserialize)]
struct CaseSubgraph {
    name: String,
    sdl: String,
}

#[derive(Deserialize)]
struct Expected {
    ok: bool,
    codes: Vec<String>,
    api_schema: Option<String>,
    supergraph: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Score {
    cases: usize,
    ok: usize,
    codes: usize,
    api_schemas: usize,
    supergraphs: usize,
}

fn conformance_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("CONFORMANCE_DIR").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: CONFORMANCE_DIR is not set");
    }
    dir
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Details of what disagrees go to standard error when `CONFORMANCE_VERBOSE` is set.
fn say(line: impl FnOnce() -> String) {
    if std::env::var_os("CONFORMANCE_VERBOSE").is_some() {
        eprintln!("{}", line());
    }
}

#[test]
fn composition_cases_agree() {
    let Some(dir) = conformance_dir() else { return };
    let mut score = Score::default();
    for line in read(&dir.join("composition/cases.jsonl")).lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let subgraphs: Vec<_> = case.subgraphs.iter().map(subgraph).collect();
        check_case(&case, &compose(&subgraphs), &mut score);
    }
    eprintln!(
        "composition: {} cases; {} agree on ok, {} have the same codes, {} the same API schema, {} the same supergraph",
        score.cases, score.ok, score.codes, score.api_schemas, score.supergraphs
    );
    assert!(
        score.ok >= FLOOR.ok && score.codes >= FLOOR.codes,
        "{score:?} is below {FLOOR:?}"
    );
    assert!(score.api_schemas >= FLOOR.api_schemas, "{score:?} is below {FLOOR:?}");
    assert!(score.supergraphs >= FLOOR.supergraphs, "{score:?} is below {FLOOR:?}");
}

fn subgraph(case: &CaseSubgraph) -> Subgraph {
    Subgraph {
        name: case.name.clone(),
        routing_url: String::new(),
        sdl: case.sdl.clone(),
    }
}

fn check_case(case: &Case, composed: &Result<Composed, Vec<CompositionError>>, score: &mut Score) {
    score.cases += 1;
    let label = || format!("{} ({})", case.id, case.name.replace('\n', " "));
    let codes: BTreeSet<&str> = match composed {
        Ok(_) => BTreeSet::new(),
        Err(errors) => errors.iter().map(|error| error.code.as_str()).collect(),
    };
    let expected: BTreeSet<&str> = case.expected.codes.iter().map(String::as_str).collect();
    if composed.is_ok() == case.expected.ok {
        score.ok += 1;
        if codes == expected {
            score.codes += 1;
        } else {
            say(|| format!("CODES {}: {codes:?} instead of {expected:?}", label()));
        }
    } else {
        say(|| format!("OK {}: {codes:?} instead of {expected:?}", label()));
        if let Err(errors) = composed {
            errors.iter().take(3).for_each(|error| say(|| format!("    {error}")));
        }
    }
    let (Ok(composed), Some(api_schema), Some(supergraph)) =
        (composed, &case.expected.api_schema, &case.expected.supergraph)
    else {
        return;
    };
    let ours = meaning::of_api_schema(&composed.api_schema_sdl).expect("our API schema parses");
    match meaning::of_api_schema(api_schema) {
        Ok(theirs) if ours == theirs => score.api_schemas += 1,
        Ok(theirs) => say(|| format!("API {}\n{}", label(), meaning::difference(&ours, &theirs))),
        Err(error) => say(|| format!("API {}: {error}", label())),
    }
    let ours = meaning::of_supergraph(&composed.supergraph_sdl).expect("our supergraph parses");
    match meaning::of_supergraph(supergraph) {
        Ok(theirs) if ours == theirs => score.supergraphs += 1,
        Ok(theirs) => say(|| format!("SUPERGRAPH {}\n{}", label(), meaning::difference(&ours, &theirs))),
        Err(error) => say(|| format!("SUPERGRAPH {}: {error}", label())),
    }
}

#[derive(Deserialize)]
struct AuditSubgraph {
    name: String,
    url: String,
    sdl_file: String,
}

#[test]
fn audit_suites_agree() {
    let Some(dir) = conformance_dir() else { return };
    let mut failed = Vec::new();
    let mut suites: Vec<_> = std::fs::read_dir(dir.join("audit"))
        .expect("the folder audit")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    suites.sort();
    for suite in &suites {
        if let Err(difference) = check_audit_suite(suite) {
            failed.push(format!("{}:\n{difference}", suite.display()));
        }
    }
    eprintln!(
        "audit: {} of {} suites have the same supergraph and API schema",
        suites.len() - failed.len(),
        suites.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn check_audit_suite(suite: &Path) -> Result<(), String> {
    let subgraphs: Vec<AuditSubgraph> =
        serde_json::from_str(&read(&suite.join("subgraphs.json"))).expect("subgraphs.json");
    let subgraphs: Vec<_> = subgraphs
        .into_iter()
        .map(|own| Subgraph {
            sdl: read(&suite.join(&own.sdl_file)),
            name: own.name,
            routing_url: own.url,
        })
        .collect();
    let composed =
        compose(&subgraphs).map_err(|errors| errors.iter().map(|error| format!("{error}\n")).collect::<String>())?;
    let same = |ours: BTreeSet<String>, theirs: BTreeSet<String>| match ours == theirs {
        true => Ok(()),
        false => Err(meaning::difference(&ours, &theirs)),
    };
    same(
        meaning::of_supergraph(&composed.supergraph_sdl)?,
        meaning::of_supergraph(&read(&suite.join("supergraph.graphql")))?,
    )?;
    same(
        meaning::of_api_schema(&composed.api_schema_sdl)?,
        meaning::of_api_schema(&read(&suite.join("api_schema.graphql")))?,
    )
}
