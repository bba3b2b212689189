use expect_test::expect;

use super::*;

/// Two subgraphs, an entity with a required field, and an interface object.
const SDL: &str = r#"
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) { query: Query }
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, override: String, usedOverridden: Boolean, overrideLabel: String) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION
directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE
enum link__Purpose { SECURITY EXECUTION }
scalar link__Import
scalar join__FieldSet
enum join__Graph {
  PRODUCTS @join__graph(name: "products", url: "http://products/graphql")
  SHIPPING @join__graph(name: "shipping", url: "")
}
type Query @join__type(graph: PRODUCTS) @join__type(graph: SHIPPING) {
  product: Book @join__field(graph: PRODUCTS, provides: "weight")
  node: Node @join__field(graph: PRODUCTS)
}
interface Node @join__type(graph: PRODUCTS, key: "id") @join__type(graph: SHIPPING, key: "id", isInterfaceObject: true) {
  id: ID!
  zone: String @join__field(graph: SHIPPING)
}
type Book implements Node @join__implements(graph: PRODUCTS, interface: "Node")
  @join__type(graph: PRODUCTS, key: "id") @join__type(graph: PRODUCTS, key: "sku") @join__type(graph: SHIPPING, key: "id") {
  id: ID!
  sku: String! @join__field(graph: PRODUCTS)
  weight: Int @join__field(graph: PRODUCTS, external: true) @join__field(graph: SHIPPING)
  cost: Int @join__field(graph: SHIPPING, requires: "sku")
  zone: String @join__field
}
"#;

/// One line a node: `type@subgraph` and its fields, with `*` where something is required, and targets that are views.
fn nodes(supergraph: &Supergraph) -> String {
    let graph = supergraph.query_graph();
    let line = |id: u32| {
        let node = graph.node(crate::query_graph::NodeId(id));
        let subgraph = &supergraph.subgraph(node.subgraph).name;
        let mut fields: Vec<String> = graph
            .fields(crate::query_graph::NodeId(id))
            .map(|(name, edge)| {
                let star = if edge.requires.is_some() { "*" } else { "" };
                let target = edge.target.map(|target| format!(">{}", target.0)).unwrap_or_default();
                format!("{name}{star}{target}")
            })
            .collect();
        fields.sort();
        format!(
            "{id} {}@{subgraph}: {}\n",
            supergraph.type_definition(node.type_id).name,
            fields.join(" ")
        )
    };
    (0..graph.len() as u32).map(line).collect()
}

#[test]
fn a_supergraph_becomes_a_query_graph() {
    let supergraph = Supergraph::parse(SDL).unwrap();
    expect![[r#"
        0 Book@products: id sku
        1 Book@shipping: cost* id weight
        2 Node@products: id
        3 Node@shipping: id zone
        4 Query@products: node>2 product>6
        5 Query@shipping: 
        6 Book@products: id sku weight
    "#]]
    .assert_eq(&nodes(&supergraph));
    let book = supergraph.type_id("Book").unwrap();
    let keys = supergraph.query_graph().key_edges(book).iter();
    let keys: Vec<String> = keys
        .map(|key| format!("{} {} {:?}", key.target.0, key.fields, key.kind))
        .collect();
    expect![[r#"
        0 id Object
        0 sku Object
        2 id Interface
        1 id Object
        3 id InterfaceObject"#]]
    .assert_eq(&keys.join("\n"));
}

#[test]
fn faults_are_named() {
    for (from, to) in [
        ("requires: \"sku\"", "requires: \"sku {\""),
        ("graph: SHIPPING, key", "graph: NOWHERE, key"),
        ("enum join__Graph", "enum Other"),
        ("requires: \"sku\"", "type: \"-Int\""),
        ("requires: \"sku\"", "requires: \"-sku\""),
        ("type Query", "type Query {"),
        ("graph: SHIPPING, requires", "graph: SHIPPING, type: \"-x\", requires"),
    ] {
        let error = Supergraph::parse(&SDL.replace(from, to)).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn labels_say_which_subgraph_resolves_a_field() {
    let external = "weight: Int @join__field(graph: PRODUCTS, external: true) @join__field(graph: SHIPPING)";
    let taken = |products: &str, shipping: &str| {
        let joins = format!(
            "weight: Int @join__field(graph: PRODUCTS{products}) @join__field(graph: SHIPPING, override: \"products\"{shipping})"
        );
        let supergraph = Supergraph::parse(&SDL.replace(external, &joins)).unwrap();
        let book = supergraph.type_id("Book").unwrap();
        let graph = supergraph.query_graph();
        let resolvers = |labels: ActiveLabels| {
            let nodes = [0, 1].map(|index| graph.node_of(SubgraphId(index), book).unwrap());
            let resolvers = nodes.map(|node| graph.field(node, graph.field_id("weight"), &labels).is_some());
            format!("{resolvers:?}")
        };
        let on: ActiveLabels = (0..supergraph.override_labels().len() as u32).map(LabelId).collect();
        (resolvers(ActiveLabels::NONE), resolvers(on))
    };
    let label = ", overrideLabel: \"percent(5)\"";
    let by_label = ("[true, false]".to_owned(), "[false, true]".to_owned());
    assert_eq!(taken(label, label), by_label);
    assert_eq!(taken("", label), by_label, "only one side says the label");
    assert_eq!(taken(&format!(", usedOverridden: true{label}"), label), by_label);
    let for_good = ("[false, true]".to_owned(), "[false, true]".to_owned());
    assert_eq!(taken("", ""), for_good);
    assert_eq!(taken(", usedOverridden: true", ""), for_good);
}
