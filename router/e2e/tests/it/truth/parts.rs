//! Whether an answer in parts is right, where fields fail (GraphQL spec, "Handling Execution Errors"; Incremental Delivery RFC).
//!
//! The first part is the monolith's answer to what is not deferred, with one difference that a federated graph cannot help: a
//! subgraph that is asked for something deferred along with the rest makes the whole object null for it. All parts together
//! are what there is, up to nulls and fragments without data that failures explain.

use std::collections::BTreeSet;

use serde_json::Value;

use super::comparison::difference;
use super::deferring::Together;
use super::monolith::Answer;

/// What is wrong; `None` if nothing is.
///
/// * `first`: the monolith's answer to what is not deferred; `None` where more may come at once, as what is asked of the schema.
/// * `everything`: all that there is, with nulls that make no parent null.
pub(super) fn difference_in_parts(first: Option<&Answer>, everything: &Answer, together: &Together) -> Option<String> {
    let parts = Parts::new(everything, together);
    let of_first = first.and_then(|first| {
        let first = &Answer {
            response: first.response.clone(),
            // What something deferred requires may be asked for along with the rest.
            hidden_failures: everything.hidden_failures.clone(),
        };
        let difference = difference(first, &together.first_data, &together.first_errors);
        difference.filter(|_| !parts.is_taken_along(first))
    });
    if let Some(difference) = of_first {
        return Some(format!("the first part: {difference}"));
    }
    parts
        .value((&together.data, &everything.response["data"]), &mut Vec::new())
        .or_else(|| parts.failed_fragments())
        .or_else(|| parts.errors())
}

type Path = Vec<Value>;

struct Parts<'a> {
    together: &'a Together,
    /// Where something fails, and its message.
    failures: Vec<(&'a [Value], &'a str)>,
    hidden_failures: &'a BTreeSet<String>,
    told: Vec<(&'a [Value], &'a str)>,
}

fn located(error: &Value) -> (&[Value], &str) {
    let path = error["path"].as_array().map_or(&[][..], Vec::as_slice);
    (path, error["message"].as_str().unwrap_or_default())
}

impl<'a> Parts<'a> {
    fn new(everything: &'a Answer, together: &'a Together) -> Self {
        let failures = everything.response["errors"].as_array().into_iter().flatten();
        let told = together.first_errors.iter().chain(&together.later_errors);
        Self {
            together,
            failures: failures.map(located).collect(),
            hidden_failures: &everything.hidden_failures,
            told: told.map(located).collect(),
        }
    }

    /// Whether something deferred fails that is in the way of what is not.
    fn is_taken_along(&self, first: &Answer) -> bool {
        let in_first = |path: &[Value]| {
            let mut errors = first.response["errors"].as_array().into_iter().flatten();
            errors.any(|error| located(error).0 == path)
        };
        self.failures.iter().any(|(path, _)| !in_first(path))
    }

    /// Compares what is there with what could be.
    fn value(&self, (value, all): (&Value, &Value), path: &mut Path) -> Option<String> {
        match (value, all) {
            (Value::Null, Value::Null) => None,
            (Value::Null, _) => self.null(path),
            (Value::Object(fields), Value::Object(all)) => {
                if let Some(name) = fields.keys().find(|name| !all.contains_key(*name)) {
                    return Some(format!("`{name}` is not selected at {}", Value::from(path.clone())));
                }
                all.iter().find_map(|(name, all)| {
                    path.push(Value::from(name.as_str()));
                    let difference = match fields.get(name) {
                        Some(value) => self.value((value, all), path),
                        None => self.absent(path),
                    };
                    path.pop();
                    difference
                })
            }
            (Value::Array(items), Value::Array(all)) if items.len() == all.len() => {
                items.iter().zip(all).enumerate().find_map(|(index, pair)| {
                    path.push(Value::from(index));
                    let difference = self.value(pair, path);
                    path.pop();
                    difference
                })
            }
            _ if value == all || self.is_computed_from_failures() => None,
            _ => Some(format!("{value} in place of {all} at {}", Value::from(path.clone()))),
        }
    }

    /// What is computed from a field that failed may be anything: see the third difference of `comparison`.
    fn is_computed_from_failures(&self) -> bool {
        self.told
            .iter()
            .any(|(_, message)| self.hidden_failures.contains(*message))
    }

    fn null(&self, path: &[Value]) -> Option<String> {
        let messages: Vec<&str> = self.failures_below(path).map(|(_, message)| message).collect();
        let is_hidden = |message: &str| self.hidden_failures.contains(message);
        let mut told = self.told.iter();
        let is_told = told.any(|(told, message)| {
            told.starts_with(path) || path.starts_with(told) || messages.contains(message) || is_hidden(message)
        });
        let fails = !messages.is_empty() || self.is_computed_from_failures();
        (!fails || !is_told).then(|| format!("nothing explains the null at {}", Value::from(path.to_vec())))
    }

    fn failures_below(&self, path: &[Value]) -> impl Iterator<Item = (&'a [Value], &'a str)> {
        let failures = self.failures.iter().copied();
        failures.filter(move |(failure, _)| failure.starts_with(path))
    }

    fn absent(&self, path: &[Value]) -> Option<String> {
        let mut failed = self.together.failed.iter();
        let is_of_failed = failed.any(|failed| path.starts_with(failed));
        (!is_of_failed).then(|| format!("nothing is at {}", Value::from(path.to_vec())))
    }

    fn failed_fragments(&self) -> Option<String> {
        self.together.failed.iter().find_map(|failed| {
            let differs = self.failures_below(failed).next().is_none() && !self.is_computed_from_failures();
            differs.then(|| format!("a fragment without data at {}", Value::from(failed.clone())))
        })
    }

    /// Every error is one that there is, or below a null or a fragment that there is one for.
    fn errors(&self) -> Option<String> {
        self.told.iter().find_map(|(path, message)| {
            let is_known = self.hidden_failures.contains(*message)
                || self
                    .failures
                    .iter()
                    .any(|(failure, _)| failure.starts_with(path) || path.starts_with(failure));
            let is_below = (0..=path.len()).any(|length| {
                let parent = &path[..length];
                self.together.failed.iter().any(|failed| failed.as_slice() == parent)
                    && self.failures_below(parent).next().is_some()
                    || is_null_at(&self.together.data, parent) && self.failures_below(parent).next().is_some()
            });
            (!is_known && !is_below).then(|| format!("an error should not be at {}", Value::from(path.to_vec())))
        })
    }
}

fn is_null_at(data: &Value, path: &[Value]) -> bool {
    let mut at = data;
    for segment in path {
        let below = match segment {
            Value::String(name) => at.get(name),
            index => at.get(index.as_u64().unwrap_or_default() as usize),
        };
        let Some(below) = below else { return false };
        at = below;
    }
    at.is_null()
}
