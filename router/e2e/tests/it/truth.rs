//! The truth test: a random graph is dealt to subgraphs, and the router's answer must be the one of a server that has all.
//!
//! `schema` makes a schema, `dealing` deals it to subgraphs, `layout` and `sdl` write these down, `world` has the data;
//! `server` answers for each subgraph, `monolith` for the whole; `operations` asks; `router` composes, plans, executes;
//! `comparison` judges, `api` judges composition, and `shrinking` makes small what fails. All is a function of a seed: see `truth/README.md`.

mod api;
mod comparison;
mod dealing;
mod deferring;
mod dice;
mod graph;
mod layout;
mod monolith;
mod operations;
mod parts;
mod router;
mod schema;
mod sdl;
mod server;
mod shrinking;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use expect_test::expect_file;
use serde_json::Value;

use self::graph::{Graph, NAMES};
use self::operations::Operation;
use self::router::{Refused, Router};

/// Operations on one graph: composing it takes as long as some of them.
const OPERATIONS_PER_GRAPH: u64 = 20;
/// In CI: 3,000 operations.
const GRAPHS: u64 = 150;
/// Graphs on which the answer is known to be wrong; it is an error if one of them is not, so that the list can only shrink.
const KNOWN_FAILURES: &[u64] = &[];
/// Graphs beyond the first that were answered wrongly once, in one piece or in parts.
const ONCE_WRONG: [u64; 6] = [16_395, 17_604, 20_961, 30_214, 36_181, 43_275];
const ONCE_WRONG_IN_PARTS: [u64; 15] = [
    1_021, 1_103, 1_105, 1_236, 1_296, 2_059, 2_087, 2_498, 2_743, 2_748, 2_955, 2_982, 3_192, 3_416, 3_597,
];
/// Of so many operations, the requests of one are tried to be left out.
const FRUGALITY_CHECKED_EVERY: u64 = 10;

/// Graphs on which operations are answered in parts.
const GRAPHS_IN_PARTS: u64 = 40;

/// What is run; see `truth/README.md` for the variables.
struct Settings {
    first_seed: u64,
    graphs: u64,
    seconds: u64,
    failures_max: usize,
    shows_refused: bool,
}

impl Settings {
    fn read() -> Self {
        let number = |name: &str, default: u64| {
            let value = std::env::var(name).ok();
            value.map_or(default, |value| value.parse().expect("a whole number"))
        };
        Self {
            first_seed: number("TRUTH_SEED", 0),
            graphs: number("TRUTH_GRAPHS", GRAPHS),
            seconds: number("TRUTH_SECONDS", u64::from(u32::MAX)),
            failures_max: number("TRUTH_FAILURES", 1) as usize,
            shows_refused: std::env::var_os("TRUTH_REFUSED").is_some(),
        }
    }

    fn is_default(&self) -> bool {
        self.first_seed == 0 && self.graphs == GRAPHS && self.seconds == u64::from(u32::MAX)
    }
}

#[derive(Default)]
struct Report {
    graphs: u64,
    operations: u64,
    fetches: usize,
    requests: usize,
    entities: usize,
    /// Graphs that do not compose, by the codes of their errors: how many, and one of them.
    refused: BTreeMap<String, (u64, String)>,
    /// By what goes wrong: how many, and one of them.
    failures: BTreeMap<String, (usize, String)>,
}

#[test]
fn the_router_answers_like_a_monolith() {
    let _alone = crate::MACHINE.blocking_lock();
    let settings = Settings::read();
    let deadline = Instant::now() + Duration::from_secs(settings.seconds);
    let mut report = Report::default();
    for seed in settings.first_seed..settings.first_seed + settings.graphs {
        if Instant::now() > deadline || report.failed() >= settings.failures_max {
            break;
        }
        if KNOWN_FAILURES.contains(&seed) {
            report.run_known_failure(seed);
        } else {
            report.run(seed);
        }
    }
    let Report {
        graphs,
        operations,
        fetches,
        requests,
        entities,
        ..
    } = report;
    let refused: u64 = report.refused.values().map(|(count, _)| count).sum();
    println!("{graphs} graphs, {refused} of them refused");
    for (codes, (count, graph)) in report.refused.iter().filter(|_| settings.shows_refused) {
        println!("=== {count} times: {codes}\n{graph}");
    }
    let total = format!(
        "{operations} operations, {fetches} fetches planned, {requests} requests sent, {entities} entities asked for\n"
    );
    print!("{total}");
    for (kind, (count, failure)) in &report.failures {
        println!("=== {count} times: {kind}\n{failure}");
    }
    assert!(report.failures.is_empty(), "the router does not answer like a monolith");
    assert!(
        refused * 20 <= graphs,
        "more than one graph in twenty does not compose: {:?}",
        report.refused.keys()
    );
    if settings.is_default() {
        expect_file!["truth/fetches.txt"].assert_eq(&total);
    }
}

#[test]
fn what_was_wrong_once_is_right() {
    let mut report = Report::default();
    ONCE_WRONG.iter().for_each(|seed| report.run(*seed));
    let failure = report.failures.values().next().map(|(_, failure)| failure);
    assert!(failure.is_none(), "{}", failure.map_or("", String::as_str));
}

/// With the variables of the other test, but without shrinking.
#[test]
fn deferred_fragments_are_together_the_monoliths_answer() {
    let settings = Settings::read();
    let seeds: Vec<u64> = match settings.is_default() {
        true => (0..GRAPHS_IN_PARTS).chain(ONCE_WRONG_IN_PARTS).collect(),
        false => (settings.first_seed..settings.first_seed + settings.graphs).collect(),
    };
    let (mut operations, mut parts) = (0, 0);
    let mut failures: Vec<String> = Vec::new();
    for seed in seeds {
        // Those that do not compose are the other test's subject.
        let Ok(router) = Router::new(dealing::graph(seed)) else {
            continue;
        };
        for number in seed * OPERATIONS_PER_GRAPH..(seed + 1) * OPERATIONS_PER_GRAPH {
            let operation = operations::operation(router.schema(), number);
            operations += 1;
            match router.check_in_parts(&operation, number) {
                Ok(count) => parts += count,
                Err(error) => failures.push(format!("seed {seed}, operation {number}: {error:#}")),
            }
        }
        if failures.len() >= settings.failures_max {
            break;
        }
    }
    println!(
        "{operations} operations in {parts} parts, {} of them failed",
        failures.len()
    );
    for failure in &failures {
        println!("{}", failure.lines().next().unwrap_or_default());
    }
    assert!(failures.is_empty(), "{}", failures[0]);
}

impl Report {
    fn run_known_failure(&mut self, seed: u64) {
        let mut report = Report::default();
        report.run(seed);
        if report.failures.is_empty() {
            let failure = format!("seed {seed}: take it out of KNOWN_FAILURES");
            self.failures
                .insert("a known failure is mended".to_owned(), (1, failure));
        }
    }

    fn run(&mut self, seed: u64) {
        self.graphs += 1;
        let graph = dealing::graph(seed);
        let router = match Router::new(graph.clone()) {
            Ok(router) => router,
            Err(Refused::Composition(errors)) => {
                let mut codes: Vec<&str> = errors.iter().map(|(code, _)| code.as_str()).collect();
                codes.dedup();
                let messages: Vec<&str> = errors.iter().map(|(_, message)| message.as_str()).collect();
                let text = format!("seed {seed}: {}\n{}", messages.join("\n"), Router::sdls(&graph));
                self.refused.entry(codes.join(" ")).or_insert((0, text)).0 += 1;
                return;
            }
            Err(Refused::Unreadable(error)) => {
                let failure = format!("seed {seed}: {error:?}");
                self.failures.entry("composition".to_owned()).or_insert((0, failure)).0 += 1;
                return;
            }
        };
        for number in seed * OPERATIONS_PER_GRAPH..(seed + 1) * OPERATIONS_PER_GRAPH {
            let operation = operations::operation(router.schema(), number);
            let outcome = router.check(&operation);
            self.operations += 1;
            self.fetches += outcome.fetches;
            self.requests += outcome.requests;
            self.entities += outcome.entities;
            let mut verdict = outcome.verdict;
            if verdict.is_ok() && number.is_multiple_of(FRUGALITY_CHECKED_EVERY) {
                verdict = router.check_frugality(&operation);
            }
            if let Err(error) = verdict {
                let kind = kind_of(&format!("{error:#}"));
                let known = self.failures.entry(kind.clone());
                known
                    .or_insert_with(|| (0, explain(seed, (&graph, &operation), &kind)))
                    .0 += 1;
            }
        }
    }

    fn failed(&self) -> usize {
        self.failures.values().map(|(count, _)| count).sum()
    }
}

/// The first line of a failure without names and numbers.
fn kind_of(failure: &str) -> String {
    let words = failure.lines().next().unwrap_or_default().split(' ');
    let plain = words.filter(|word| {
        word.chars()
            .all(|letter| letter.is_ascii_lowercase() || ",:;".contains(letter))
    });
    plain.take(8).collect::<Vec<_>>().join(" ")
}

/// Shrinks a failure and shows it.
fn explain(seed: u64, (graph, operation): (&Graph, &Operation), kind: &str) -> String {
    let failure_of = |router: &Router, operation: &Operation| {
        let verdict = router
            .check(operation)
            .verdict
            .and_then(|()| router.check_frugality(operation));
        verdict.err().map(|error| format!("{error:#}"))
    };
    let fails = |graph: &Graph, operation: &Operation| {
        let router = Router::new(graph.clone()).ok();
        let failure: Option<String> = router.and_then(|router| failure_of(&router, operation));
        failure.is_some_and(|failure| kind_of(&failure) == kind)
    };
    let mut text = format!("seed {seed}\n");
    let Ok(router) = Router::new(graph.clone()) else {
        return text;
    };
    let smaller = shrinking::operation(operation.clone(), |smaller| {
        failure_of(&router, smaller).is_some_and(|failure| kind_of(&failure) == kind)
    });
    let graph = shrinking::graph(graph.clone(), |graph| fails(graph, &smaller));
    let Ok(router) = Router::new(graph.clone()) else {
        return text;
    };
    for (name, sdl) in NAMES.iter().zip(&router.sdls) {
        let _ = writeln!(text, "--- {name}\n{sdl}");
    }
    let _ = writeln!(text, "--- operation\n{}", smaller.text());
    let _ = writeln!(text, "variables {}", Value::Object(smaller.variables()));
    if let Some(plan) = router.check(&smaller).plan {
        let _ = writeln!(text, "--- plan\n{plan}");
    }
    let _ = writeln!(text, "--- {}", failure_of(&router, &smaller).unwrap_or_default());
    text
}
