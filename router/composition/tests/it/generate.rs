//! Random subgraphs of one small shop: most fit together, some do not.
//!
//! Every subgraph draws from the same types, so that definitions meet; what it makes of a field (type, nullability,
//! directives, description) varies, with what is valid far more likely than what is not.

use federation::Subgraph;
use proptest::prelude::*;
use proptest::sample::select;

/// Two to four subgraphs.
pub(crate) fn subgraphs() -> impl Strategy<Value = Vec<Subgraph>> {
    prop::collection::vec(sdl(), 2..=4).prop_map(|sdls| {
        let subgraph = |(index, sdl): (usize, String)| Subgraph {
            name: NAMES[index].to_owned(),
            routing_url: format!("http://{}/graphql", NAMES[index]),
            sdl,
        };
        sdls.into_iter().enumerate().map(subgraph).collect()
    })
}

const NAMES: [&str; 4] = ["carts", "prices", "products", "reviews"];

const LINK: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires", "@provides", "@override", "@tag", "@inaccessible", "@cost", "@authenticated"])"#;

/// SDL of one subgraph.
fn sdl() -> impl Strategy<Value = String> {
    let definitions = (
        object("type Product implements Node", ["@key(fields: \"id\")", ""], PRODUCT),
        object(
            "type Review",
            ["@key(fields: \"id\")", "@key(fields: \"id\") @tag(name: \"r\")"],
            REVIEW,
        ),
        object("type Size", ["@shareable", "@shareable"], SIZE),
        object("interface Node", ["", "@tag(name: \"n\")"], NODE),
        inputs(),
        enumeration(),
        members(),
        object("type Query", ["", ""], QUERY),
    );
    definitions.prop_map(|(product, review, size, node, filter, color, found, query)| {
        [LINK, &product, &review, &size, &node, &filter, &color, &found, &query].join("\n\n")
    })
}

/// A field: how it begins, and the types it may have, the likeliest first.
type FieldChoice = (&'static str, &'static [&'static str]);

const PRODUCT: &[FieldChoice] = &[
    ("id", &["ID!"]),
    ("name", &["String", "String!"]),
    ("size", &["Size", "Size!", "String"]),
    ("color", &["Color"]),
    ("reviews", &["[Review]", "[Review!]"]),
];
const REVIEW: &[FieldChoice] = &[
    ("id", &["ID!"]),
    ("stars(scale: Int)", &["Int"]),
    ("product", &["Product"]),
    ("text(length: Int = 3)", &["String", "String!"]),
];
const SIZE: &[FieldChoice] = &[("height", &["Int", "Int!", "Float"]), ("width", &["Int"])];
const NODE: &[FieldChoice] = &[("id", &["ID!"])];
const QUERY: &[FieldChoice] = &[
    ("node", &["Node"]),
    ("products(filter: Filter)", &["[Product]"]),
    ("found", &["Found"]),
    ("color(like: Color)", &["Color"]),
];

/// A type with some of its fields; always the first, so that it is never empty.
fn object(
    head: &'static str,
    directives: [&'static str; 2],
    fields: &'static [FieldChoice],
) -> impl Strategy<Value = String> {
    let is_interface = head.starts_with("interface");
    let chosen: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(position, choice)| field(*choice, position == 0, is_interface))
        .collect();
    let directive = prop_oneof![9 => Just(directives[0]), 1 => Just(directives[1])];
    (description(), directive, chosen).prop_map(move |(description, directive, fields)| {
        format!("{description}{head} {directive} {{\n{}}}", fields.concat())
    })
}

/// What a shared field may have besides.
const MARKS: &[&str] = &[
    "@shareable @tag(name: \"t\")",
    "@shareable @tag(name: \"u\")",
    "@shareable @deprecated(reason: \"old\")",
    "@shareable @cost(weight: 3)",
    "@shareable @authenticated",
];

/// What is wrong on most fields, though not on all.
const MISUSES: &[&str] = &[
    "",
    "@external",
    "@shareable @inaccessible",
    "@override(from: \"carts\")",
];

fn field((name, types): FieldChoice, is_needed: bool, is_interface: bool) -> impl Strategy<Value = String> {
    let ty = prop_oneof![8 => Just(types[0]), 1 => select(types)];
    let directive = prop_oneof![
        80 => Just("@shareable"),
        10 => select(MARKS),
        1 => select(MISUSES),
    ];
    let is_present = if is_needed { 1.0 } else { 0.8 };
    (prop::bool::weighted(is_present), description(), ty, directive).prop_map(
        move |(is_present, description, ty, directive)| match (is_present, is_interface) {
            (false, _) => String::new(),
            (true, true) => format!("{description}{name}: {ty}\n"),
            (true, false) => format!("{description}{name}: {ty} {directive}\n"),
        },
    )
}

fn description() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(""), 1 => Just("\"One text.\"\n"), 1 => Just("\"Another text.\"\n")]
}

fn inputs() -> impl Strategy<Value = String> {
    let limit = prop_oneof![3 => Just("limit: Int"), 1 => Just("limit: Int = 3"), 1 => Just("limit: Int!")];
    let color = prop_oneof![3 => Just("color: Color"), 1 => Just(""), 1 => Just("color: Color @inaccessible")];
    (limit, color).prop_map(|(limit, color)| format!("input Filter {{ text: String\n{limit}\n{color} }}"))
}

fn enumeration() -> impl Strategy<Value = String> {
    let blue = prop_oneof![4 => Just("BLUE"), 1 => Just(""), 1 => Just("BLUE @inaccessible")];
    blue.prop_map(|blue| format!("enum Color {{ RED GREEN {blue} }}"))
}

fn members() -> impl Strategy<Value = String> {
    let members = prop_oneof![3 => Just("Product | Review"), 1 => Just("Product")];
    members.prop_map(|members| format!("union Found = {members}"))
}
