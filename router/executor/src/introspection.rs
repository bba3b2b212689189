//! `__schema` and `__type` of an operation, before anything is fetched: the answer is what the store begins with.
//!
//! Says when and where `federation::introspection` runs, and what becomes of its errors.

use std::sync::Arc;

use federation::api_schema::ApiSchema;
use federation::error::ErrorCode;
use federation::introspection::{IntrospectionError, introspect};
use serde_json::{Map, Value as JsonValue};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use crate::execution::Execution;
use crate::response::GraphqlError;
use crate::store::{Store, Value};

/// Most introspections that run at once. One: a large one keeps a core busy and takes a hundred megabytes, and whoever sends
/// many of them shall wait for himself.
pub(crate) const INTROSPECTIONS_MAX: usize = 1;

impl Execution<'_> {
    /// Fills the store with the answers to `__schema` and `__type`, if there are such fields. Nothing is fetched by then.
    ///
    /// Off the async threads: a thread that writes every type of a large graph would answer nobody meanwhile.
    pub(crate) async fn introspect(&self, api_schema: &Arc<ApiSchema>) {
        let Some(document) = self.plan.introspection.clone() else {
            return;
        };
        let (api_schema, variables) = (Arc::clone(api_schema), self.request.variables.clone());
        let turn = Arc::clone(self.introspecting()).acquire_owned();
        let introspected = match timeout_at(self.deadline().into(), turn).await {
            Ok(permit) => {
                let introspected = spawn_blocking(move || {
                    // Held until the work is done, also when the client has gone away meanwhile.
                    let _permit = permit;
                    introspected(&api_schema, &document, &variables)
                });
                // A panic was logged where it happened.
                introspected.await.unwrap_or_else(|_| Err(failed()))
            }
            Err(_) => Err(out_of_time()),
        };
        let mut state = self.state();
        match introspected {
            Ok(store) => state.store = store,
            Err(error) => {
                let failure = state.report(0, Vec::new(), error);
                state.store.set_failed(Store::ROOT, failure);
            }
        }
    }
}

/// A store with the answer to `document` at its root.
fn introspected(
    api_schema: &ApiSchema,
    document: &str,
    variables: &Map<String, JsonValue>,
) -> Result<Store, GraphqlError> {
    let data = introspect(api_schema, document, variables).map_err(|error| match error {
        IntrospectionError::TooLong { .. } => {
            GraphqlError::new(ErrorCode::CostEstimatedTooExpensive, error.to_string())
        }
        IntrospectionError::InvalidDocument(_) => {
            tracing::error!(error = %error, "A planned introspection could not be run");
            failed()
        }
    })?;
    let mut store = Store::new();
    match store.read(&data.into()) {
        Ok(Value::Object(object)) => {
            store.merge(Store::ROOT, object);
            Ok(store)
        }
        Ok(_) => Err(failed()),
        // It is JSON, and shorter than a store takes; but it may have very many short values.
        Err(error) => {
            let message = format!("the answer to `__schema` and `__type` is too large: {error}");
            Err(GraphqlError::new(ErrorCode::CostEstimatedTooExpensive, message))
        }
    }
}

/// What a client is told whose turn does not come in its time.
fn out_of_time() -> GraphqlError {
    let message = "`__schema` and `__type` were not answered in time: other introspections were under way";
    GraphqlError::new(ErrorCode::GatewayTimeout, message)
}

/// What the client is told of a fault of the router.
fn failed() -> GraphqlError {
    GraphqlError::new(ErrorCode::InternalServerError, "introspection failed")
}
