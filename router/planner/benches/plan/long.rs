//! An operation as long as those that programs write: hundreds of kilobytes over a graph of ordinary size.

use std::fmt::Write as _;

use crate::families::{each, supergraph};

/// A multiple of the subgraphs, so that types which are so many apart have the same homes.
const TYPES: usize = 96;
const SUBGRAPHS: usize = 12;
const FIELDS: usize = 7;
const LINKS: usize = 4;

/// A supergraph of entities, each dealt to three subgraphs, and an operation of so many bytes that goes deep into it.
pub(crate) fn make(bytes: usize) -> (String, String) {
    let homes = |number: usize| {
        [
            number % SUBGRAPHS,
            (number + 5) % SUBGRAPHS,
            (number * 7 + 3) % SUBGRAPHS,
        ]
    };
    let types = each(TYPES, |number| {
        let mut homes = homes(number).to_vec();
        homes.sort_unstable();
        homes.dedup();
        let home = |index: usize| homes[index % homes.len()];
        let joins: String = homes
            .iter()
            .map(|graph| format!("@join__type(graph: G{graph}, key: \"id\") "))
            .collect();
        let fields = each(FIELDS, |index| {
            format!("field{index}: String @join__field(graph: G{})\n", home(index + number))
        });
        let links = each(LINKS, |index| {
            let target = linked(number, index);
            format!("link{index}: [T{target}!] @join__field(graph: G{})\n", home(index))
        });
        format!("type T{number} {joins} {{ id: ID!\n{fields}{links} }}\n")
    });
    let roots = each(TYPES, |number| {
        format!("root{number}: T{number} @join__field(graph: G{})\n", homes(number)[0])
    });
    let joins = each(SUBGRAPHS, |graph| format!("@join__type(graph: G{graph}) "));
    let sdl = supergraph(SUBGRAPHS, &format!("type Query {joins} {{ {roots} }}\n{types}"));
    let mut text = String::from("{ ");
    let mut number = 0;
    while text.len() < bytes {
        let _ = write!(text, "a{number}: root{} ", number % TYPES);
        select(&mut text, number % TYPES, (number / TYPES, 5));
        number += 1;
    }
    (sdl, text + "}")
}

/// The type that a link of a type leads to: one of the same homes.
fn linked(number: usize, index: usize) -> usize {
    (number + SUBGRAPHS * (index + 1)) % TYPES
}

/// Selects some fields, and two links of which each operation takes others.
fn select(text: &mut String, number: usize, (variant, depth): (usize, usize)) {
    text.push_str("{ id ");
    for index in 0..FIELDS {
        if (index + variant + depth) % 3 > 0 {
            let _ = write!(text, "field{index} ");
        }
    }
    for index in (0..2).filter(|_| depth > 0) {
        let link = (index + variant + depth) % LINKS;
        let _ = write!(text, "link{link} ");
        select(text, linked(number, link), (variant + index, depth - 1));
    }
    text.push_str("} ");
}
