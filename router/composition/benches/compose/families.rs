//! Schemas that grow in one respect each, and the large graphs.
//!
//! All compose without an error: what is measured is composition, not reporting.

use std::fmt::Write;

use federation::Subgraph;

const LINK: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires"])
"#;

/// Schemas of any size.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// The smallest size that is measured; the largest is eight times that.
    pub(crate) size: usize,
    pub(crate) build: fn(usize) -> Vec<Subgraph>,
}

impl Family {
    pub(crate) const ALL: &[Self] = &[
        family("types of one subgraph", 250, types),
        family("fields of one type", 1_000, fields),
        family("subgraphs", 10, subgraphs),
        family("entities shared by 10 subgraphs", 25, shared_entities),
        family("value types shared by 10", 25, value_types),
        family("chain of keys", 25, key_chain),
        family("implementations of an interface", 100, implementations),
        family("fields of an interface's type", 25, interface_fields),
        family("chain of @requires", 50, requires_chain),
        family("members of a union", 100, union_members),
        family("unions of the same members", 10, unions),
    ];
}

const fn family(name: &'static str, size: usize, build: fn(usize) -> Vec<Subgraph>) -> Family {
    Family { name, size, build }
}

/// Graphs of one size: the two of the bar, and what is unusual in one respect.
pub(crate) const LARGE_GRAPHS: &[Family] = &[
    family("own types: 500 of its own in each of 20 subgraphs", 500, own_types),
    family("same types: the same 500 in each of 20 subgraphs", 500, same_types),
    family("large: a type of 10,000 fields in 2 subgraphs", 10_000, fields),
    family(
        "large: an interface of 2,000 objects in 2 subgraphs",
        2_000,
        implementations,
    ),
    family("large: a union of 5,000 members in 3 subgraphs", 5_000, union_members),
    family("large: a chain of 500 keys and subgraphs", 500, key_chain),
    family("large: a chain of 10,000 @requires", 10_000, requires_chain),
];

fn subgraph(index: usize, sdl: &str) -> Subgraph {
    Subgraph {
        name: format!("s{index}"),
        routing_url: String::new(),
        sdl: format!("{LINK}{sdl}"),
    }
}

/// How many fields and union members are declared: a line each, but members of a union on one.
pub(crate) fn field_count(subgraphs: &[Subgraph]) -> usize {
    let lines = subgraphs.iter().flat_map(|subgraph| subgraph.sdl.lines());
    lines
        .map(|line| match line.starts_with("union ") {
            true => line.matches('|').count() + 1,
            false => usize::from(line.starts_with("  ")),
        })
        .sum()
}

pub(crate) fn type_count(subgraphs: &[Subgraph]) -> usize {
    let lines = subgraphs.iter().flat_map(|subgraph| subgraph.sdl.lines());
    lines.filter(|line| line.starts_with("type ")).count()
}

/// Builds a text by appending to it.
fn text(append: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    append(&mut text);
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string grows");
    text.push('\n');
}

fn lines(text: &mut String, count: usize, of: impl Fn(usize) -> String) {
    for index in 0..count {
        line(text, format_args!("{}", of(index)));
    }
}

fn types(count: usize) -> Vec<Subgraph> {
    let sdl = text(|text| {
        line(text, format_args!("type Query {{\n  t: T0\n}}"));
        for index in 0..count {
            line(text, format_args!("type T{index} @key(fields: \"id\") {{\n  id: ID!"));
            lines(text, 5, |field| format!("  f{field}: String"));
            line(text, format_args!("  next: T{}\n}}", (index + 1) % count));
        }
    });
    vec![subgraph(0, &sdl)]
}

fn fields(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(
                text,
                format_args!("type Query {{\n  t{own}: T\n}}\ntype T @key(fields: \"id\") {{\n  id: ID!"),
            );
            lines(text, count, |field| format!("  s{own}f{field}: String"));
            line(text, format_args!("}}"));
        })
    };
    (0..2).map(|own| subgraph(own, &of(own))).collect()
}

fn subgraphs(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(
                text,
                format_args!("type Query {{\n  t{own}: T\n}}\ntype T @key(fields: \"id\") {{\n  id: ID!"),
            );
            lines(text, 10, |field| format!("  s{own}f{field}: String"));
            line(text, format_args!("}}"));
        })
    };
    (0..count).map(|own| subgraph(own, &of(own))).collect()
}

fn shared_entities(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{\n  t{own}: T0\n}}"));
            for index in 0..count {
                line(text, format_args!("type T{index} @key(fields: \"id\") {{\n  id: ID!"));
                line(text, format_args!("  shared: String @shareable"));
                lines(text, 3, |field| format!("  s{own}f{field}: String"));
                line(text, format_args!("  s{own}next: T{}\n}}", (index + 1 + own) % count));
            }
        })
    };
    (0..10).map(|own| subgraph(own, &of(own))).collect()
}

fn value_types(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{\n  t{own}: T0\n}}"));
            for index in 0..count {
                line(text, format_args!("type T{index} @shareable {{"));
                lines(text, 5, |field| format!("  f{field}: String"));
                line(text, format_args!("  next: T{}\n}}", (index + 1) % count));
            }
        })
    };
    (0..10).map(|own| subgraph(own, &of(own))).collect()
}

/// Each subgraph knows two keys, and the field of the last is asked for in the first.
fn key_chain(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        let next = own + 1;
        text(|text| {
            if own == 0 {
                line(text, format_args!("type Query {{\n  t: T\n}}"));
            }
            line(
                text,
                format_args!(
                    "type T @key(fields: \"k{own}\") @key(fields: \"k{next}\") {{\n  k{own}: ID!\n  k{next}: ID!"
                ),
            );
            line(text, format_args!("  f{own}: String\n}}"));
        })
    };
    (0..count).map(|own| subgraph(own, &of(own))).collect()
}

fn implementations(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{\n  s{own}nodes: [Node]\n}}"));
            line(text, format_args!("interface Node {{\n  id: ID!\n}}"));
            for index in 0..count {
                line(
                    text,
                    format_args!("type T{index} implements Node @key(fields: \"id\") {{\n  id: ID!"),
                );
                line(text, format_args!("  s{own}f: String\n}}"));
            }
        })
    };
    (0..2).map(|own| subgraph(own, &of(own))).collect()
}

/// Every implementation has fields of the interface's type, so that any may be below any.
fn interface_fields(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{\n  s{own}nodes: [Node]\n}}"));
            line(text, format_args!("interface Node {{\n  id: ID!\n}}"));
            for index in 0..count {
                line(
                    text,
                    format_args!("type T{index} implements Node @key(fields: \"id\") {{\n  id: ID!"),
                );
                lines(text, 4, |field| format!("  s{own}f{field}: Node"));
                line(text, format_args!("}}"));
            }
        })
    };
    (0..3).map(|own| subgraph(own, &of(own))).collect()
}

/// Field by field from one subgraph to the other and back.
fn requires_chain(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            if own == 0 {
                line(text, format_args!("type Query {{\n  t: T\n}}"));
            }
            line(text, format_args!("type T @key(fields: \"id\") {{\n  id: ID!"));
            for index in 0..count {
                if index % 2 != own {
                    line(text, format_args!("  f{index}: String @external"));
                } else if index == 0 {
                    line(text, format_args!("  f0: String"));
                } else {
                    line(
                        text,
                        format_args!("  f{index}: String @requires(fields: \"f{}\")", index - 1),
                    );
                }
            }
            line(text, format_args!("}}"));
        })
    };
    // An external field must be used: the last of one subgraph is not required by the other.
    let last = count - 1;
    let unused = format!("  f{last}: String @external\n");
    (0..2).map(|own| subgraph(own, &of(own).replace(&unused, ""))).collect()
}

fn union_members(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{\n  s{own}any: Any\n}}"));
            let members: Vec<String> = (0..count).map(|index| format!("T{index}")).collect();
            line(text, format_args!("union Any = {}", members.join(" | ")));
            for index in 0..count {
                line(text, format_args!("type T{index} @key(fields: \"id\") {{\n  id: ID!"));
                line(text, format_args!("  s{own}f: String\n}}"));
            }
        })
    };
    (0..3).map(|own| subgraph(own, &of(own))).collect()
}

/// Many unions, each of the same twenty members.
fn unions(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{"));
            lines(text, count, |index| format!("  s{own}u{index}: U{index}"));
            line(text, format_args!("}}"));
            let members: Vec<String> = (0..20).map(|index| format!("T{index}")).collect();
            lines(text, count, |index| format!("union U{index} = {}", members.join(" | ")));
            for index in 0..20 {
                line(text, format_args!("type T{index} @key(fields: \"id\") {{\n  id: ID!"));
                line(text, format_args!("  s{own}f: String\n}}"));
            }
        })
    };
    (0..3).map(|own| subgraph(own, &of(own))).collect()
}

/// Entities of one subgraph, which refer to each other; every tenth one is of the subgraph before.
fn own_types(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{\n  s{own}first: S{own}T0\n}}"));
            for index in 0..count {
                let name = format!("S{own}T{index}");
                line(text, format_args!("type {name} @key(fields: \"id\") {{\n  id: ID!"));
                line(
                    text,
                    format_args!("  name: String!\n  count: Int\n  tags: [String!]! @shareable"),
                );
                lines(text, index % 4, |field| {
                    format!("  f{field}(first: Int = 10, after: ID): String")
                });
                line(text, format_args!("  next: S{own}T{}", (index + 1) % count));
                line(text, format_args!("  others: [S{own}T{}!]!", (index * 7 + 3) % count));
                if own > 0 && index % 10 == 0 {
                    line(text, format_args!("  before: S{}T{index}", own - 1));
                }
                line(text, format_args!("}}"));
                if own > 0 && index % 10 == 0 {
                    line(
                        text,
                        format_args!(
                            "type S{}T{index} @key(fields: \"id\") {{\n  id: ID!\n  s{own}extra: String\n}}",
                            own - 1
                        ),
                    );
                }
            }
        })
    };
    (0..20).map(|own| subgraph(own, &of(own))).collect()
}

/// The same entities everywhere; each subgraph adds fields of its own to shared ones.
fn same_types(count: usize) -> Vec<Subgraph> {
    let of = |own: usize| {
        text(|text| {
            line(text, format_args!("type Query {{\n  s{own}first: T0\n}}"));
            for index in 0..count {
                line(text, format_args!("type T{index} @key(fields: \"id\") {{\n  id: ID!"));
                line(
                    text,
                    format_args!("  name: String! @shareable\n  count: Int @shareable"),
                );
                lines(text, index % 4 + 1, |field| {
                    format!("  s{own}f{field}(first: Int = 10): String")
                });
                line(text, format_args!("  s{own}next: T{}", (index + 1 + own) % count));
                line(
                    text,
                    format_args!("  s{own}others: [T{}!]!\n}}", (index * 7 + own) % count),
                );
            }
        })
    };
    (0..20).map(|own| subgraph(own, &of(own))).collect()
}
