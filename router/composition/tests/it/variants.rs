//! Conformance cases said differently: what a subgraph calls federation's directives, in which order and in how many
//! pieces it defines its types, and which compatible version it links, must not change what comes out.

use std::collections::BTreeSet;

use apollo_compiler::Node;
use apollo_compiler::ast::{
    Definition, DirectiveList, Document, EnumTypeExtension, InputObjectTypeExtension, ObjectTypeExtension,
    UnionTypeExtension,
};
use composition::compose;
use federation::Subgraph;

use crate::{conformance, meaning};

/// What composition says, as far as it must not depend on how it was asked.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Composed {
        supergraph: BTreeSet<String>,
        hints: BTreeSet<&'static str>,
    },
    Refused(BTreeSet<&'static str>),
}

fn outcome(subgraphs: &[Subgraph]) -> Outcome {
    match compose(subgraphs) {
        Ok(composed) => Outcome::Composed {
            supergraph: meaning::of_supergraph(&composed.supergraph_sdl).expect("a supergraph that can be read"),
            hints: composed.hints.iter().map(|hint| hint.code.as_str()).collect(),
        },
        Err(errors) => Outcome::Refused(errors.iter().map(|error| error.code.as_str()).collect()),
    }
}

/// Checks all cases whose every subgraph can be changed or needs no change; prints how many those were.
fn check(what: &str, change: impl Fn(&str) -> Option<String>) {
    let Some(dir) = conformance::conformance_dir() else {
        return;
    };
    let mut changed = 0;
    let mut failed = Vec::new();
    for case in conformance::composition_cases(&dir) {
        let subgraphs = case.subgraphs();
        let vary = |subgraph: &Subgraph| {
            Some(Subgraph {
                sdl: change(&subgraph.sdl)?,
                ..subgraph.clone()
            })
        };
        let Some(varied) = subgraphs.iter().map(vary).collect::<Option<Vec<_>>>() else {
            continue;
        };
        if varied == subgraphs {
            continue;
        }
        changed += 1;
        let (expected, found) = (outcome(&subgraphs), outcome(&varied));
        if found != expected {
            failed.push(format!("{}: {}", case.label(), difference(&expected, &found)));
        }
    }
    eprintln!("{what}: {changed} cases, {} of them come out differently", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn difference(expected: &Outcome, found: &Outcome) -> String {
    match (expected, found) {
        (
            Outcome::Composed { supergraph: own, hints },
            Outcome::Composed {
                supergraph: other,
                hints: other_hints,
            },
        ) => format!("{hints:?} became {other_hints:?}\n{}", meaning::difference(other, own)),
        (Outcome::Refused(codes), Outcome::Refused(other)) => format!("{codes:?} became {other:?}"),
        (Outcome::Refused(codes), Outcome::Composed { .. }) => format!("{codes:?} became accepted"),
        (Outcome::Composed { .. }, Outcome::Refused(codes)) => format!("accepted became {codes:?}"),
    }
}

#[test]
fn order_of_definitions_does_not_matter() {
    check("definitions reversed", |sdl| {
        let mut document = Document::parse(sdl, "subgraph.graphql").ok()?;
        document.definitions.reverse();
        Some(document.to_string())
    });
}

/// Directives that stay in their subgraph, so that each may call them as it likes.
const RENAMED: [&str; 8] = [
    "key",
    "shareable",
    "external",
    "requires",
    "provides",
    "override",
    "extends",
    "interfaceObject",
];

#[test]
fn names_of_imports_do_not_matter() {
    check("imports renamed", |sdl| {
        let mut text = sdl.to_owned();
        for name in RENAMED {
            let imported = format!("\"@{name}\"");
            if text.contains(&format!("directive @{name}")) {
                return None;
            }
            let is_renamed = text.contains(&format!("name: {imported}"));
            if text.matches(&imported).count() == 1 && !is_renamed {
                let placeholder = "\u{1}";
                text = text.replace(&imported, placeholder);
                text = replace_word(&text, &format!("@{name}"), &format!("@my_{name}"));
                let renamed = format!("{{ name: \"@{name}\", as: \"@my_{name}\" }}");
                text = text.replace(placeholder, &renamed);
            }
        }
        Some(text)
    });
}

/// Replaces `word` where it is not the beginning of a longer one.
fn replace_word(text: &str, word: &str, with: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(word) {
        let is_longer = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        replaced.push_str(before);
        replaced.push_str(if is_longer { word } else { with });
        rest = after;
    }
    replaced + rest
}

#[test]
fn every_version_accepts_what_an_earlier_one_accepted() {
    let Some(dir) = conformance::conformance_dir() else {
        return;
    };
    let mut failed = Vec::new();
    let mut changed = 0;
    for case in conformance::composition_cases(&dir) {
        let subgraphs = case.subgraphs();
        let expected = outcome(&subgraphs);
        let newer: Vec<_> = subgraphs.iter().map(in_newest_version).collect();
        if newer == subgraphs || matches!(expected, Outcome::Refused(_)) {
            continue;
        }
        changed += 1;
        let found = outcome(&newer);
        if found != expected {
            failed.push(format!("{}: {}", case.label(), difference(&expected, &found)));
        }
    }
    eprintln!(
        "in the newest version: {changed} cases, {} of them come out differently",
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn in_newest_version(subgraph: &Subgraph) -> Subgraph {
    let mut sdl = subgraph.sdl.clone();
    for minor in 0..12 {
        sdl = sdl.replace(&format!("federation/v2.{minor}\""), "federation/v2.12\"");
    }
    Subgraph {
        sdl,
        ..subgraph.clone()
    }
}

#[test]
fn extensions_do_not_matter() {
    check("last fields moved to extensions", |sdl| {
        let mut document = Document::parse(sdl, "subgraph.graphql").ok()?;
        let extensions: Vec<_> = document
            .definitions
            .iter_mut()
            .filter_map(move_last_to_extension)
            .collect();
        document.definitions.extend(extensions);
        Some(document.to_string())
    });
}

/// Takes the last field or value of a definition that has others, and gives it back in an extension. Directives such as
/// `@shareable` on the type hold for the fields of the same declaration only, so types with directives stay whole.
fn move_last_to_extension(definition: &mut Definition) -> Option<Definition> {
    let is_divisible = |directives: &DirectiveList, count: usize| directives.is_empty() && count > 1;
    match definition {
        Definition::ObjectTypeDefinition(own) if is_divisible(&own.directives, own.fields.len()) => {
            let own = own.make_mut();
            Some(Definition::ObjectTypeExtension(Node::new(ObjectTypeExtension {
                name: own.name.clone(),
                implements_interfaces: Vec::new(),
                directives: DirectiveList::default(),
                fields: own.fields.pop().into_iter().collect(),
            })))
        }
        Definition::InputObjectTypeDefinition(own) if is_divisible(&own.directives, own.fields.len()) => {
            let own = own.make_mut();
            Some(Definition::InputObjectTypeExtension(Node::new(
                InputObjectTypeExtension {
                    name: own.name.clone(),
                    directives: DirectiveList::default(),
                    fields: own.fields.pop().into_iter().collect(),
                },
            )))
        }
        Definition::EnumTypeDefinition(own) if is_divisible(&own.directives, own.values.len()) => {
            let own = own.make_mut();
            Some(Definition::EnumTypeExtension(Node::new(EnumTypeExtension {
                name: own.name.clone(),
                directives: DirectiveList::default(),
                values: own.values.pop().into_iter().collect(),
            })))
        }
        Definition::UnionTypeDefinition(own) if is_divisible(&own.directives, own.members.len()) => {
            let own = own.make_mut();
            Some(Definition::UnionTypeExtension(Node::new(UnionTypeExtension {
                name: own.name.clone(),
                directives: DirectiveList::default(),
                members: own.members.pop().into_iter().collect(),
            })))
        }
        _ => None,
    }
}
