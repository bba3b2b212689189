//! Whether the router's answer is the monolith's, up to the differences that a federated graph cannot help.
//!
//! The differences allowed, each with what forces it:
//!
//! 1. *Errors below a null that another error explains may be missing, or be others.* GraphQL spec 6.4.4, "Handling Field
//!    Errors": once a parent becomes null, its other fields need not be waited for. A subgraph that makes an entity null
//!    for one field takes the others along, and what they lead to.
//! 2. *A failure is told once, at one of the places where its value stands.* Federation subgraph spec, `Query._entities`:
//!    an entity at several places of the answer, or a field under several aliases, is asked for once.
//! 3. *A failure in a field that only `@requires` selects is told, though the answer has no such field.* Its null is sent on
//!    (GraphQL spec, "Handling Execution Errors": the field's value is null), and what is computed from it may be wrong.
//!
//! All else is equal: `data` byte for byte, the order of keys too; every error at a path where the monolith has one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::monolith::Answer;

/// What differs; `None` if nothing does.
///
/// * `data`: bytes of the router's `data`.
/// * `errors`: its errors, each with a `message` and a `path`.
pub(super) fn difference(expected: &Answer, data: &str, errors: &[Value]) -> Option<String> {
    let Answer {
        response: expected,
        hidden_failures,
    } = expected;
    let expected_data = expected["data"].to_string();
    if expected_data != data {
        return Some("data differs".to_owned());
    }
    let no_errors = Vec::new();
    let expected_errors = expected["errors"].as_array().unwrap_or(&no_errors);
    let nulls: BTreeSet<String> = expected_errors
        .iter()
        .map(|error| null_of(&expected["data"], error, true))
        .collect();
    for error in errors {
        let is_expected = expected_errors.iter().any(|expected| expected["path"] == error["path"]);
        let is_below = nulls.contains(&null_of(&expected["data"], error, true))
            && depth_of_null(&expected["data"], error) < error["path"].as_array().map_or(0, Vec::len);
        let is_hidden = error["message"]
            .as_str()
            .is_some_and(|message| hidden_failures.contains(message));
        if !is_expected && !is_below && !is_hidden {
            return Some(format!("an error should not be at {}", error["path"]));
        }
    }
    let told: BTreeSet<&str> = errors.iter().filter_map(|error| error["message"].as_str()).collect();
    let is_told = |error: &Value| {
        let message = error["message"].as_str().unwrap_or_default();
        (is_own(error) || hidden_failures.contains(message)) && told.contains(message)
    };
    // One that is told where its value stands elsewhere explains the null here as well.
    let told_elsewhere = expected_errors.iter().filter(|error| is_told(error));
    let explained: BTreeSet<String> = errors
        .iter()
        .chain(told_elsewhere)
        .map(|error| null_of(&expected["data"], error, true))
        .collect();
    // Under several aliases, or in an entity at several places.
    let object_of = |error: &Value| {
        let null = null_of(&expected["data"], error, false);
        null.rsplit_once('/')
            .map_or_else(String::new, |(object, _)| object.to_owned())
    };
    let alike: BTreeSet<String> = errors.iter().map(object_of).collect();
    let unexplained = expected_errors.iter().find(|error| {
        !explained.contains(&null_of(&expected["data"], error, true))
            // A null that should not be has the message of all of these.
            && (is_own(error) || !alike.contains(&object_of(error)))
    });
    unexplained.map(|error| format!("no error explains the null at {}", error["path"]))
}

/// Whether the message is of one failure alone.
fn is_own(error: &Value) -> bool {
    error["message"]
        .as_str()
        .is_some_and(|message| message.ends_with(" fails"))
}

/// How many segments lead to the null that an error explains.
fn depth_of_null(data: &Value, error: &Value) -> usize {
    null_of(data, error, true).matches('/').count()
}

/// The place of the null that an error explains.
fn null_of(data: &Value, error: &Value, with_indices: bool) -> String {
    let mut at = data;
    let mut place = String::new();
    for segment in error["path"].as_array().into_iter().flatten() {
        match segment {
            _ if at.is_null() => break,
            Value::String(name) => {
                place.push_str(&format!("/{name}"));
                at = &at[name.as_str()];
            }
            index => {
                if with_indices {
                    place.push_str(&format!("/{index}"));
                }
                at = &at[index.as_u64().unwrap_or_default() as usize];
            }
        }
    }
    place
}
