//! Planning grows with the operation, not with the ways to answer it: counted in units of work, which no machine changes.

#[path = "../../benches/plan/families.rs"]
mod families;

use std::sync::Arc;

use federation::limits::Limits;
use federation::operation;
use federation::supergraph::{ActiveLabels, Supergraph};
use planner::Planner;

use families::FAMILIES;

#[test]
fn planning_does_not_explode() {
    for family in &FAMILIES {
        let [small, .., large] = family.sizes else {
            panic!("{} has sizes", family.name)
        };
        let (small_work, small_fetches) = plan(family.make, *small);
        let (large_work, large_fetches) = plan(family.make, *large);
        let times = (large / small) as u64;
        // Sixteen times the size is at most sixteen times the work; an explosion is thousands of times.
        assert!(
            large_work <= times * small_work,
            "{}: {small_work} units of work for size {small}, and {large_work} for {large}",
            family.name
        );
        assert!(
            large_fetches <= small_fetches * large / small,
            "{}: {small_fetches} requests for size {small}, and {large_fetches} for {large}",
            family.name
        );
    }
}

/// Units of work, and requests.
fn plan(make: fn(usize) -> (String, String), size: usize) -> (u64, usize) {
    let (sdl, text) = make(size);
    let planner = Planner::new(Arc::new(Supergraph::parse(&sdl).unwrap()));
    let document = operation::parse(&text, &Limits::default()).unwrap();
    let operation = operation::validate(&document, planner.supergraph().api_schema(), None).unwrap();
    let (plan, work) = planner.plan_counting(&operation, &ActiveLabels::NONE).unwrap();
    (work, plan.fetches())
}
