//! A supergraph as large as those of big companies.

use std::fmt::Write as _;

use crate::families::{each, supergraph};

/// A supergraph of so many bytes, dealt to fifty subgraphs, and an operation that goes through some of it.
pub(crate) fn make(bytes: usize) -> (String, String) {
    let mut types = String::new();
    let mut count = 0;
    while types.len() < bytes {
        let (own, other) = (count % 50, (count * 7 + 1) % 50);
        let joins = if own == other { vec![own] } else { vec![own, other] };
        let joins = joins
            .iter()
            .map(|graph| format!("@join__type(graph: G{graph}, key: \"id\") "));
        let fields = each(24, |index| {
            let graph = if index % 2 == 0 { own } else { other };
            format!(
                "\"\"\"\nThe field number {index}, and what people write about fields to those who use them.\n\"\"\"\n\
                field{index}(first: Int, after: String): String @join__field(graph: G{graph})\n"
            )
        });
        // Types that are fifty apart are of one subgraph.
        let links = each(6, |index| {
            let target = if count > 50 * index + 50 {
                count - 50 * index - 50
            } else {
                count
            };
            format!("link{index}: [T{target}!] @join__field(graph: G{own})\n")
        });
        let _ = writeln!(
            types,
            "type T{count} {} {{ id: ID!\n{fields}{links} }}",
            joins.collect::<String>()
        );
        count += 1;
    }
    let last = (count - 1) / 50 * 50;
    let _ = writeln!(
        types,
        "type Query @join__type(graph: G0) @join__type(graph: G1) {{ root: T{last} @join__field(graph: G0) }}"
    );
    let mut text = String::from("{ root ");
    for _ in 0..12 {
        text.push_str("{ id field0 field1 other: link1 { id field1 field2 } link0 ");
    }
    (supergraph(50, &types), text + "{ id }" + &"}".repeat(13))
}
