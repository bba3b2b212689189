//! How long composition takes: over the fixtures and conformance cases, as schemas grow, and on one very large graph.
//!
//! `cargo bench -p composition` prints three tables; `CONFORMANCE_DIR` adds the conformance cases to the first. An
//! argument (`cargo bench -p composition -- keys`) runs the families and graphs whose names contain it. Times are of
//! whole calls of `compose`: SDL in, SDL out. Without optimisation (`cargo test --benches`) every row runs once, and small.

// Standard output is where people read a benchmark.
#![allow(clippy::print_stdout)]

mod families;
mod measure;
mod samples;

use families::Family;
use measure::{Growth, Memory, Spread, millis};
use mimalloc::MiMalloc;

/// That of the `router` binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_measured = arguments.iter().any(|argument| argument == "--bench");
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));
    print_samples(is_measured, &is_wanted);
    print_families(is_measured, &is_wanted);
    print_large_graphs(is_measured, &is_wanted);
}

fn print_samples(is_measured: bool, is_wanted: &dyn Fn(&str) -> bool) {
    let collections = [
        ("fixtures", samples::fixtures()),
        ("conformance", samples::conformance_cases()),
    ];
    println!("samples (bar: a median under 0.300 ms)                     median       p90       max  slowest");
    for (name, cases) in collections.iter().filter(|(name, _)| is_wanted(name)) {
        if cases.is_empty() {
            println!("{name:<34} {:>8} no cases here", "");
            continue;
        }
        let repeats = if is_measured { 9 } else { 1 };
        let spread = Spread::of(cases, repeats);
        println!(
            "{:<52} {:>9} {:>9} {:>9}  {}",
            format!("{name}, {} cases, ms", cases.len()),
            millis(spread.median),
            millis(spread.p90),
            millis(spread.max),
            spread.slowest
        );
    }
}

fn print_families(is_measured: bool, is_wanted: &dyn Fn(&str) -> bool) {
    println!(
        "\ngrowth (bar: exponent 1 in the number of fields)        fields -> ms                            exponent"
    );
    for family in Family::ALL.iter().filter(|family| is_wanted(family.name)) {
        let growth = Growth::of(family, is_measured);
        let points: Vec<String> = growth
            .points
            .iter()
            .map(|point| format!("{} -> {}", point.fields, millis(point.time)))
            .collect();
        println!("{:<32} {:<80} {:>6.2}", family.name, points.join(", "), growth.exponent);
    }
}

fn print_large_graphs(is_measured: bool, is_wanted: &dyn Fn(&str) -> bool) {
    println!("\nlarge graphs (bar: the first two under 200 ms)           types    fields        ms  peak MiB");
    for graph in families::LARGE_GRAPHS.iter().filter(|graph| is_wanted(graph.name)) {
        let subgraphs = (graph.build)(if is_measured { graph.size } else { 10 });
        let memory = Memory::start();
        let time = measure::fastest(&subgraphs, if is_measured { 7 } else { 1 });
        let peak = memory.peak_mib().map_or("?".to_owned(), |mib| format!("{mib:.0}"));
        println!(
            "{:<52} {:>9} {:>9} {:>9} {peak:>9}",
            graph.name,
            families::type_count(&subgraphs),
            families::field_count(&subgraphs),
            millis(time)
        );
    }
}
