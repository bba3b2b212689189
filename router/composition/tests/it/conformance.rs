//! Agreement with Apollo's composition on cases that are kept outside of this repository (`CONFORMANCE_DIR`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use composition::{Composed, CompositionError, compose};
use federation::Subgraph;
use serde::Deserialize;

use crate::meaning;

/// What is compared of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Aspect {
    /// Whether the subgraphs compose.
    Ok,
    /// The set of error codes.
    Codes,
    /// The set of hint codes.
    Hints,
    ApiSchema,
    Supergraph,
}

/// Cases in which we differ on purpose, each with the reason; everything else must agree.
const EXCEPTIONS: &[(u32, &[Aspect], &str)] = &[
    (
        429,
        &[Aspect::Ok],
        "disputed: an optional argument that one subgraph lacks is left out of the supergraph (composition rules, \
         arguments), and so is its name in `@listSize(slicingArguments:)`; the reference fails on that name without a code",
    ),
    (624, &[Aspect::Codes], WITHOUT_CODE),
    (631, &[Aspect::Codes], WITHOUT_CODE),
];

const WITHOUT_CODE: &str = "refused by both; the reference's error has no code, ours is DIRECTIVE_COMPOSITION_ERROR";

#[derive(Deserialize)]
pub(crate) struct Case {
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
    hints: Vec<String>,
    api_schema: Option<String>,
    supergraph: Option<String>,
}

pub(crate) fn conformance_dir() -> Option<PathBuf> {
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

/// Of how many cases each aspect could be compared, and in how many it was the same.
#[derive(Default)]
struct Score {
    compared: Vec<(u32, Aspect)>,
    different: Vec<(u32, Aspect)>,
}

impl Score {
    fn note(&mut self, case: &Case, aspect: Aspect, difference: Option<String>) {
        self.compared.push((case.id, aspect));
        if let Some(difference) = difference {
            self.different.push((case.id, aspect));
            say(|| format!("{aspect:?} {}: {difference}", case.label()));
        }
    }

    fn describe(&self, aspect: Aspect) -> String {
        let count = |all: &[(u32, Aspect)]| all.iter().filter(|(_, own)| *own == aspect).count();
        let compared = count(&self.compared);
        format!("{aspect:?} {} of {compared}", compared - count(&self.different))
    }
}

#[test]
fn composition_cases_agree() {
    let Some(dir) = conformance_dir() else { return };
    let mut score = Score::default();
    for case in composition_cases(&dir) {
        check_case(&case, &compose(&case.subgraphs()), &mut score);
    }
    let aspects = [
        Aspect::Ok,
        Aspect::Codes,
        Aspect::Hints,
        Aspect::ApiSchema,
        Aspect::Supergraph,
    ];
    let described: Vec<_> = aspects.iter().map(|aspect| score.describe(*aspect)).collect();
    eprintln!("composition cases that agree: {}", described.join(", "));
    let excepted: BTreeSet<_> = EXCEPTIONS
        .iter()
        .flat_map(|(id, aspects, _)| aspects.iter().map(|aspect| (*id, format!("{aspect:?}"))))
        .collect();
    let different: BTreeSet<_> = score
        .different
        .iter()
        .map(|(id, aspect)| (*id, format!("{aspect:?}")))
        .collect();
    assert_eq!(
        different, excepted,
        "what differs (left) is not what is known to differ (right)"
    );
}

pub(crate) fn composition_cases(dir: &Path) -> Vec<Case> {
    let text = read(&dir.join("composition/cases.jsonl"));
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a case"))
        .collect()
}

impl Case {
    /// Number and name, on one line.
    pub(crate) fn label(&self) -> String {
        format!("{} ({})", self.id, self.name.replace('\n', " "))
    }

    pub(crate) fn subgraphs(&self) -> Vec<Subgraph> {
        let subgraph = |own: &CaseSubgraph| Subgraph {
            name: own.name.clone(),
            routing_url: String::new(),
            sdl: own.sdl.clone(),
        };
        self.subgraphs.iter().map(subgraph).collect()
    }
}

fn check_case(case: &Case, composed: &Result<Composed, Vec<CompositionError>>, score: &mut Score) {
    let is_same = composed.is_ok() == case.expected.ok;
    let errors = || {
        composed
            .as_ref()
            .err()
            .into_iter()
            .flatten()
            .map(|error| format!("\n    {error}"))
            .collect::<String>()
    };
    score.note(
        case,
        Aspect::Ok,
        (!is_same).then(|| format!("ok is {}{}", composed.is_ok(), errors())),
    );
    let codes: BTreeSet<&str> = match composed {
        Ok(_) => BTreeSet::new(),
        Err(errors) => errors.iter().map(|error| error.code.as_str()).collect(),
    };
    score.note(case, Aspect::Codes, difference_of_codes(&codes, &case.expected.codes));
    let Ok(composed) = composed else { return };
    if !case.expected.ok {
        return;
    }
    let hints: BTreeSet<&str> = composed.hints.iter().map(|hint| hint.code.as_str()).collect();
    score.note(case, Aspect::Hints, difference_of_codes(&hints, &case.expected.hints));
    if let Some(theirs) = &case.expected.api_schema {
        let difference = difference_of_schemas(meaning::of_api_schema, &composed.api_schema_sdl, theirs);
        score.note(case, Aspect::ApiSchema, difference);
    }
    if let Some(theirs) = &case.expected.supergraph {
        let difference = difference_of_schemas(meaning::of_supergraph, &composed.supergraph_sdl, theirs);
        score.note(case, Aspect::Supergraph, difference);
    }
}

fn difference_of_codes(ours: &BTreeSet<&str>, theirs: &[String]) -> Option<String> {
    let theirs: BTreeSet<&str> = theirs.iter().map(String::as_str).collect();
    (*ours != theirs).then(|| format!("{ours:?} instead of {theirs:?}"))
}

fn difference_of_schemas(
    facts: impl Fn(&str) -> Result<BTreeSet<String>, String>,
    ours: &str,
    theirs: &str,
) -> Option<String> {
    let ours = facts(ours).expect("what we print parses");
    match facts(theirs) {
        Ok(theirs) => (ours != theirs).then(|| format!("\n{}", meaning::difference(&ours, &theirs))),
        Err(error) => Some(error),
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
