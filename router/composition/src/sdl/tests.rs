//! What is read here must be what apollo-compiler's parser gives, and stand where that says.

use std::path::{Path, PathBuf};

use apollo_compiler::Node;
use apollo_compiler::ast::{Definition, DirectiveList, Document, EnumValueDefinition, InputValueDefinition};
use apollo_compiler::parser::{Parser, SourceSpan};
use proptest::prelude::*;

use super::{Places, read};
use crate::error::SourceLocation;

/// Broken texts that are tried for each that is whole.
const BROKEN: u64 = 12;

/// Everything that a document can have.
const WHOLE: &str = r#"
# A comment, and all kinds of what is ignored:	,
"""
  The schema,
    described
"""
schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", { name: "@tag", as: "@mark" }]) {
  query: Query mutation: Mutation,
}
extend schema @a { subscription: S }
"one" scalar Date @specifiedBy(url: "x")
extend scalar Date @a
interface Node implements & A & B @key(fields: "id") { "an id" id(a: [Int!]! = [1, -2, 0] @a, b: F = 1.5e3): ID! @a @b(c: null) }
extend interface Node implements C
type Query
type T implements Node @key(fields: """
  id
""") { id: ID! type: [[T!]]! input(input: In = {a: {b: [true, false, E]}, c: ""}): T }
extend type T { on: Int }
union U @a = | T | Query
union Empty
extend union U = T
enum E @a { A "b" B @a type }
extend enum E { C }
input In @oneOf { a: In = {}, "b" b: [String] = [] @a }
extend input In @a
directive @a(a: Int = 1, "b" b: String) repeatable on | FIELD_DEFINITION | OBJECT
directive @b on QUERY | MUTATION | SUBSCRIPTION | FIELD | FRAGMENT_DEFINITION | FRAGMENT_SPREAD | INLINE_FRAGMENT
"#;

/// Whether a text is read here; then it is compared.
#[track_caller]
fn is_read(text: &str) -> bool {
    let Some((document, places)) = read(text, "a.graphql") else {
        return false;
    };
    let parsed = Parser::new().recursion_limit(200).parse_ast(text, "a.graphql");
    let parsed = parsed.unwrap_or_else(|failed| panic!("is read, but not valid:\n{text}\n{}", failed.errors));
    assert_eq!(document.definitions, parsed.definitions, "{text}");
    assert_eq!(document.to_string(), parsed.to_string(), "{text}");
    let expected = Places::Parsed(parsed.sources.clone());
    assert_eq!(locations(&document, &places), locations(&parsed, &expected), "{text}");
    true
}

/// Where everything stands that has a place.
fn locations(document: &Document, places: &Places) -> Vec<Option<SourceLocation>> {
    let mut spans = Vec::new();
    for definition in &document.definitions {
        spans.push(definition.location());
        spans.push(definition.name().and_then(|name| name.location()));
        add_directives(&mut spans, definition.directives());
        add_parts(&mut spans, definition);
    }
    spans.into_iter().map(|span| places.locate("a", span)).collect()
}

type Spans = Vec<Option<SourceSpan>>;

fn add_parts(spans: &mut Spans, definition: &Definition) {
    use Definition as D;
    match definition {
        D::DirectiveDefinition(own) => add_description_and_inputs(spans, own.description.as_ref(), &own.arguments),
        D::ObjectTypeDefinition(own) => add_fields(spans, &own.implements_interfaces, &own.fields),
        D::ObjectTypeExtension(own) => add_fields(spans, &own.implements_interfaces, &own.fields),
        D::InterfaceTypeDefinition(own) => add_fields(spans, &own.implements_interfaces, &own.fields),
        D::InterfaceTypeExtension(own) => add_fields(spans, &own.implements_interfaces, &own.fields),
        D::UnionTypeDefinition(own) => spans.extend(own.members.iter().map(|member| member.location())),
        D::UnionTypeExtension(own) => spans.extend(own.members.iter().map(|member| member.location())),
        D::EnumTypeDefinition(own) => add_values(spans, &own.values),
        D::EnumTypeExtension(own) => add_values(spans, &own.values),
        D::InputObjectTypeDefinition(own) => {
            add_description_and_inputs(spans, own.description.as_ref(), &own.fields);
        }
        D::InputObjectTypeExtension(own) => add_description_and_inputs(spans, None, &own.fields),
        D::SchemaDefinition(own) => spans.extend(own.root_operations.iter().map(|root| root.1.location())),
        D::SchemaExtension(own) => spans.extend(own.root_operations.iter().map(|root| root.location())),
        _ => {}
    }
}

fn add_fields(
    spans: &mut Spans,
    interfaces: &[apollo_compiler::Name],
    fields: &[Node<apollo_compiler::ast::FieldDefinition>],
) {
    spans.extend(interfaces.iter().map(|interface| interface.location()));
    for field in fields {
        spans.extend([field.location(), field.name.location()]);
        add_description_and_inputs(spans, field.description.as_ref(), &field.arguments);
        add_directives(spans, &field.directives);
    }
}

fn add_description_and_inputs(
    spans: &mut Spans,
    description: Option<&Node<str>>,
    inputs: &[Node<InputValueDefinition>],
) {
    spans.push(description.and_then(Node::location));
    for input in inputs {
        spans.extend([input.location(), input.name.location()]);
        spans.push(input.description.as_ref().and_then(Node::location));
        add_directives(spans, &input.directives);
    }
}

fn add_values(spans: &mut Spans, values: &[Node<EnumValueDefinition>]) {
    for value in values {
        spans.extend([value.location(), value.value.location()]);
        spans.push(value.description.as_ref().and_then(Node::location));
        add_directives(spans, &value.directives);
    }
}

fn add_directives(spans: &mut Spans, directives: &DirectiveList) {
    spans.extend(directives.iter().map(|directive| directive.location()));
}

/// All SDL in a folder, and in the cases of conformance.
fn texts(folder: &Path, found: &mut Vec<String>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => texts(&path, found),
            Some("graphql") => found.push(std::fs::read_to_string(&path).unwrap()),
            Some("jsonl") => {
                let lines = std::fs::read_to_string(&path).unwrap();
                for case in lines.lines().map(|line| serde_json::from_str(line).unwrap()) {
                    let case: serde_json::Value = case;
                    let subgraphs = case["subgraphs"].as_array().into_iter().flatten();
                    found.extend(subgraphs.filter_map(|subgraph| Some(subgraph["sdl"].as_str()?.to_owned())));
                }
            }
            _ => {}
        }
    }
}

/// Where tokens begin, roughly: names, and everything else byte by byte.
fn cut(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let of_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let end = match of_name(first) {
            true => rest.find(|c| !of_name(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    pieces
}

/// A text with one or two tokens left out, repeated, or replaced by others.
fn broken(text: &str, mut seed: u64) -> String {
    let mut next = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    const OTHERS: [&str; 24] = [
        "{", "}", "(", ")", "[", "]", ":", "=", "@", "!", "|", "&", "\"", "\"\"\"", "\\", "$", "...", "type", "extend",
        "0", "-1", ".5", "é", "#",
    ];
    let mut pieces = cut(text);
    for _ in 0..=next(2) {
        let at = next(pieces.len());
        match next(3) {
            0 => pieces[at] = "",
            1 => pieces.insert(at, OTHERS[next(OTHERS.len())]),
            _ => pieces[at] = OTHERS[next(OTHERS.len())],
        }
    }
    pieces.concat()
}

#[test]
fn texts_are_read_as_the_other_parser_reads_them() {
    assert!(is_read(WHOLE));
    let mut found = vec![WHOLE.to_owned()];
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"), &mut found);
    if let Some(folder) = std::env::var_os("CONFORMANCE_DIR") {
        texts(Path::new(&folder), &mut found);
    }
    let read = found.iter().filter(|text| is_read(text)).count();
    assert!(read * 10 > found.len() * 8, "only {read} of {}", found.len());
    let mut read = 0;
    for (index, text) in found
        .iter()
        .filter(|text| !text.is_empty() && text.len() < 4_000)
        .enumerate()
    {
        for seed in 0..BROKEN {
            read += usize::from(is_read(&broken(text, index as u64 * BROKEN + seed)));
        }
    }
    assert!(read > found.len(), "only {read} of the broken texts");
}

#[test]
fn many_nodes_and_names_have_places_of_their_own() {
    // More than a ruler has of either.
    let directives = "@a ".repeat(100);
    let fields: String = (0..1_500)
        .map(|index| format!("  f{index}(a: Int = {index}): T {directives}\n"))
        .collect();
    assert!(is_read(&format!("type T {{\n{fields}}}\n")));
}

/// A constant value.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?[0-9.eE+-]{1,5}",
        "\"[a-z #{é\t]{0,6}\"",
        "[a-zA-Z_][a-z0-9_]{0,5}",
        "\"\"\"[ \ta\"\n]{0,12}\"\"\"",
        Just("$a".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(" "))),
            prop::collection::vec(inner, 0..4).prop_map(|values| format!("{{a:{}}}", values.join(",b :"))),
        ]
    })
}

proptest! {
    #[test]
    fn values_and_descriptions_are_read_as_the_other_parser_reads_them(
        description in "[ \ta-z\"\n#]{0,24}",
        default in value(),
        argument in value(),
        reference in prop_oneof!["[a-z]{1,3}!?", "\\[[a-z]{1,3}!?\\]!?", "\\[{0,3}[a-z]{1,3}[\\]!]{0,5}"],
    ) {
        is_read(&format!("\"\"\"{description}\"\"\" input A {{ a: {reference} = {default} @b(c: {argument}) }}"));
        is_read(&format!("\"\"\"\n{description}\n \"\"\"\ntype A {{ a(b: {reference}): {reference} @b(c: {argument}) }}"));
    }
}
