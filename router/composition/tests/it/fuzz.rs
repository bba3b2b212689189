//! Broken SDL of every kind: composition answers, it neither panics, nor overflows its stack, nor runs on for ever. What
//! composes can be read, and what does not says where.
//!
//! Inputs are sets of subgraphs (the fixtures, generated ones, the conformance cases when there) in which some tokens
//! have been left out, repeated, exchanged, or replaced by tokens from anywhere else. A few hundred of them are tried in
//! each run of the tests. For longer:
//!
//! ```sh
//! FUZZ_SECONDS=3600 FUZZ_SEED=7 cargo test --release -p composition --test it fuzz -- --nocapture
//! ```
//!
//! The input that is being tried is then kept in `target/tmp/fuzz-input.txt`, for a crash that leaves no message.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use composition::compose;
use federation::Subgraph;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::{conformance, fixtures, generate, locations, meaning};

/// Inputs of an ordinary run.
const INPUTS: u64 = 300;
/// The stack of a thread that is given no other size.
const STACK_BYTES: usize = 2 * 1024 * 1024;
/// What counts as running on for ever; the largest input needs less than a second without optimisation.
const PATIENCE: Duration = Duration::from_secs(60);
/// Deepest nesting that is put around a token; beyond what any parser limit lets through.
const NESTING_MAX: u64 = 400;

#[test]
fn fuzz_composition() {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let mut mutator = Mutator::new(number("FUZZ_SEED").unwrap_or_default());
    let mut worker = Worker::start();
    let begin = Instant::now();
    let mut composed = 0_u64;
    let mut tried = 0_u64;
    loop {
        let is_over = seconds.map_or(tried >= INPUTS, |seconds| begin.elapsed() >= seconds);
        if is_over {
            break;
        }
        let input = mutator.input();
        if seconds.is_some() {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-input.txt");
            std::fs::write(path, describe(&input)).expect("a writable folder");
        }
        composed += u64::from(worker.compose(&input));
        tried += 1;
    }
    eprintln!(
        "fuzz: {tried} inputs in {:?}, {composed} of them compose",
        begin.elapsed()
    );
    assert!(composed > 0 && composed < tried, "both outcomes must be tried");
}

/// Composes on a thread of its own, so that neither a panic nor an endless loop takes the test with it.
struct Worker {
    inputs: mpsc::Sender<Vec<Subgraph>>,
    outcomes: mpsc::Receiver<bool>,
}

impl Worker {
    fn start() -> Self {
        let (inputs, received) = mpsc::channel::<Vec<Subgraph>>();
        let (sent, outcomes) = mpsc::channel();
        let run = move || {
            for input in received {
                let composed = compose(&input);
                match &composed {
                    Ok(composed) => {
                        meaning::of_supergraph(&composed.supergraph_sdl).expect("a supergraph that can be read");
                    }
                    Err(errors) => errors.iter().for_each(|error| locations::assert_placed(error, &input)),
                }
                if sent.send(composed.is_ok()).is_err() {
                    return;
                }
            }
        };
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        builder.spawn(run).expect("a thread");
        Self { inputs, outcomes }
    }

    fn compose(&mut self, input: &[Subgraph]) -> bool {
        self.inputs.send(input.to_vec()).expect("a living thread");
        match self.outcomes.recv_timeout(PATIENCE) {
            Ok(composed) => composed,
            Err(RecvTimeoutError::Timeout) => panic!("no answer within {PATIENCE:?} for\n{}", describe(input)),
            Err(RecvTimeoutError::Disconnected) => panic!("a panic for\n{}", describe(input)),
        }
    }
}

fn describe(input: &[Subgraph]) -> String {
    let subgraphs = input
        .iter()
        .map(|subgraph| format!("# {:?}\n{}\n", subgraph.name, subgraph.sdl));
    subgraphs.collect()
}

/// Makes inputs out of known ones.
struct Mutator {
    state: u64,
    known: Vec<Vec<Subgraph>>,
    /// Tokens of all known inputs.
    pool: Vec<String>,
}

impl Mutator {
    fn new(seed: u64) -> Self {
        let known = known_inputs();
        let mut pool: Vec<String> = known
            .iter()
            .flatten()
            .flat_map(|subgraph| tokens(&subgraph.sdl))
            .map(str::to_owned)
            .collect();
        pool.sort_unstable();
        pool.dedup();
        Self {
            state: seed,
            known,
            pool,
        }
    }

    /// SplitMix64: any seed will do.
    fn random(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    fn position(&mut self, length: usize) -> usize {
        usize::try_from(self.random(length as u64)).expect("a position in memory")
    }

    fn input(&mut self) -> Vec<Subgraph> {
        let chosen = self.position(self.known.len());
        let mut input = self.known[chosen].clone();
        // Most inputs break in one place, so that what comes after the first check is reached as well.
        for _ in 0..=self.random(5).saturating_sub(2) {
            let index = self.position(input.len());
            match self.random(20) {
                0 => {
                    let other = self.position(self.known.len());
                    input.extend(self.known[other].clone());
                }
                1 => input[index].name = self.token(),
                _ => {
                    let sdl = self.mutate(&input[index].sdl);
                    input[index].sdl = sdl;
                }
            }
        }
        input
    }

    fn token(&mut self) -> String {
        let position = self.position(self.pool.len());
        self.pool[position].clone()
    }

    fn mutate(&mut self, sdl: &str) -> String {
        let mut tokens: Vec<String> = tokens(sdl).map(str::to_owned).collect();
        if tokens.is_empty() {
            return self.token();
        }
        let at = self.position(tokens.len());
        let inner = tokens[at].strip_prefix('"').and_then(|string| string.strip_suffix('"'));
        if let Some(inner) = inner.filter(|inner| !inner.contains('"')).map(str::to_owned) {
            // A field set, a link, a name: broken from within.
            tokens[at] = format!("\"{}\"", self.mutate(&inner).replace('"', ""));
            return tokens.join(" ");
        }
        let other = self.position(tokens.len());
        let (first, last) = (at.min(other), at.max(other).min(at.min(other) + 30));
        match self.random(10) {
            0 | 1 => drop(tokens.remove(at)),
            2 => tokens.swap(at, other),
            3 | 4 => tokens[at] = self.token(),
            5 => tokens.insert(at, self.token()),
            6 => drop(tokens.drain(first..last)),
            7 => {
                let copied = tokens[first..last].to_vec();
                tokens.splice(at..at, copied);
            }
            8 => tokens[at] = tokens[other].clone(),
            _ => {
                let depth = self.position(NESTING_MAX as usize);
                let (open, close) = [("[", "]"), ("{", "}"), ("{ a: ", "}"), ("a { ", "}")][self.position(4)];
                tokens[at] = format!("{}{}{}", open.repeat(depth), tokens[at], close.repeat(depth));
            }
        }
        tokens.join(" ")
    }
}

fn known_inputs() -> Vec<Vec<Subgraph>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut known: Vec<_> = fixtures::features(&root)
        .map(|feature| fixtures::subgraphs(&feature))
        .collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..50 {
        let generated = generate::subgraphs().new_tree(&mut runner).expect("a set of subgraphs");
        known.push(generated.current());
    }
    if let Some(dir) = conformance::conformance_dir() {
        known.extend(
            conformance::composition_cases(&dir)
                .iter()
                .map(conformance::Case::subgraphs),
        );
    }
    known.retain(|subgraphs| !subgraphs.is_empty());
    known
}

/// Names, numbers, strings and punctuators; comments and white space are left out.
fn tokens(sdl: &str) -> impl Iterator<Item = &str> {
    let mut rest = sdl;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if rest.starts_with('#') {
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
                continue;
            }
            let (token, after) = rest.split_at(token_length(rest)?);
            rest = after;
            return Some(token);
        }
    })
}

fn token_length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    Some(if let Some(block) = text.strip_prefix("\"\"\"") {
        block.find("\"\"\"").map_or(text.len(), |end| end + 6)
    } else if let Some(string) = text.strip_prefix('"') {
        string.find(['"', '\n']).map_or(text.len(), |end| end + 2)
    } else if is_word(first) {
        text.find(|c| !is_word(c)).unwrap_or(text.len())
    } else {
        first.len_utf8()
    })
}
