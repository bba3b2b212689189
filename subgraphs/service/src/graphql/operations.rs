//! Operations that were checked before: the router sends the same few again and again, with other variables.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{ObjectType, Request, Response, Schema, SubscriptionType, ValidationMode};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Operations that are remembered, and the longest of them in bytes: a router has some hundred plans for the
/// operations of its clients.
const KNOWN_MAX: usize = 500;
const KNOWN_BYTES_MAX: usize = 16 * 1024;

/// A schema that parses and checks each operation once.
pub(super) struct Operations<Query, Mutation, Subscription> {
    /// Checks every rule of the specification.
    pub(super) strict: Schema<Query, Mutation, Subscription>,
    /// The same schema, for operations that the strict one has answered without an error.
    fast: Schema<Query, Mutation, Subscription>,
    known: Cache<String, Arc<Known>>,
}

struct Known {
    document: ExecutableDocument,
    is_query: bool,
}

/// What an operation came to.
pub(super) struct Executed {
    pub(super) response: Response,
    /// Whether it was one that changes nothing.
    pub(super) is_query: bool,
}

impl<Query, Mutation, Subscription> Operations<Query, Mutation, Subscription>
where
    Query: ObjectType + 'static,
    Mutation: ObjectType + 'static,
    Subscription: SubscriptionType + 'static,
{
    pub(super) fn new(schema: impl Fn(ValidationMode) -> Schema<Query, Mutation, Subscription>) -> Self {
        Operations {
            strict: schema(ValidationMode::Strict),
            fast: schema(ValidationMode::Fast),
            known: Cache::new(KNOWN_MAX),
        }
    }

    /// Executes a query or mutation. Values of variables are checked each time, by the types that take them in.
    pub(super) async fn execute(&self, mut request: Request) -> Executed {
        if let Some(known) = self.known.get(request.query.as_str()) {
            request.set_parsed_query(known.document.clone());
            return Executed {
                response: self.fast.execute(request).await,
                is_query: known.is_query,
            };
        }
        let Ok(document) = parse_query(&request.query) else {
            return Executed {
                // It says what is wrong.
                response: self.strict.execute(request).await,
                is_query: false,
            };
        };
        let is_query = is_query(&document);
        let query = request.query.clone();
        request.set_parsed_query(document.clone());
        let response = self.strict.execute(request).await;
        if response.errors.is_empty() && query.len() <= KNOWN_BYTES_MAX {
            self.known.insert(query, Arc::new(Known { document, is_query }));
        }
        Executed { response, is_query }
    }
}

/// Whether it is one operation, and that a query.
fn is_query(document: &ExecutableDocument) -> bool {
    let mut operations = document.operations.iter();
    let first = operations.next().map(|(_, operation)| operation.node.ty);
    first == Some(OperationType::Query) && operations.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Variables};
    use serde_json::{Value, json};

    struct Query;

    #[Object]
    impl Query {
        async fn double(&self, number: i32) -> i32 {
            number * 2
        }
    }

    async fn answer(operations: &Operations<Query, EmptyMutation, EmptySubscription>, query: &str, n: Value) -> Value {
        let variables = Variables::from_json(json!({ "n": n }));
        let executed = operations.execute(Request::new(query).variables(variables)).await;
        serde_json::to_value(executed.response).unwrap()
    }

    #[tokio::test]
    async fn an_operation_is_known_once_it_was_right_and_its_variables_are_checked_always() {
        let schema = |mode| {
            let builder = Schema::build(Query, EmptyMutation, EmptySubscription);
            builder.validation_mode(mode).finish()
        };
        let operations = Operations::new(schema);
        let query = "query($n: Int!) { double(number: $n) }";
        let wrong = answer(&operations, query, json!("two")).await;
        assert!(wrong["errors"].is_array() && operations.known.is_empty(), "{wrong}");
        for n in [1, 2] {
            let right = answer(&operations, query, json!(n)).await;
            assert_eq!(right["data"], json!({ "double": 2 * n }));
            assert_eq!(operations.known.len(), 1);
        }
        let wrong = answer(&operations, query, json!("two")).await;
        assert!(wrong["errors"].is_array() && wrong["data"].is_null(), "{wrong}");
        for query in ["{ triple }", "{ double(number: 1) ", "{ double }"] {
            for _ in 0..2 {
                let wrong = answer(&operations, query, json!(1)).await;
                assert!(wrong["errors"].is_array() && wrong["data"].is_null(), "{wrong}");
            }
        }
        assert_eq!(operations.known.len(), 1);
    }
}
