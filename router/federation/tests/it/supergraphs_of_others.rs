//! Supergraphs made by other composers, of every version of the Join specification.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use federation::api_schema::ApiSchema;
use federation::field_set::{FieldSet, FieldSetSelection};
use federation::query_graph::NodeId;
use federation::query_plan::OperationKind;
use federation::supergraph::{FieldDefinition, FieldJoin, Supergraph, TypeDefinition, TypeId, TypeKind};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/join-versions")
}

fn read(path: &Path) -> Supergraph {
    let sdl = std::fs::read_to_string(path).expect("a readable file");
    Supergraph::parse(&sdl).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_version_is_read() {
    for version in ["v0.1", "v0.2", "v0.3", "v0.4", "v0.5"] {
        let folder = fixtures().join(version);
        let supergraph = read(&folder.join("supergraph.graphql"));
        expect_file![folder.join("read.txt")].assert_eq(&describe(&supergraph));
        assert_eq!(faults(&supergraph), Vec::<String>::new(), "{version}");
    }
}

/// `@link(url: ".../join/v0.3", as: "j")` makes `@j__type` of `@join__type`.
#[test]
fn join_may_have_another_name() {
    for version in ["v0.1", "v0.2", "v0.3", "v0.4", "v0.5"] {
        let path = fixtures().join(version).join("supergraph.graphql");
        let sdl = std::fs::read_to_string(&path).expect("a readable file");
        let url = format!("join/{version}\"");
        let renamed = sdl.replace(&url, &format!("{url}, as: \"j\"")).replace("join__", "j__");
        let renamed = Supergraph::parse(&renamed).expect("a supergraph");
        assert_eq!(describe(&renamed), describe(&read(&path)), "{version}");
        assert_eq!(renamed.api_schema().sdl(), read(&path).api_schema().sdl(), "{version}");
    }
}

#[test]
fn a_field_overridden_for_a_part_of_the_requests_keeps_both_subgraphs() {
    let sdl = std::fs::read_to_string(fixtures().join("v0.4/supergraph.graphql")).expect("a readable file");
    let labelled = r#"zone: String @join__field(graph: PRODUCTS, overrideLabel: "percent(5)")
        @join__field(graph: SHIPPING, override: "products", overrideLabel: "percent(5)")"#;
    let sdl = sdl.replace("zone: String @join__field(graph: SHIPPING)", labelled);
    let supergraph = Supergraph::parse(&sdl).expect("a supergraph");
    let product = supergraph.type_id("Product").expect("a product");
    let zone = &supergraph.type_definition(product).fields["zone"];
    let names: Vec<&str> = zone.joins.iter().map(|join| name_of(&supergraph, join)).collect();
    assert_eq!(names, ["products", "shipping"]);
    assert!(
        !zone.joins[0].is_external,
        "until the label is on, `products` resolves it"
    );
}

/// Facts that hold in every supergraph that was composed without errors.
#[test]
fn conformance_supergraphs_hold_together() {
    let Ok(folder) = std::env::var("CONFORMANCE_DIR") else {
        println!("skipped: CONFORMANCE_DIR is not set");
        return;
    };
    let folder = PathBuf::from(folder);
    let mut texts: Vec<(String, String)> = Vec::new();
    for kind in ["audit", "planner"] {
        for entry in std::fs::read_dir(folder.join(kind)).expect("a folder") {
            let path = entry.expect("an entry").path().join("supergraph.graphql");
            let text = std::fs::read_to_string(&path).expect("a readable file");
            texts.push((path.display().to_string(), text));
        }
    }
    let cases = std::fs::read_to_string(folder.join("composition/cases.jsonl")).expect("a readable file");
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("JSON in each line");
        if let (Some(true), Some(text)) = (
            case["expected"]["ok"].as_bool(),
            case["expected"]["supergraph"].as_str(),
        ) {
            texts.push((format!("composition {}", case["id"]), text.to_owned()));
        }
    }
    let mut found = Vec::new();
    for (name, text) in &texts {
        match Supergraph::parse(text) {
            Ok(supergraph) => found.extend(faults(&supergraph).iter().map(|fault| format!("{name}: {fault}"))),
            Err(error) => found.push(format!("{name}: {error}")),
        }
    }
    println!("{} supergraphs of others, {} faults", texts.len(), found.len());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The tables, a type or field a line, then the query graph and the API schema.
fn describe(supergraph: &Supergraph) -> String {
    let mut text = String::new();
    for subgraph in supergraph.subgraphs() {
        writeln!(text, "subgraph {} {}", subgraph.name, subgraph.routing_url).expect("a string grows");
    }
    for definition in supergraph.types() {
        describe_type(supergraph, definition, &mut text);
    }
    text.push_str("\n# query graph\n");
    let graph = supergraph.query_graph();
    for id in (0..graph.len() as u32).map(NodeId) {
        let node = graph.node(id);
        let mut fields: Vec<String> = graph.fields(id).map(|(name, _)| name.to_string()).collect();
        fields.sort_unstable();
        let (name, subgraph) = (
            type_name(supergraph, node.type_id),
            &supergraph.subgraph(node.subgraph).name,
        );
        writeln!(text, "{name}@{subgraph}: {}", fields.join(" ")).expect("a string grows");
    }
    format!("{text}\n# API schema\n{}", supergraph.api_schema().sdl())
}

fn describe_type(supergraph: &Supergraph, definition: &TypeDefinition, text: &mut String) {
    let hidden = if definition.is_inaccessible {
        " inaccessible"
    } else {
        ""
    };
    write!(text, "\n{:?} {}{hidden}", definition.kind, definition.name).expect("a string grows");
    if !definition.enum_values.is_empty() {
        write!(text, " = {}", definition.enum_values.join(" | ")).expect("a string grows");
    }
    text.push('\n');
    for join in &definition.joins {
        let keys = join.keys.iter().map(|key| {
            let unresolvable = if key.is_resolvable { "" } else { " unresolvable" };
            format!(" key({}){unresolvable}", key.fields)
        });
        let interface_object = if join.is_interface_object {
            " interface object"
        } else {
            ""
        };
        let types = join
            .possible_types
            .iter()
            .map(|id| format!(" {}", type_name(supergraph, *id)));
        let (keys, types) = (keys.collect::<String>(), types.collect::<String>());
        let name = &supergraph.subgraph(join.subgraph).name;
        writeln!(text, "  in {name}{keys}{interface_object}:{types}").expect("a string grows");
    }
    for field in definition.fields.values() {
        let joins: Vec<String> = field.joins.iter().map(|join| describe_join(supergraph, join)).collect();
        let hidden = if field.is_inaccessible { " inaccessible" } else { "" };
        writeln!(
            text,
            "  .{}: {}{hidden} from {}",
            field.name,
            field.field_type,
            joins.join(", ")
        )
        .expect("a string grows");
    }
}

fn describe_join(supergraph: &Supergraph, join: &FieldJoin) -> String {
    let mut text = name_of(supergraph, join).to_owned();
    if join.is_external {
        text.push_str(" external");
    }
    if let Some(field_type) = &join.field_type {
        write!(text, " type({field_type})").expect("a string grows");
    }
    for (word, set) in [("requires", &join.requires), ("provides", &join.provides)] {
        if let Some(set) = set {
            write!(text, " {word}({set})").expect("a string grows");
        }
    }
    text
}

fn name_of<'a>(supergraph: &'a Supergraph, join: &FieldJoin) -> &'a str {
    &supergraph.subgraph(join.subgraph).name
}

fn type_name(supergraph: &Supergraph, id: TypeId) -> &str {
    &supergraph.type_definition(id).name
}

/// What does not hold together; empty for a sound supergraph.
fn faults(supergraph: &Supergraph) -> Vec<String> {
    let mut faults = Vec::new();
    for definition in supergraph.types() {
        for join in &definition.joins {
            for key in &join.keys {
                unknown_fields(supergraph, definition, &key.fields, &mut faults);
            }
            let has_members = matches!(definition.kind, TypeKind::Interface | TypeKind::Union);
            if has_members
                && join
                    .possible_types
                    .iter()
                    .any(|id| !definition.possible_types.contains(id))
            {
                faults.push(format!(
                    "`{}` has a member in one subgraph that it has not in all",
                    definition.name
                ));
            }
        }
        for field in definition.fields.values() {
            field_faults(supergraph, definition, field, &mut faults);
        }
    }
    for kind in [
        OperationKind::Query,
        OperationKind::Mutation,
        OperationKind::Subscription,
    ] {
        let in_api = supergraph.api_schema().root_type(kind);
        if let Some(name) = in_api
            && supergraph.root_type(kind) != supergraph.type_id(name)
        {
            faults.push(format!("the root type `{name}` is another one in the supergraph"));
        }
    }
    faults
}

fn field_faults(supergraph: &Supergraph, parent: &TypeDefinition, field: &FieldDefinition, faults: &mut Vec<String>) {
    let is_seen = is_in_api_schema(supergraph.api_schema(), &parent.name, &field.name);
    if is_seen != (!parent.is_inaccessible && !field.is_inaccessible && is_type_seen(supergraph, field)) {
        faults.push(format!(
            "`{}.{}` is hidden in one place and not in the other",
            parent.name, field.name
        ));
    }
    if is_seen && parent.kind == TypeKind::Object && !is_resolved(supergraph, parent, field) {
        faults.push(format!("`{}.{}` is resolved nowhere", parent.name, field.name));
    }
    for join in &field.joins {
        if parent.join(join.subgraph).is_none() {
            faults.push(format!(
                "`{}.{}` is in a subgraph that has no `{0}`",
                parent.name, field.name
            ));
        }
        if let Some(requires) = &join.requires {
            unknown_fields(supergraph, parent, requires, faults);
        }
        if let Some(provides) = &join.provides {
            match supergraph.type_id(field.field_type.inner_named_type()) {
                Some(id) => unknown_fields(supergraph, supergraph.type_definition(id), provides, faults),
                None => faults.push(format!("`{}.{}` is of an unknown type", parent.name, field.name)),
            }
        }
    }
}

fn is_in_api_schema(schema: &ApiSchema, type_name: &str, field: &str) -> bool {
    schema.schema().type_field(type_name, field).is_ok()
}

fn is_type_seen(supergraph: &Supergraph, field: &FieldDefinition) -> bool {
    let id = supergraph.type_id(field.field_type.inner_named_type());
    id.is_some_and(|id| !supergraph.type_definition(id).is_inaccessible)
}

/// By a subgraph itself, on a path that provides it, or for all objects of an interface.
fn is_resolved(supergraph: &Supergraph, parent: &TypeDefinition, field: &FieldDefinition) -> bool {
    let graph = supergraph.query_graph();
    let interfaces = parent.interfaces.iter().map(|id| supergraph.type_definition(*id));
    let owners = interfaces.chain([parent]).map(|owner| &owner.name);
    let owners: Vec<&str> = owners.map(|name| name.as_str()).collect();
    (0..graph.len() as u32)
        .map(NodeId)
        .filter(|id| owners.contains(&type_name(supergraph, graph.node(*id).type_id)))
        .any(|id| graph.fields(id).any(|(name, _)| *name == field.name))
}

fn unknown_fields(supergraph: &Supergraph, parent: &TypeDefinition, set: &FieldSet, faults: &mut Vec<String>) {
    for selection in &set.selections {
        match selection {
            FieldSetSelection::Field(field) if field.name == "__typename" => {}
            FieldSetSelection::Field(field) => {
                let below = parent.fields.get(&field.name);
                let below = below.and_then(|known| supergraph.type_id(known.field_type.inner_named_type()));
                match below {
                    Some(below) => {
                        unknown_fields(supergraph, supergraph.type_definition(below), &field.selections, faults);
                    }
                    None => faults.push(format!(
                        "`{}` has no field `{}`, which `{set}` needs",
                        parent.name, field.name
                    )),
                }
            }
            FieldSetSelection::InlineFragment {
                type_condition,
                selections,
            } => {
                let condition = type_condition.as_ref().map_or(Some(parent), |name| {
                    Some(supergraph.type_definition(supergraph.type_id(name)?))
                });
                match condition {
                    Some(condition) => unknown_fields(supergraph, condition, selections, faults),
                    None => faults.push(format!("`{set}` names an unknown type")),
                }
            }
        }
    }
}
