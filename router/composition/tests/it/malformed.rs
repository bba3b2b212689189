//! Whatever a subgraph sends, composition answers with errors: it neither panics nor overflows the stack.

use composition::compose;
use federation::Subgraph;

const LINK: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@requires", "@external"])"#;

fn compose_one(sdl: &str) -> Result<(), Vec<String>> {
    let subgraph = Subgraph {
        name: "one".to_owned(),
        routing_url: String::new(),
        sdl: sdl.to_owned(),
    };
    let errors = compose(&[subgraph]).map(|_| ());
    errors.map_err(|errors| errors.iter().map(|error| error.code.to_string()).collect())
}

#[test]
fn malformed_sdl_gives_a_code() {
    let cases = [
        ("", "INVALID_GRAPHQL"),
        ("type A { a: Int }", "NO_QUERIES"),
        ("type Query {", "INVALID_GRAPHQL"),
        ("\u{0}", "INVALID_GRAPHQL"),
        ("{ query }", "INVALID_GRAPHQL"),
        ("type Query { a: Missing }", "INVALID_GRAPHQL"),
        ("type Query { a: Int a: Int }", "INVALID_GRAPHQL"),
        ("type Query { a(b: Int = \"x\"): Int }", "INVALID_GRAPHQL"),
        (
            "interface A implements B { a: Int } interface B implements A { a: Int } type Query { a: A }",
            "INVALID_GRAPHQL",
        ),
        (
            "type Query { a: A } type A @key(fields: \"-a\") { a: ID }",
            "KEY_INVALID_FIELDS",
        ),
        (
            "type Query { a: A } type A @key(fields: \"%\") { a: ID }",
            "KEY_INVALID_FIELDS",
        ),
        (
            "type Query { a: A } type A @key(fields: \"\") { a: ID }",
            "KEY_INVALID_FIELDS",
        ),
        (
            "type Query { a: A } type A @key(fields: \".a\") { a: ID }",
            "KEY_INVALID_FIELDS",
        ),
        (
            "extend schema @link type Query { a: Int }",
            "INVALID_LINK_DIRECTIVE_USAGE",
        ),
        (
            "extend schema @link(url: 3) type Query { a: Int }",
            "INVALID_LINK_DIRECTIVE_USAGE",
        ),
        (
            "extend schema @link(url: \"nonsense\") type Query { a: Int }",
            "INVALID_LINK_IDENTIFIER",
        ),
        (
            "extend schema @link(url: \"https://specs.apollo.dev/federation/v9.9\") type Query { a: Int }",
            "UNKNOWN_FEDERATION_LINK_VERSION",
        ),
    ];
    for (sdl, code) in cases {
        let errors = compose_one(sdl).expect_err(sdl);
        assert!(
            errors.iter().any(|error| error == code),
            "{sdl}: {errors:?} instead of {code}"
        );
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep_selection = format!("{}id{}", "a { ".repeat(2_000), " }".repeat(2_000));
    let sdl = format!("{LINK} type Query {{ a: A }} type A @key(fields: \"{deep_selection}\") {{ id: ID a: A }}");
    assert_eq!(compose_one(&sdl).expect_err("too deep"), ["KEY_INVALID_FIELDS"]);
    let deep_type = format!("type Query {{ a: {}Int{} }}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(compose_one(&deep_type).expect_err("too deep")[0], "INVALID_GRAPHQL");
    let deep_value = format!(
        "type Query {{ a(b: Int = {}1{}): Int }}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    assert_eq!(compose_one(&deep_value).expect_err("too deep")[0], "INVALID_GRAPHQL");
}

#[test]
fn what_is_large_gets_an_answer() {
    let field_set = |depth: usize| {
        let selection = format!("{}id{}", "a { ".repeat(depth), " }".repeat(depth));
        format!("{LINK} type Query {{ a: A }} type A @key(fields: \"{selection}\") {{ id: ID a: A }}")
    };
    let numbered = |count: usize, text: &str| -> String {
        (0..count)
            .map(|number| text.replace('#', &number.to_string()))
            .collect()
    };
    let many_members = numbered(3_000, "type T# { a: Int } ");
    let members: Vec<_> = (0..3_000).map(|number| format!("T{number}")).collect();
    let cases = [
        (field_set(99), Ok(())),
        (field_set(1_000), Err("KEY_INVALID_FIELDS")),
        (
            format!("{LINK} type Query {{ {} }}", numbered(10_000, "f#: Int\n")),
            Ok(()),
        ),
        (
            format!("type Query {{ a: Int }} enum E {{ {} }}", numbered(10_000, "V# ")),
            Ok(()),
        ),
        (
            format!("type Query {{ a: U }} union U = {} {many_members}", members.join(" | ")),
            Ok(()),
        ),
    ];
    for (sdl, expected) in cases {
        check_answer(&sdl, expected);
    }
}

#[test]
fn what_is_circular_or_defined_twice_gets_an_answer() {
    let cases = [
        (
            "interface A implements A { a: Int } type Query { a: A }",
            Err("INVALID_GRAPHQL"),
        ),
        (
            "interface A implements B & C { a: Int } interface B implements C & A { a: Int } \
             interface C implements A & B { a: Int } type Query { a: A }",
            Err("INVALID_GRAPHQL"),
        ),
        ("input I { i: I! } type Query { a(i: I): Int }", Err("INVALID_GRAPHQL")),
        (
            "input I { j: J! } input J { i: I! } type Query { a(i: I): Int }",
            Err("INVALID_GRAPHQL"),
        ),
        ("input I { i: I j: [I!]! } type Query { a(i: I): Int }", Ok(())),
        ("type Query { a: Int } type Query { b: Int }", Err("INVALID_GRAPHQL")),
        ("type Query { a: E } enum E { A A }", Err("INVALID_GRAPHQL")),
        (
            "directive @d on FIELD directive @d on FIELD type Query { a: Int }",
            Err("INVALID_GRAPHQL"),
        ),
        (
            "directive @d(a: Int @d) on ARGUMENT_DEFINITION type Query { a: Int }",
            Err("INVALID_GRAPHQL"),
        ),
        ("type Query { q: Query a: [[[[[[[[[[Int!]!]!]!]!]!]!]!]!]!] }", Ok(())),
    ];
    for (sdl, expected) in cases {
        check_answer(sdl, expected);
    }
}

#[track_caller]
fn check_answer(sdl: &str, expected: Result<(), &str>) {
    let shown: String = sdl.chars().take(200).collect();
    match (compose_one(sdl), expected) {
        (Ok(()), Ok(())) => {}
        (Err(errors), Err(code)) if errors.iter().any(|error| error == code) => {}
        (found, expected) => panic!("{shown}: {found:?} instead of {expected:?}"),
    }
}

/// A circle of required fields that only the supergraph has: each field is optional in one of the subgraphs.
#[test]
fn inputs_that_need_each_other_only_together_are_refused() {
    let subgraph = |name: &str, sdl: &str| Subgraph {
        name: name.to_owned(),
        routing_url: String::new(),
        sdl: format!("{LINK} {sdl}"),
    };
    let subgraphs = [
        subgraph(
            "one",
            "input A { b: B! } input B { a: A } type Query { one(a: A): Int }",
        ),
        subgraph(
            "two",
            "input A { b: B } input B { a: A! } type Query { two(a: A): Int }",
        ),
    ];
    let codes: Vec<_> = compose(&subgraphs)
        .expect_err("a circle")
        .iter()
        .map(|error| error.code.as_str())
        .collect();
    assert_eq!(codes, ["INVALID_GRAPHQL", "INVALID_GRAPHQL"]);
}
