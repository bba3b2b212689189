//! What clients see of a supergraph.

use std::path::PathBuf;

use apollo_compiler::Schema;
use apollo_compiler::schema::ExtendedType;
use expect_test::{Expect, expect};
use federation::api_schema::ApiSchema;

/// The head of a supergraph that composition writes, in as few lines as are valid.
const MACHINERY: &str = r#"
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
directive @join__type(graph: join__Graph!) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
directive @hidden on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION
directive @tag(name: String!) repeatable on FIELD_DEFINITION | OBJECT
directive @live on QUERY
scalar link__Import
enum link__Purpose { SECURITY EXECUTION }
enum join__Graph { SHOP }
schema
  @link(url: "https://specs.apollo.dev/link/v1.0")
  @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION)
  @link(url: "https://specs.apollo.dev/inaccessible/v0.2", import: [{ name: "@inaccessible", as: "@hidden" }])
  @link(url: "https://specs.apollo.dev/tag/v0.3")
{ query: Query }
"#;

#[track_caller]
fn check(types: &str, expected: &Expect) {
    let supergraph = Schema::parse(format!("{MACHINERY}{types}"), "supergraph.graphql").expect("supergraph parses");
    let api_schema = ApiSchema::from_supergraph(&supergraph);
    expected.assert_eq(&api_schema.map_or_else(|error| format!("{error}\n"), |api_schema| api_schema.sdl().to_owned()));
}

#[test]
fn machinery_is_removed_and_types_are_sorted() {
    check(
        r#"
        type Query @join__type(graph: SHOP) { products: [Product!]! @tag(name: "public") }
        "A thing for sale."
        type Product @join__type(graph: SHOP) @tag(name: "x") { title: String @deprecated(reason: "use name") }
        "#,
        &expect![[r#"
            directive @live on QUERY

            """A thing for sale."""
            type Product {
              title: String @deprecated(reason: "use name")
            }

            type Query {
              products: [Product!]!
            }
        "#]],
    );
}

#[test]
fn inaccessible_elements_are_removed_with_all_that_refers_to_them() {
    check(
        r#"
        type Query { a(seen: Int, unseen: Int @hidden, filter: Filter): A  hidden: Int @hidden  secret: Secret  any: Any }
        interface Node @hidden { id: ID }
        type A implements Node { id: ID  state: State }
        type Secret @hidden { id: ID }
        union Any = A | Secret
        enum State { ON OFF @hidden }
        input Filter { state: State  owner: String @hidden }
        "#,
        &expect![[r#"
            directive @live on QUERY

            type A {
              id: ID
              state: State
            }

            union Any = A

            input Filter {
              state: State
            }

            type Query {
              a(seen: Int, filter: Filter): A
              any: Any
            }

            enum State {
              ON
            }
        "#]],
    );
}

#[test]
fn a_hidden_query_type_is_an_error() {
    check(
        "type Query @hidden { a: Int }",
        &expect![[r#"
            the supergraph has no query root type that clients may see
        "#]],
    );
}

/// The API schemas of Apollo's composition, for every suite of the conformance data.
#[test]
fn agrees_with_conformance_suites() {
    let Ok(folder) = std::env::var("CONFORMANCE_DIR") else {
        println!("skipped: CONFORMANCE_DIR is not set");
        return;
    };
    let suites: Vec<_> = std::fs::read_dir(PathBuf::from(folder).join("audit"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert!(!suites.is_empty());
    for suite in suites {
        let read = |name: &str| std::fs::read_to_string(suite.join(name)).unwrap();
        let supergraph = Schema::parse(read("supergraph.graphql"), "supergraph.graphql").unwrap();
        let api_schema = ApiSchema::from_supergraph(&supergraph).unwrap_or_else(|e| panic!("{}: {e}", suite.display()));
        let expected = Schema::parse(read("api_schema.graphql"), "api_schema.graphql").unwrap();
        // As printed: what the router adds for its clients is not of the graph.
        let actual = Schema::parse(api_schema.sdl(), "actual.graphql").unwrap();
        let actual = sorted(&actual);
        assert_eq!(actual, sorted(&expected), "{}", suite.display());
    }
}

fn sorted(schema: &Schema) -> String {
    let mut schema = schema.clone();
    schema.types.sort_unstable_keys();
    for definition in schema.types.values_mut() {
        match definition {
            ExtendedType::Object(object) => {
                let object = object.make_mut();
                object.fields.sort_unstable_keys();
                object
                    .implements_interfaces
                    .sort_unstable_by(|left, right| left.name.cmp(&right.name));
            }
            ExtendedType::Interface(interface) => interface.make_mut().fields.sort_unstable_keys(),
            ExtendedType::Union(union) => {
                union
                    .make_mut()
                    .members
                    .sort_unstable_by(|left, right| left.name.cmp(&right.name));
            }
            ExtendedType::Enum(definition) => definition.make_mut().values.sort_unstable_keys(),
            ExtendedType::InputObject(input) => input.make_mut().fields.sort_unstable_keys(),
            ExtendedType::Scalar(_) => {}
        }
    }
    schema.to_string()
}
