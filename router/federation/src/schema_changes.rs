//! What changed between two API schemas, and what each change means for clients.
//!
//! Types are compared by name, root types also by what they are the root of. What a client can neither see nor use is
//! not compared: the order of definitions, and applications of custom directives. Does not look at operations;
//! `recorded_operations` does.

mod change;
mod directives;
mod inputs;
mod types;

use apollo_compiler::Name;
use apollo_compiler::ast::Value;
use apollo_compiler::coordinate::SchemaCoordinate;

pub(crate) use change::Effect;
pub use change::{ChangeCode, Coordinate, SchemaChange, Severity};

use crate::api_schema::ApiSchema;

/// Every change from `old` to `new`: the breaking ones first, each severity in the order of coordinates.
pub fn schema_changes(old: &ApiSchema, new: &ApiSchema) -> Vec<SchemaChange> {
    let mut comparison = Comparison {
        old,
        new,
        changes: Vec::new(),
    };
    comparison.schema_definition();
    comparison.types();
    comparison.directives();
    let mut changes = comparison.changes;
    changes.sort_by_cached_key(|change| (change.severity, change.coordinate.to_string(), change.code.as_str()));
    changes
}

struct Comparison<'a> {
    old: &'a ApiSchema,
    new: &'a ApiSchema,
    changes: Vec<SchemaChange>,
}

impl Comparison<'_> {
    fn push(&mut self, code: ChangeCode, severity: Severity, coordinate: impl Into<SchemaCoordinate>, message: String) {
        self.changes
            .push(SchemaChange::new(code, severity, coordinate.into().into(), message));
    }

    fn description(&mut self, coordinate: impl Into<SchemaCoordinate>, old: Option<&str>, new: Option<&str>) {
        if old != new {
            let coordinate = coordinate.into();
            let message = format!("the description of `{coordinate}` changed");
            self.push(ChangeCode::DescriptionChanged, Severity::Safe, coordinate, message);
        }
    }

    fn deprecation(&mut self, coordinate: impl Into<SchemaCoordinate>, old: Option<&str>, new: Option<&str>) {
        let coordinate = coordinate.into();
        let (code, message) = match (old, new) {
            (None, Some(reason)) => (
                ChangeCode::DeprecationAdded,
                format!("`{coordinate}` is deprecated now ({reason}); clients should leave it"),
            ),
            (Some(_), None) => (
                ChangeCode::DeprecationRemoved,
                format!("`{coordinate}` is no longer deprecated"),
            ),
            (Some(old), Some(new)) if old != new => (
                ChangeCode::DeprecationReasonChanged,
                format!("`{coordinate}` is deprecated for another reason: {new}"),
            ),
            _ => return,
        };
        self.push(code, Severity::Safe, coordinate, message);
    }
}

/// The reason of `@deprecated`, when it is applied.
fn deprecated(directives: &apollo_compiler::ast::DirectiveList) -> Option<&str> {
    let directive = directives.get("deprecated")?;
    let reason = directive.specified_argument_by_name("reason");
    Some(
        reason
            .and_then(|reason| reason.as_str())
            .unwrap_or("No longer supported"),
    )
}

/// Whether two default values mean the same: the order of an input object's fields does not matter.
fn same_value(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let find = |name: &Name| new.iter().find(|(other, _)| other == name);
            old.len() == new.len()
                && old
                    .iter()
                    .all(|(name, value)| find(name).is_some_and(|(_, other)| same_value(value, other)))
        }
        (Value::List(old), Value::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_value(old, new))
        }
        (old, new) => old == new,
    }
}
