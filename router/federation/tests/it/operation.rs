//! Which documents are accepted, and what is said about the others.

use std::fmt::Write;
use std::sync::Arc;

use apollo_compiler::Schema;
use expect_test::{Expect, expect};
use federation::api_schema::ApiSchema;
use federation::error::RequestError;
use federation::limits::Limits;
use federation::operation::{Operation, parse, validate};

const SCHEMA: &str = "
    type Query { product(id: ID!): Product }
    type Product { id: ID!  title: String  similar: [Product!]! }
";

fn read(text: &str, operation_name: Option<&str>, limits: &Limits) -> Result<Operation, Vec<RequestError>> {
    let schema = Schema::parse(SCHEMA, "schema.graphql").expect("schema parses");
    let schema = Arc::new(ApiSchema::from_supergraph(&schema).expect("schema is valid"));
    validate(&parse(text, limits)?, &schema, operation_name)
}

fn report(result: Result<Operation, Vec<RequestError>>) -> String {
    match result {
        Ok(operation) => format!("{:?} {}\n", operation.kind(), operation.name().unwrap_or("(anonymous)")),
        Err(errors) => errors.iter().fold(String::new(), |mut report, error| {
            let places: Vec<_> = error
                .locations
                .iter()
                .map(|at| format!("{}:{}", at.line, at.column))
                .collect();
            writeln!(report, "{} at [{}]: {}", error.code, places.join(" "), error.message).expect("strings grow");
            report
        }),
    }
}

#[track_caller]
fn check(text: &str, operation_name: Option<&str>, expected: &Expect) {
    expected.assert_eq(&report(read(text, operation_name, &Limits::default())));
}

#[test]
fn operations_are_picked_by_name() {
    let two = "query A { __typename } query B { __typename }";
    check(
        "{ product(id: 1) { id } }",
        None,
        &expect![[r#"
        Query (anonymous)
    "#]],
    );
    check(
        two,
        Some("B"),
        &expect![[r#"
        Query B
    "#]],
    );
    check(
        two,
        None,
        &expect![[r#"
        OPERATION_RESOLUTION_FAILURE at []: the document has several operations; `operationName` must say which to run
    "#]],
    );
    check(
        two,
        Some("C"),
        &expect![[r#"
        OPERATION_RESOLUTION_FAILURE at []: the document has no operation named `C`
    "#]],
    );
}

#[test]
fn errors_have_codes_and_places() {
    check(
        "{ product(id: 1) { id ",
        None,
        &expect![[r#"
            GRAPHQL_PARSE_FAILED at [1:23]: syntax error: expected R_CURLY, got EOF
        "#]],
    );
    check(
        "",
        None,
        &expect![[r#"
        GRAPHQL_PARSE_FAILED at [1:1]: syntax error: Unexpected <EOF>.
    "#]],
    );
    check(
        "{ product(id: 1) { id prize } shop }",
        None,
        &expect![[r#"
        GRAPHQL_VALIDATION_FAILED at [1:23]: type `Product` does not have a field `prize`
        GRAPHQL_VALIDATION_FAILED at [1:31]: type `Query` does not have a field `shop`
    "#]],
    );
    check(
        "query($id: String) { product(id: $id) { id } }",
        None,
        &expect![[r#"
            GRAPHQL_VALIDATION_FAILED at [1:30]: variable `$id` of type `String` cannot be used for argument `id` of type `ID!`
        "#]],
    );
}

#[test]
fn limits_have_codes_of_their_own() {
    let deep = |levels: usize| {
        format!(
            "{{ product(id: 1) {{ {} id {} }} }}",
            "similar {".repeat(levels),
            "}".repeat(levels)
        )
    };
    for levels in [98, 99, 500, 20_000] {
        let report = report(read(&deep(levels), None, &Limits::default()));
        let expected = match levels {
            98 => "Query (anonymous)\n",
            _ => "MAX_DEPTH_LIMIT",
        };
        assert!(report.starts_with(expected), "{levels}: {report}");
    }
    let limits = Limits {
        aliases_max: 2,
        root_fields_max: 3,
        height_max: 6,
        ..Limits::default()
    };
    expect![[r#"
        MAX_ALIASES_LIMIT at [1:1]: the operation has more than 2 aliases
        MAX_ROOT_FIELDS_LIMIT at [1:1]: the operation has more than 3 root fields
    "#]]
    .assert_eq(&report(read(
        "{ a: __typename b: __typename c: __typename d: __typename }",
        None,
        &limits,
    )));
    expect![[r#"
        GRAPHQL_PARSE_FAILED at []: the document has more than 5 tokens
    "#]]
    .assert_eq(&report(read(
        "{ __typename ".repeat(7).as_str(),
        None,
        &Limits {
            tokens_max: 5,
            ..limits
        },
    )));
}

/// Thirty fragments, each of which spreads the next one twice: a billion fields when written out.
#[test]
fn exploding_fragments_are_refused_at_once() {
    let mut text = "{ product(id: 1) { ...F0 } }".to_owned();
    for number in 0..30 {
        let next = number + 1;
        write!(
            text,
            "fragment F{number} on Product {{ a: similar {{ ...F{next} }} b: similar {{ ...F{next} }} }}"
        )
        .unwrap();
    }
    text.push_str("fragment F30 on Product { id }");
    check(
        &text,
        None,
        &expect![[r#"
        MAX_ALIASES_LIMIT at [1:1]: the operation has more than 2000 aliases
        MAX_HEIGHT_LIMIT at [1:1]: the document has, with its fragments where they are spread, more than 100000 selections
    "#]],
    );
}

/// Validation looks at a fragment anew for each operation that spreads it, also for those that are not run.
#[test]
fn a_fragment_counts_for_each_operation_that_spreads_it() {
    let fragment = format!("fragment F on Product {{ {} }}\n", "id ".repeat(1_000));
    let operation = |number| format!("query Q{number} {{ product(id: 1) {{ ...F }} }}\n");
    let document = |operations| fragment.clone() + &(0..operations).map(operation).collect::<String>();
    let limits = Limits {
        height_max: 10 * 1_002,
        ..Limits::default()
    };
    let accepted = report(read(&document(10), Some("Q0"), &limits));
    assert_eq!(accepted, "Query Q0\n");
    expect![[r#"
        MAX_HEIGHT_LIMIT at [12:1]: the document has, with its fragments where they are spread, more than 10020 selections
    "#]]
    .assert_eq(&report(read(&document(15), Some("Q0"), &limits)));
}

#[test]
fn circular_and_unknown_fragments_are_validation_errors() {
    check(
        "{ product(id: 1) { ...A } } fragment A on Product { similar { ...A } }",
        None,
        &expect![[r#"
            GRAPHQL_VALIDATION_FAILED at [1:29]: `A` fragment cannot reference itself
        "#]],
    );
    check(
        "{ product(id: 1) { ...A } }",
        None,
        &expect![[r#"
        GRAPHQL_VALIDATION_FAILED at [1:20]: cannot find fragment `A` in this document
    "#]],
    );
}

#[test]
fn a_long_chain_of_fragments_does_not_exhaust_the_stack() {
    let mut text = "{ product(id: 1) { ...F0 } }".to_owned();
    for number in 0..3_000 {
        write!(text, "fragment F{number} on Product {{ ...F{} }}", number + 1).unwrap();
    }
    text.push_str("fragment F3000 on Product { id }");
    let limits = Limits {
        tokens_max: 1_000_000,
        ..Limits::default()
    };
    expect![[r#"
        MAX_DEPTH_LIMIT at [1:1]: the operation nests fields more deeply than 100 levels
    "#]]
    .assert_eq(&report(read(&text, None, &limits)));
}

#[test]
fn unused_fragments_are_refused_unless_taken_away() {
    let text = "{ product(id: 1) { ...A } } fragment A on Product { id } fragment B on Product { ...C } fragment C on Product { id }";
    let schema = Schema::parse(SCHEMA, "schema.graphql").expect("schema parses");
    let schema = Arc::new(ApiSchema::from_supergraph(&schema).expect("schema is valid"));
    let document = parse(text, &Limits::default()).expect("text is within the limits");
    assert_eq!(validate(&document, &schema, None).unwrap_err().len(), 2);
    assert!(validate(&document.without_unused_fragments(), &schema, None).is_ok());
}

#[test]
fn defer_is_known_and_has_its_rules() {
    let schema = Schema::parse(
        "type Query { a: Query  b: Int } type Mutation { a: Query } type Subscription { a: Query }",
        "schema.graphql",
    );
    let schema = Arc::new(ApiSchema::from_supergraph(&schema.expect("it parses")).expect("it is valid"));
    assert!(!schema.sdl().contains("@defer"), "the router defers, not the graph");
    for (text, expected) in [
        ("{ ... @defer { b } }", "Query (anonymous)"),
        (
            "query($if: Boolean!) { ...F @defer(if: $if, label: \"f\") a { ... on Query @defer(label: \"g\") { b } } } fragment F on Query { b }",
            "Query (anonymous)",
        ),
        (
            "{ ... @defer(label: null) { b } a { ... @defer { b } } }",
            "Query (anonymous)",
        ),
        (
            "query($l: String) { ... @defer(label: $l) { b } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "{ ... @defer(label: \"x\") { b } ...F } fragment F on Query { a { ... @defer(label: \"x\") { b } } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("mutation { a { ... @defer { b } } }", "Mutation (anonymous)"),
        (
            "mutation { ...F } fragment F on Mutation { ... @defer(if: false) { a { b } } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { a { ...F } } fragment F on Query { ... @defer { b } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { a { ... @defer(if: false) { b } } }",
            "Subscription (anonymous)",
        ),
        (
            "subscription($if: Boolean!) { a { ... @defer(if: $if) { b } } }",
            "Subscription (anonymous)",
        ),
    ] {
        let document = parse(text, &Limits::default()).expect("it parses");
        let report = report(validate(&document, &schema, None));
        assert!(report.starts_with(expected), "{text}: {report}");
        assert_eq!(report.lines().count(), 1, "{text}: {report}");
    }
    let misplaced = parse("{ b @defer }", &Limits::default()).expect("it parses");
    assert!(
        validate(&misplaced, &schema, None).is_err(),
        "fields cannot be deferred"
    );
}
