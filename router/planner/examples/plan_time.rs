//! tmp
use std::sync::Arc;
fn main() {
    let mut args = std::env::args().skip(1);
    let sdl = std::fs::read_to_string(args.next().unwrap()).unwrap();
    let text = std::fs::read_to_string(args.next().unwrap()).unwrap();
    let n: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(5);
    let text = {
        let mut document = apollo_compiler::ast::Document::parse(text.clone(), "o").unwrap();
        document.definitions.retain(|d| match d {
            apollo_compiler::ast::Definition::FragmentDefinition(f) => text.contains(&format!("...{}\n", f.name)),
            _ => true,
        });
        document.to_string()
    };
    let begin = std::time::Instant::now();
    let supergraph = Arc::new(federation::supergraph::Supergraph::parse(&sdl).unwrap());
    println!("load {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    let planner = planner::Planner::new(Arc::clone(&supergraph));
    let document = federation::operation::parse(&text, &Default::default()).unwrap();
    let operation = federation::operation::validate(&document, supergraph.api_schema(), None).unwrap();
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..n {
        let b = std::time::Instant::now();
        let p = planner.plan(&operation).unwrap();
        times.push(b.elapsed().as_secs_f64() * 1e3);
        last = Some(p);
    }
    times.sort_by(f64::total_cmp);
    let p = last.unwrap();
    println!(
        "median {:.2} ms, {} fetches, {} stages",
        times[n / 2],
        p.fetches(),
        p.stages()
    );
}
