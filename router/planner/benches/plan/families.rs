//! Families of supergraphs and operations that grow in one direction each: what makes planners slow.

use std::fmt::Write as _;

/// One direction of growth.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Supergraph SDL and operation of a size.
    pub(crate) make: fn(usize) -> (String, String),
    /// Sizes for measuring; tests take the smaller ones.
    pub(crate) sizes: &'static [usize],
}

/// All of them.
pub(crate) const FAMILIES: [Family; 9] = [
    Family {
        name: "depth",
        make: depth,
        sizes: &[6, 12, 24, 48, 96],
    },
    Family {
        name: "width",
        make: width,
        sizes: &[25, 50, 100, 200, 400],
    },
    Family {
        name: "fragments reused",
        make: fragments_reused,
        sizes: &[10, 20, 40, 80, 160],
    },
    Family {
        name: "interface members",
        make: interface_members,
        sizes: &[9, 18, 35, 70, 140],
    },
    Family {
        name: "shared by all subgraphs",
        make: shared_by_all_subgraphs,
        sizes: &[4, 8, 16, 32, 64],
    },
    Family {
        name: "lists of entities",
        make: lists_of_entities,
        sizes: &[5, 10, 20, 40, 80],
    },
    Family {
        name: "chain of requires",
        make: chain_of_requires,
        sizes: &[4, 8, 16, 32, 64],
    },
    Family {
        name: "there and back",
        make: there_and_back,
        sizes: &[4, 8, 16, 32, 64],
    },
    Family {
        name: "many keys",
        make: many_keys,
        sizes: &[4, 8, 16, 32, 64],
    },
];

const HEAD: &str = r#"
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) { query: Query }
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, override: String, usedOverridden: Boolean) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION
directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE
enum link__Purpose { SECURITY EXECUTION }
scalar link__Import
scalar join__FieldSet
"#;

/// A supergraph of subgraphs `s0`, `s1`, ...; `types` in its own words, with `G0`, `G1`, ... as graphs.
pub(crate) fn supergraph(subgraphs: usize, types: &str) -> String {
    let mut sdl = format!("{HEAD}enum join__Graph {{");
    for index in 0..subgraphs {
        let _ = write!(sdl, " G{index} @join__graph(name: \"s{index}\", url: \"\")");
    }
    sdl + " }\n" + types
}

/// One piece of text for each number below `count`.
pub(crate) fn each(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}

/// Entities in entities, each with a field from either of two subgraphs.
fn depth(size: usize) -> (String, String) {
    let sdl = supergraph(
        2,
        r#"
        type Query @join__type(graph: G0) @join__type(graph: G1) { root: Node @join__field(graph: G0) }
        type Node @join__type(graph: G0, key: "id") @join__type(graph: G1, key: "id") {
          id: ID! next: Node @join__field(graph: G0) left: Int @join__field(graph: G0) right: Int @join__field(graph: G1)
        }"#,
    );
    let open = each(size, |_| "{ left right next ".to_owned());
    (sdl, format!("{{ root {open} {{ left }} {} }}", "}".repeat(size)))
}

/// Fields of one entity, dealt to five subgraphs.
fn width(size: usize) -> (String, String) {
    let joins = each(5, |index| format!("@join__type(graph: G{index}, key: \"id\") "));
    let fields = each(size, |index| {
        format!("f{index}: Int @join__field(graph: G{})\n", index % 5)
    });
    let types = format!(
        "type Query @join__type(graph: G0) {{ root: Node @join__field(graph: G0) }}\ntype Node {joins} {{ id: ID!\n{fields} }}"
    );
    let selected = each(size, |index| format!("f{index} "));
    (supergraph(5, &types), format!("{{ root {{ {selected} }} }}"))
}

/// One fragment, spread at more and more places.
fn fragments_reused(size: usize) -> (String, String) {
    let (sdl, _) = depth(1);
    let spreads = each(size, |index| format!("at{index}: root {{ ...Part }} "));
    let part = "fragment Part on Node { left right next { left right next { right } } }";
    (sdl, format!("{{ {spreads} }}\n{part}"))
}

/// An interface whose implementations each have a field in a second subgraph.
fn interface_members(size: usize) -> (String, String) {
    let members = each(size, |index| {
        format!(
            r#"type M{index} implements Node @join__implements(graph: G0, interface: "Node")
            @join__type(graph: G0, key: "id") @join__type(graph: G1, key: "id") {{
              id: ID! name: String @join__field(graph: G1) own{index}: Int @join__field(graph: G1)
            }}
            "#
        )
    });
    let types = format!(
        "type Query @join__type(graph: G0) @join__type(graph: G1) {{ nodes: [Node] @join__field(graph: G0) }}
        interface Node @join__type(graph: G0) {{ id: ID! name: String }}\n{members}"
    );
    let selected = each(size, |index| format!("... on M{index} {{ own{index} }} "));
    (supergraph(2, &types), format!("{{ nodes {{ id name {selected} }} }}"))
}

/// Subgraphs that all resolve the same fields.
fn shared_by_all_subgraphs(size: usize) -> (String, String) {
    let keys = each(size, |index| format!("@join__type(graph: G{index}, key: \"id\") "));
    let types = format!(
        "type Query @join__type(graph: G0) {{ root: Node }}
        type Node {keys} {{ id: ID! next: Node left: Int right: Int own: Int @join__field(graph: G{}) }}",
        size - 1
    );
    let operation = "{ root { left next { right own next { left next { right own next { left own } } } } } }";
    (supergraph(size, &types), operation.to_owned())
}

/// Lists of entities side by side, all completed by a second subgraph.
fn lists_of_entities(size: usize) -> (String, String) {
    let lists = each(size, |index| format!("l{index}: [T{index}] @join__field(graph: G0)\n"));
    let entities = each(size, |index| {
        format!(
            r#"type T{index} @join__type(graph: G0, key: "id") @join__type(graph: G1, key: "id") {{
              id: ID! name: String @join__field(graph: G1)
            }}
            "#
        )
    });
    let types = format!("type Query @join__type(graph: G0) @join__type(graph: G1) {{ {lists} }}\n{entities}");
    let selected = each(size, |index| format!("l{index} {{ name }} "));
    (supergraph(2, &types), format!("{{ {selected} }}"))
}

/// A field that requires one of another subgraph, which requires one of the first, and so on.
fn chain_of_requires(size: usize) -> (String, String) {
    let fields = each(size, |index| {
        let (own, other) = (index % 2, (index + 1) % 2);
        let before = match index {
            0 => format!("f0: Int @join__field(graph: G{own})"),
            _ => format!(
                "f{index}: Int @join__field(graph: G{own}, requires: \"f{}\")",
                index - 1
            ),
        };
        format!("{before} @join__field(graph: G{other}, external: true)\n")
    });
    let types = format!(
        r#"type Query @join__type(graph: G0) @join__type(graph: G1) {{ root: Node @join__field(graph: G0) }}
        type Node @join__type(graph: G0, key: "id") @join__type(graph: G1, key: "id") {{ id: ID!
        {fields} }}"#
    );
    (supergraph(2, &types), format!("{{ root {{ f{} }} }}", size - 1))
}

/// Entities in entities, each resolved by the other subgraph than the one around it.
fn there_and_back(size: usize) -> (String, String) {
    let types = r#"
        type Query @join__type(graph: G0) @join__type(graph: G1) { here: Here @join__field(graph: G0) }
        type Here @join__type(graph: G0, key: "id") @join__type(graph: G1, key: "id") {
          id: ID! there: There @join__field(graph: G1)
        }
        type There @join__type(graph: G0, key: "id") @join__type(graph: G1, key: "id") {
          id: ID! here: Here @join__field(graph: G0)
        }"#;
    let fields = ["{ there ", "{ here "];
    let way = each(size, |index| fields[index % 2].to_owned());
    let operation = format!("{{ here {way} {{ id }} {} }}", "}".repeat(size));
    (supergraph(2, types), operation)
}

/// An entity whose subgraphs know one of its keys each, and the next one.
fn many_keys(size: usize) -> (String, String) {
    let joins = each(size, |index| {
        let next = if index + 1 < size {
            format!("@join__type(graph: G{index}, key: \"k{}\") ", index + 1)
        } else {
            String::new()
        };
        format!("@join__type(graph: G{index}, key: \"k{index}\") {next}")
    });
    let keys = each(size, |index| {
        let before = match index {
            0 => String::new(),
            _ => format!("@join__field(graph: G{})", index - 1),
        };
        format!("k{index}: ID! {before} @join__field(graph: G{index})\n")
    });
    let types = format!(
        "type Query @join__type(graph: G0) {{ root: Node @join__field(graph: G0) }}
        type Node {joins} {{ {keys} last: Int @join__field(graph: G{}) }}",
        size - 1
    );
    (supergraph(size, &types), "{ root { last } }".to_owned())
}
