//! Whatever a subgraph sends, composition answers with errors: it neither panics nor overflows the stack.

use std::path::Path;

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
            "UNKNOWN_LINK_VERSION",
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
fn a_hundred_levels_in_a_field_set_and_ten_thousand_fields_are_fine() {
    let selection = format!("{}id{}", "a { ".repeat(99), " }".repeat(99));
    let sdl = format!("{LINK} type Query {{ a: A }} type A @key(fields: \"{selection}\") {{ id: ID a: A }}");
    assert_eq!(compose_one(&sdl), Ok(()));
    let fields: String = (0..10_000).map(|number| format!("f{number}: Int\n")).collect();
    assert_eq!(compose_one(&format!("{LINK} type Query {{ {fields} }}")), Ok(()));
}

/// Each fixture with each of its words left out, one at a time: most are broken, and none may panic.
#[test]
fn fixtures_with_a_word_missing_never_panic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let features = std::fs::read_dir(root)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path());
    for feature in features.filter(|path| path.join("subgraphs").is_dir()) {
        let subgraphs = crate::fixtures::subgraphs(&feature);
        for index in 0..subgraphs.len() {
            let words: Vec<&str> = subgraphs[index]
                .sdl
                .split_inclusive([' ', '\n', '"', '(', ')', '{', '}'])
                .collect();
            for missing in 0..words.len() {
                let mut broken = subgraphs.clone();
                broken[index].sdl = words[..missing].iter().chain(&words[missing + 1..]).copied().collect();
                let _ = compose(&broken);
            }
        }
    }
}
