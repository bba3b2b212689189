//! Field sets: the text in `@key(fields:)`, `@requires(fields:)` and `@provides(fields:)` (Federation spec, `FieldSet`).
//!
//! Reads the text; does not check that the fields exist, which needs a schema.

use std::fmt;

use apollo_compiler::ast::{self, Argument, Definition, Selection};
use apollo_compiler::{Name, Node};

/// Most levels that a field set may nest: deeper ones are not written by people, and all that walk one are recursive.
pub const DEPTH_MAX: usize = 100;

/// The parser counts a level more than once, and its default would allow more than small stacks hold.
const PARSER_RECURSION_MAX: usize = 4 * DEPTH_MAX;

/// Whether a text nests deeper than [`DEPTH_MAX`]; asked before it is parsed.
pub fn is_too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

/// A selection set without aliases, variables, named fragments and directives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldSet {
    /// In the order written.
    pub selections: Vec<FieldSetSelection>,
}

/// One selection of a [`FieldSet`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldSetSelection {
    /// `name`, `name(argument: 1)`, `name { .. }`
    Field(FieldSetField),
    /// `... on Type { .. }`
    InlineFragment {
        /// The type after `on`, if any.
        type_condition: Option<Name>,
        /// What is selected for it.
        selections: FieldSet,
    },
}

/// One field of a [`FieldSet`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldSetField {
    /// Name of the field.
    pub name: Name,
    /// Constant values only.
    pub arguments: Vec<Node<Argument>>,
    /// Empty for leaves.
    pub selections: FieldSet,
}

/// Why a text is no field set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldSetError {
    /// It is not a selection set.
    #[error("`{text}` is not a selection of fields: {reason}")]
    Syntax {
        /// The text.
        text: String,
        /// What the parser says.
        reason: String,
    },
    /// It nests too deep to be walked.
    #[error("a field set nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// It uses what only operations may use.
    #[error("`{text}` holds {what}, which a field set must not")]
    NotAllowed {
        /// The text.
        text: String,
        /// `an alias`, `a directive`, ...
        what: &'static str,
    },
}

impl FieldSet {
    /// Reads `text`, such as `id organization { id }`, with or without braces around it.
    ///
    /// # Errors
    /// [`FieldSetError`], when it is empty, malformed, too deep, or holds aliases, variables, spreads or directives.
    pub fn parse(text: &str) -> Result<Self, FieldSetError> {
        let syntax = |reason: String| FieldSetError::Syntax {
            text: text.to_owned(),
            reason,
        };
        if let Some(plain) = Self::plain(text) {
            return Ok(plain);
        }
        if is_too_deep(text) {
            return Err(FieldSetError::TooDeep);
        }
        let braced = text.trim_start().starts_with('{');
        let source = if braced { text.to_owned() } else { format!("{{{text}}}") };
        let document = ast::Document::parser()
            .recursion_limit(PARSER_RECURSION_MAX)
            .parse_ast(source, "field_set.graphql")
            .map_err(|failed| {
                let first = failed
                    .errors
                    .iter()
                    .next()
                    .map(|diagnostic| diagnostic.error.to_string());
                syntax(first.unwrap_or_default())
            })?;
        match document.definitions.as_slice() {
            [Definition::OperationDefinition(operation)] if !operation.selection_set.is_empty() => {
                Self::from_ast(&operation.selection_set).map_err(|what| FieldSetError::NotAllowed {
                    text: text.to_owned(),
                    what,
                })
            }
            _ => Err(syntax("expected one selection set".to_owned())),
        }
    }

    /// What `text` selects if it is a list of names, as most keys are: reading these without the parser is much faster.
    fn plain(text: &str) -> Option<Self> {
        let field = |name: &str| {
            Some(FieldSetSelection::Field(FieldSetField {
                name: Name::new(name).ok()?,
                arguments: Vec::new(),
                selections: Self::default(),
            }))
        };
        let selections: Vec<FieldSetSelection> = text.split_ascii_whitespace().map(field).collect::<Option<_>>()?;
        (!selections.is_empty()).then_some(Self { selections })
    }

    fn from_ast(selections: &[Selection]) -> Result<Self, &'static str> {
        let selections = selections.iter().map(|selection| match selection {
            Selection::Field(field) => {
                if field.alias.is_some() {
                    return Err("an alias");
                }
                if !field.directives.is_empty() {
                    return Err("a directive");
                }
                if field.arguments.iter().any(|argument| has_variable(&argument.value)) {
                    return Err("a variable");
                }
                Ok(FieldSetSelection::Field(FieldSetField {
                    name: field.name.clone(),
                    arguments: field.arguments.clone(),
                    selections: Self::from_ast(&field.selection_set)?,
                }))
            }
            Selection::InlineFragment(fragment) => {
                if !fragment.directives.is_empty() {
                    return Err("a directive");
                }
                Ok(FieldSetSelection::InlineFragment {
                    type_condition: fragment.type_condition.clone(),
                    selections: Self::from_ast(&fragment.selection_set)?,
                })
            }
            Selection::FragmentSpread(_) => Err("a fragment spread"),
        });
        Ok(Self {
            selections: selections.collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing is selected, as below a leaf.
    pub fn is_empty(&self) -> bool {
        self.selections.is_empty()
    }
}

fn has_variable(value: &ast::Value) -> bool {
    match value {
        ast::Value::Variable(_) => true,
        ast::Value::List(items) => items.iter().any(|item| has_variable(item)),
        ast::Value::Object(fields) => fields.iter().any(|(_, field)| has_variable(field)),
        _ => false,
    }
}

impl fmt::Display for FieldSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, selection) in self.selections.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            match selection {
                FieldSetSelection::Field(field) => write!(formatter, "{field}")?,
                FieldSetSelection::InlineFragment {
                    type_condition: Some(name),
                    selections,
                } => write!(formatter, "... on {name} {{ {selections} }}")?,
                FieldSetSelection::InlineFragment { selections, .. } => write!(formatter, "... {{ {selections} }}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for FieldSetField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        for (index, argument) in self.arguments.iter().enumerate() {
            let before = if index == 0 { "(" } else { ", " };
            write!(
                formatter,
                "{before}{}: {}",
                argument.name,
                argument.value.serialize().no_indent()
            )?;
        }
        if !self.arguments.is_empty() {
            formatter.write_str(")")?;
        }
        if !self.selections.is_empty() {
            write!(formatter, " {{ {} }}", self.selections)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_printed() {
        for (text, expected) in [
            ("id", "id"),
            ("  id dims{h w}", "id dims { h w }"),
            ("{ id }", "id"),
            ("price(currency: \"USD\") weight", "price(currency: \"USD\") weight"),
            ("a { ... on B { id } ... { c } }", "a { ... on B { id } ... { c } }"),
            ("__typename id", "__typename id"),
            ("other: id", "`other: id` holds an alias, which a field set must not"),
            (
                "id @skip(if: true)",
                "`id @skip(if: true)` holds a directive, which a field set must not",
            ),
            ("id(a: $a)", "`id(a: $a)` holds a variable, which a field set must not"),
            ("...F", "`...F` holds a fragment spread, which a field set must not"),
        ] {
            let actual = FieldSet::parse(text).map_or_else(|error| error.to_string(), |set| set.to_string());
            assert_eq!(actual, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_selection_is_an_error() {
        for text in ["", "{", "id }", "id } query { x", "a{".repeat(1000).as_str()] {
            assert!(FieldSet::parse(text).is_err(), "{text}");
        }
        let nested = |levels: usize| format!("{}id{}", "a { ".repeat(levels), " }".repeat(levels));
        assert!(FieldSet::parse(&nested(99)).is_ok());
        assert_eq!(FieldSet::parse(&nested(1_000)), Err(FieldSetError::TooDeep));
    }
}
