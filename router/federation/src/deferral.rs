//! Which fragments of an operation are answered later (`@defer`, Incremental Delivery RFC).
//!
//! That depends on the client, which must be able to read an answer in parts, and on its variables. Does not say what is
//! fetched when; that is the planner's work.

use std::collections::BTreeSet;
use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::ast::Value;
use apollo_compiler::executable::{DirectiveList, ExecutableDocument, Selection, SelectionSet};
use serde_json::{Map, Value as JsonValue};

use crate::operation::Operation;

/// Under which conditions an operation defers anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeferConditions {
    /// Whether some fragment is deferred whatever the variables are.
    always: bool,
    /// Variables that defer some fragment when they are true.
    variables: BTreeSet<Name>,
}

impl DeferConditions {
    /// Those of `operation`, the fragments that it uses included.
    pub fn of(operation: &Operation) -> Self {
        let document: &ExecutableDocument = operation.document();
        let mut conditions = Self::default();
        conditions.collect(&operation.definition().selection_set);
        // A valid document has no fragments but those that its operations use.
        for fragment in document.fragments.values() {
            conditions.collect(&fragment.selection_set);
        }
        conditions
    }

    fn collect(&mut self, selection_set: &SelectionSet) {
        for selection in &selection_set.selections {
            match condition(selection.directives()) {
                Some(Condition::Always) => self.always = true,
                Some(Condition::Variable(variable)) => {
                    self.variables.insert(variable.clone());
                }
                None => {}
            }
            match selection {
                Selection::Field(field) => self.collect(&field.selection_set),
                Selection::InlineFragment(fragment) => self.collect(&fragment.selection_set),
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    /// What is deferred for a client that reads answers in parts.
    ///
    /// * `variables`: coerced.
    pub fn active(&self, variables: &Map<String, JsonValue>) -> ActiveDefers {
        let is_true = |name: &&Name| variables.get(name.as_str()) == Some(&JsonValue::Bool(true));
        let on: Arc<[Name]> = self.variables.iter().filter(is_true).cloned().collect();
        ActiveDefers((self.always || !on.is_empty()).then_some(on))
    }
}

/// What one request defers: every `@defer` without a condition, and those whose variable is true; or nothing at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActiveDefers(Option<Arc<[Name]>>);

impl ActiveDefers {
    /// Nothing is deferred: the answer comes whole.
    pub const NONE: Self = Self(None);

    /// Whether these directives, of a fragment, defer it.
    pub fn defer(&self, directives: &DirectiveList) -> bool {
        let Some(on) = &self.0 else { return false };
        match condition(directives) {
            Some(Condition::Always) => true,
            Some(Condition::Variable(variable)) => on.binary_search(variable).is_ok(),
            None => false,
        }
    }
}

/// The client's name for a deferred fragment.
pub fn label(directives: &DirectiveList) -> Option<&str> {
    let label = directives.get("defer")?.specified_argument_by_name("label")?;
    label.as_str()
}

enum Condition<'a> {
    Always,
    Variable(&'a Name),
}

/// `None`: never deferred.
fn condition(directives: &DirectiveList) -> Option<Condition<'_>> {
    let argument = directives.get("defer")?.specified_argument_by_name("if");
    match argument.map(AsRef::as_ref) {
        None | Some(Value::Boolean(true)) => Some(Condition::Always),
        Some(Value::Variable(variable)) => Some(Condition::Variable(variable)),
        Some(_) => None,
    }
}
