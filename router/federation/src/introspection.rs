//! Answers `__schema` and `__type` from the API schema (GraphQL spec, "Introspection").
//!
//! Does not decide whether clients may introspect; `server` does.

use apollo_compiler::introspection::partial_execute;
use apollo_compiler::{ExecutableDocument, request::coerce_variable_values};
use serde_json::{Map, Value};

use crate::api_schema::ApiSchema;

/// Why an introspection document could not be run. The planner wrote the document, so this is a fault of the router.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    /// The document does not fit the schema.
    #[error("the introspection document is not valid: {0}")]
    InvalidDocument(String),
    /// The variables do not fit the document, or the result is no JSON.
    #[error("introspection could not be run: {0}")]
    Execution(String),
}

/// Runs `document`, an operation of `__schema` and `__type` fields, and gives its `data`.
///
/// * `variables`: those of the client's operation; the ones that `document` does not declare are passed over.
///
/// # Errors
/// [`IntrospectionError`], when `document` does not come from a plan for `schema`.
pub fn introspect(
    schema: &ApiSchema,
    document: &str,
    variables: &Map<String, Value>,
) -> Result<Map<String, Value>, IntrospectionError> {
    let document = ExecutableDocument::parse_and_validate(schema.schema(), document, "introspection.graphql")
        .map_err(|failed| IntrospectionError::InvalidDocument(failed.errors.to_string()))?;
    let execution = |error: &dyn std::fmt::Display| IntrospectionError::Execution(error.to_string());
    let operation = document
        .operations
        .get(None)
        .map_err(|error| execution(&error.message()))?;
    let variables = serde_json::from_value(Value::Object(variables.clone())).map_err(|error| execution(&error))?;
    let variables =
        coerce_variable_values(schema.schema(), operation, &variables).map_err(|error| execution(&error.message()))?;
    let response = partial_execute(schema.schema(), schema.implementers(), &document, operation, &variables)
        .map_err(|error| execution(&error.message()))?;
    match serde_json::to_value(response.data) {
        Ok(Value::Object(data)) => Ok(data),
        Ok(_) => Err(IntrospectionError::Execution("the result is null".to_owned())),
        Err(error) => Err(execution(&error)),
    }
}
