//! `schema/` is what the code says: the supergraph, the clients' schema, and operations that are valid in it.
//!
//! The SDL of each subgraph is compared by the service's own tests.

use std::fs;

use anyhow::Result;
use apollo_compiler::Schema;
use composition::{Composed, compose};
use e2e::processes::workspace_root;
use expect_test::expect_file;
use federation::error::RequestError;
use federation::limits::Limits;
use federation::operation;
use federation::supergraph::Supergraph;

fn composed() -> Composed {
    compose(&standalone::subgraphs()).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {}", error.code, error.message))
            .collect();
        panic!("the shop does not compose:\n{}", lines.join("\n"));
    })
}

#[test]
fn supergraph_and_api_schema_are_current() {
    let composed = composed();
    expect_file!["../../../../schema/supergraph.graphql"].assert_eq(&composed.supergraph_sdl);
    expect_file!["../../../../schema/api.graphql"].assert_eq(&composed.api_schema_sdl);
}

#[test]
fn example_operations_are_valid() -> Result<()> {
    let supergraph = Supergraph::parse(&composed().supergraph_sdl)?;
    let mut count = 0;
    for entry in fs::read_dir(workspace_root().join("schema/operations"))? {
        let path = entry?.path();
        let wrong = |errors: Vec<RequestError>| anyhow::anyhow!("{}: {errors:?}", path.display());
        let document = operation::parse(&fs::read_to_string(&path)?, &Limits::default()).map_err(wrong)?;
        operation::validate(&document, supergraph.api_schema(), None).map_err(wrong)?;
        count += 1;
    }
    assert!(count > 0, "there are examples");
    Ok(())
}

/// One dead service must not null another's object: a field that takes a fetch of its own is nullable.
///
/// Such are the fields that a subgraph adds to an entity which another one owns, and every field of an entity type, since
/// the entity may have to be resolved elsewhere.
#[test]
fn fields_across_services_are_nullable() -> Result<()> {
    let mut wrong = Vec::new();
    for subgraph in standalone::subgraphs() {
        let schema =
            Schema::parse(&subgraph.sdl, &subgraph.name).map_err(|invalid| anyhow::anyhow!("{}", invalid.errors))?;
        for (type_name, definition) in &schema.types {
            let Some(object) = definition.as_object() else { continue };
            for (field_name, field) in &object.fields {
                let target = schema
                    .types
                    .get(field.ty.inner_named_type())
                    .and_then(|target| target.as_object());
                let is_stub = target.is_some_and(is_stub);
                if is_stub && field.ty.is_non_null() {
                    wrong.push(format!("{}: {type_name}.{field_name}: {}", subgraph.name, field.ty));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these lead to another service and must be nullable: {wrong:#?}"
    );
    Ok(())
}

/// Whether a type is an entity of which this subgraph knows the key and nothing that it requires.
fn is_stub(object: &apollo_compiler::schema::ObjectType) -> bool {
    object.directives.has("key") && object.fields.keys().all(|name| matches!(name.as_str(), "id" | "sku"))
}
