//! Small objects of which an answer has hundreds, such as the values of facets.
//!
//! async-graphql makes a future for each field of each object, since any may have to wait. Those of a [`PlainObject`] do not:
//! they are put into the answer as they are.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use std::borrow::Cow;

/// An object with values alone: no arguments, no guards, nothing below. Extensions of the schema do not see its fields.
pub trait PlainObject: OutputType {
    /// The value of a field of the type; `None` leaves the object to async-graphql.
    fn value(&self, field: &str) -> Option<Value>;
}

/// The same type with the same answers, made at once.
#[derive(Clone, Copy, Debug)]
pub struct Plain<T>(pub T);

impl<T: PlainObject> OutputType for Plain<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, context: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match answer(&self.0, context) {
            Some(answer) => Ok(answer),
            None => self.0.resolve(context, field).await,
        }
    }
}

/// `None` when something else is selected than plain fields, or nothing is left of it.
fn answer(object: &impl PlainObject, context: &ContextSelectionSet<'_>) -> Option<Value> {
    let selections = &context.item.node.items;
    if selections.is_empty() {
        return None;
    }
    let mut answer = IndexMap::with_capacity(selections.len());
    for selection in selections {
        let Selection::Field(field) = &selection.node else {
            return None;
        };
        if !field.node.directives.is_empty() {
            return None;
        }
        let value = match field.node.name.node.as_str() {
            "__typename" => object.introspection_type_name().into_owned().into(),
            name => object.value(name)?,
        };
        answer.insert(field.node.response_key().node.clone(), value);
    }
    Some(Value::Object(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema, SimpleObject};

    #[derive(Clone, SimpleObject)]
    struct Point {
        x: i32,
        name: String,
    }

    impl PlainObject for Point {
        fn value(&self, field: &str) -> Option<Value> {
            match field {
                "x" => Some(self.x.into()),
                "name" => Some(self.name.as_str().into()),
                _ => None,
            }
        }
    }

    fn points() -> impl Iterator<Item = Point> {
        (1..=2).map(|x| Point {
            x,
            name: format!("p{x}"),
        })
    }

    struct Query;

    #[Object]
    impl Query {
        async fn ordinary(&self) -> Vec<Point> {
            points().collect()
        }

        async fn plain(&self) -> Vec<Plain<Point>> {
            points().map(Plain).collect()
        }
    }

    #[tokio::test]
    async fn answers_are_those_of_the_ordinary_object() {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        for (selection, fragments) in [
            ("name x", ""),
            ("a: x b: x x x", ""),
            ("x __typename", ""),
            ("x ... on Point { name }", ""),
            ("x ...Named", "fragment Named on Point { name }"),
            ("x @skip(if: true) name @include(if: true)", ""),
            ("x @skip(if: true)", ""),
        ] {
            let document = format!("{{ ordinary {{ {selection} }} plain {{ {selection} }} }} {fragments}");
            let answer = schema.execute(document.as_str()).await;
            assert_eq!(answer.errors, [], "{document}");
            let answer = answer.data.into_json().unwrap();
            assert_eq!(answer["ordinary"], answer["plain"], "{document}");
        }
        let answer = schema.execute("{ plain { __typename n: name x } }").await;
        let expected = r#"{"plain":[{"__typename":"Point","n":"p1","x":1},{"__typename":"Point","n":"p2","x":2}]}"#;
        assert_eq!(serde_json::to_string(&answer.data).unwrap(), expected);
        assert!(!schema.execute("{ plain { y } }").await.errors.is_empty());
    }
}
