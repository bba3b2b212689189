//! Large and deep inputs: composed, or refused with a clear error, in bounded time and without deep recursion.
//!
//! The sizes are small, since these tests run without optimisation; `cargo bench -p composition` has the large ones.

use std::fmt::Write;

use composition::{Composed, CompositionError, compose};
use federation::Subgraph;

const LINK: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@requires", "@external", "@shareable"])
"#;

fn compose_all(sdls: &[String]) -> Result<Composed, Vec<CompositionError>> {
    let subgraph = |(index, sdl): (usize, &String)| Subgraph {
        name: format!("s{index}"),
        routing_url: String::new(),
        sdl: format!("{LINK}{sdl}"),
    };
    compose(&sdls.iter().enumerate().map(subgraph).collect::<Vec<_>>())
}

#[track_caller]
fn check_composes(sdls: &[String]) {
    if let Err(errors) = compose_all(sdls) {
        panic!("{}", errors[0]);
    }
}

fn joined(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect()
}

#[test]
fn field_sets_nest_a_hundred_levels_and_no_more() {
    let key = |levels: usize| {
        let selection = format!("{}id{}", "a { ".repeat(levels), " }".repeat(levels));
        let sdl = format!("type Query {{ a: A }} type A @key(fields: \"{selection}\") {{ id: ID a: A }}");
        compose_all(&[sdl])
    };
    key(99).expect("a hundred levels are fine");
    for levels in [101, 1_000] {
        let errors = key(levels).expect_err("too deep");
        assert_eq!(errors[0].code.as_str(), "KEY_INVALID_FIELDS");
        assert!(errors[0].message.contains("deeper than 100 levels"), "{}", errors[0]);
    }
}

#[test]
fn an_interface_has_many_implementations() {
    let own = |own: usize| {
        let objects = joined(300, |index| {
            format!("type T{index} implements Node @key(fields: \"id\") {{ id: ID! s{own}: Node }}\n")
        });
        format!("type Query {{ s{own}: Node }} interface Node @key(fields: \"id\") {{ id: ID! }} {objects}")
    };
    check_composes(&[own(0), own(1)]);
}

#[test]
fn a_union_has_many_members() {
    let own = |own: usize| {
        let members = joined(800, |index| format!("| T{index} "));
        let objects = joined(800, |index| {
            format!("type T{index} @key(fields: \"id\") {{ id: ID! s{own}: Int }}\n")
        });
        format!("type Query {{ s{own}: Any }} union Any = {members} {objects}")
    };
    check_composes(&[own(0), own(1)]);
}

#[test]
fn keys_lead_through_a_hundred_subgraphs() {
    let own = |own: usize| {
        let next = own + 1;
        let query = if own == 0 { "type Query { t: T }" } else { "" };
        format!(
            "{query} type T @key(fields: \"k{own}\") @key(fields: \"k{next}\") {{ k{own}: ID! k{next}: ID! f{own}: Int }}"
        )
    };
    let sdls: Vec<String> = (0..100).map(own).collect();
    check_composes(&sdls);
}

#[test]
fn required_fields_may_require_others_many_times_over() {
    let count = 1_000;
    let own = |own: usize| {
        let fields = joined(count, |index| match (index % 2 == own, index) {
            (false, index) if index + 1 == count => String::new(),
            (false, _) => format!("f{index}: Int @external\n"),
            (true, 0) => "f0: Int\n".to_owned(),
            (true, _) => format!("f{index}: Int @requires(fields: \"f{}\")\n", index - 1),
        });
        let query = if own == 0 { "type Query { t: T }" } else { "" };
        format!("{query} type T @key(fields: \"id\") {{ id: ID! {fields} }}")
    };
    check_composes(&[own(0), own(1)]);
}

/// The key of each entity selects from the next one: closures depend on closures, in the end on the first.
#[test]
fn keys_may_select_from_entities_many_times_over() {
    let count = 60;
    let own = |own: usize| {
        let entities = joined(count, |index| {
            let next = (index + 1) % count;
            format!(
                "type T{index} @key(fields: \"next {{ id }}\") @key(fields: \"id\") {{ id: ID! next: T{next} @shareable s{own}: Int }}\n"
            )
        });
        format!("type Query {{ s{own}: T0 }} {entities}")
    };
    check_composes(&[own(0), own(1), own(2)]);
}

#[test]
fn a_hundred_errors_are_enough() {
    let mut fields = String::new();
    for index in 0..300 {
        write!(fields, "f{index}: Int ").expect("a string grows");
    }
    let known = "type Query { t: T } type T { id: ID! @shareable }".to_owned();
    let unknown = format!("type T {{ id: ID! @shareable {fields} }}");
    let errors = compose_all(&[known, unknown]).expect_err("no key leads to the fields");
    assert_eq!(errors.len(), 100);
    assert!(errors.iter().all(|error| error.code.as_str() == "SATISFIABILITY_ERROR"));
}
