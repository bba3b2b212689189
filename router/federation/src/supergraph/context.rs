//! Contexts: values that a field takes from an object above it (`@context`, `@fromContext`).

use std::fmt;
use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::ast::{Directive, Type, Value};

use super::SupergraphError;
use super::read::parse_type;
use crate::field_set::FieldSet;

/// A context of one subgraph. Which types set it is said by [`TypeDefinition::contexts`](super::TypeDefinition::contexts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextId(pub u32);

/// An argument that clients do not see: the router fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextArgument {
    /// Name of the argument.
    pub name: Name,
    /// Its type in the subgraph.
    pub argument_type: Type,
    /// Which context: the nearest object above that sets it counts.
    pub context: ContextId,
    /// What is selected there: one field, perhaps inside of others, or one for each type that sets the context.
    pub selection: Arc<FieldSet>,
}

/// Every context of a supergraph while it is read, by name.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    names: Vec<String>,
    are_used: bool,
}

impl Contexts {
    pub(super) fn intern(&mut self, name: &str) -> ContextId {
        let known = self.names.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        ContextId(index as u32)
    }

    /// Whether any argument takes its value from a context.
    pub(super) fn are_used(&self) -> bool {
        self.are_used
    }

    /// Reads `contextArguments: [{context:, name:, type:, selection:}]` of `@join__field`.
    pub(super) fn arguments(
        &mut self,
        coordinate: &dyn fmt::Display,
        directive: &Directive,
    ) -> Result<Arc<[ContextArgument]>, SupergraphError> {
        let arguments = directive.specified_argument_by_name("contextArguments");
        let Some(arguments) = arguments.and_then(|arguments| arguments.as_list()) else {
            return Ok(Arc::default());
        };
        arguments
            .iter()
            .map(|argument| self.argument(coordinate, argument))
            .collect()
    }

    fn argument(
        &mut self,
        coordinate: &dyn fmt::Display,
        argument: &Value,
    ) -> Result<ContextArgument, SupergraphError> {
        let malformed = |what: &str| SupergraphError::Join {
            coordinate: coordinate.to_string(),
            reason: format!("a context argument without a `{what}` that can be read"),
        };
        let text = |key: &str| {
            let fields = argument.as_object().unwrap_or_default();
            let field = fields.iter().find(|(name, _)| name == key);
            field
                .and_then(|(_, value)| value.as_str())
                .ok_or_else(|| malformed(key))
        };
        let selection = FieldSet::parse(text("selection")?).map_err(|source| SupergraphError::FieldSet {
            coordinate: coordinate.to_string(),
            source,
        })?;
        self.are_used = true;
        Ok(ContextArgument {
            name: Name::new(text("name")?).map_err(|_| malformed("name"))?,
            argument_type: parse_type(text("type")?).ok_or_else(|| malformed("type"))?,
            context: self.intern(text("context")?),
            selection: Arc::new(selection),
        })
    }
}
