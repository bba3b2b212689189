//! Field sets: the `fields` of `@key`, `@requires` and `@provides`, resolved against one subgraph.
//!
//! Reading and walking only; which fields may stand where is checked in `validate`.

use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Node, Schema};
use federation::field_set::{DEPTH_MAX, FieldSetError, is_too_deep};
use rustc_hash::FxHashSet;

use crate::field_usage::fields_of;

/// A field of a type: `Product.price`.
pub(crate) type Coordinate = (Name, Name);

/// More than the parser counts for the deepest field set that is read.
const PARSER_RECURSION_MAX: usize = 4 * DEPTH_MAX;

/// Why a text is no field set.
#[derive(Debug)]
pub(crate) struct InvalidFieldSet {
    /// A sentence for people: syntax, unknown fields, missing or forbidden sub-selections.
    pub(crate) reason: String,
    /// What could be read of it: these fields are meant to be used, so that they are not reported as unused besides.
    readable: SelectionSet,
}

impl InvalidFieldSet {
    /// Coordinates of the fields that could be read.
    pub(crate) fn coordinates(&self, schema: &Schema) -> FxHashSet<Coordinate> {
        coordinates(&self.readable, schema)
    }
}

/// A field set that selects only existing fields.
#[derive(Debug, Clone)]
pub(crate) struct FieldSet {
    pub(crate) selection: SelectionSet,
}

impl FieldSet {
    /// Reads `text` as a selection on `type_name`.
    ///
    /// # Errors
    /// The text cannot be read, or selects what is not there.
    pub(crate) fn parse(schema: &Valid<Schema>, type_name: &Name, text: &str) -> Result<Self, InvalidFieldSet> {
        if let Some(selection) = plain_leaves(schema, type_name, text) {
            return Ok(Self { selection });
        }
        let unreadable = |reason: String| InvalidFieldSet {
            reason,
            readable: SelectionSet::new(type_name.clone()),
        };
        if let Some(found) = text.chars().next().filter(|_| !can_begin(text)) {
            let reason = format!("syntax error: expected the name of a field, found `{found}`");
            return Err(unreadable(reason));
        }
        if is_too_deep(text) {
            return Err(unreadable(format!("it nests deeper than {DEPTH_MAX} levels")));
        }
        // Without names the parser would give an empty selection for a list in braces only.
        let mut parser = Parser::new().recursion_limit(PARSER_RECURSION_MAX).token_limit(100_000);
        let parsed = parser.parse_field_set(schema, type_name.clone(), text, "fields");
        let parsed = parsed.map_err(|failure| {
            let messages: Vec<_> = failure
                .errors
                .iter()
                .map(|diagnostic| diagnostic.error.to_string())
                .collect();
            InvalidFieldSet {
                reason: messages.join("; "),
                readable: failure.partial.selection_set,
            }
        })?;
        let selection = parsed.selection_set;
        // Stricter than the parser, which passes over a brace too many; and what is written must be read by routers.
        if let Err(FieldSetError::Syntax { reason, .. }) = federation::field_set::FieldSet::parse(text) {
            return Err(InvalidFieldSet {
                reason,
                readable: selection,
            });
        }
        match check_leaves(schema, &selection) {
            Ok(()) => Ok(Self { selection }),
            Err(reason) => Err(InvalidFieldSet {
                reason,
                readable: selection,
            }),
        }
    }

    /// Every field selected, with its parent type, outermost first.
    pub(crate) fn for_each_field(&self, mut visit: impl FnMut(&Name, &Field)) {
        visit_fields(&self.selection, &mut visit);
    }

    /// Coordinates of every field selected; a field of an interface counts for its implementations too.
    pub(crate) fn coordinates(&self, schema: &Schema) -> FxHashSet<Coordinate> {
        coordinates(&self.selection, schema)
    }
}

/// The selection that `text` is if it only names leaves, as most keys do: reading those without the parser is most of
/// the time that field sets take. `None` for anything else, and for whatever may be wrong.
fn plain_leaves(schema: &Schema, type_name: &Name, text: &str) -> Option<SelectionSet> {
    let fields = fields_of(schema.types.get(type_name)?)?;
    let mut selection = SelectionSet::new(type_name.clone());
    for name in text.split_ascii_whitespace() {
        let definition = &fields.get(name)?.node;
        let is_leaf = schema.types.get(definition.ty.inner_named_type())?.is_leaf();
        if !is_leaf || !definition.arguments.is_empty() {
            return None;
        }
        let field = Field::new(definition.name.clone(), definition.clone());
        selection.selections.push(Selection::Field(Node::new(field)));
    }
    (!selection.selections.is_empty()).then_some(selection)
}

/// Whether a text begins with something that GraphQL knows. apollo-parser 0.8 panics on a field set that does not.
fn can_begin(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | ' ' | '\t' | '\n' | '\r' | ',' | '#');
    text.starts_with(is_known) || text.starts_with("...")
}

fn coordinates(selection: &SelectionSet, schema: &Schema) -> FxHashSet<Coordinate> {
    let mut found = FxHashSet::default();
    visit_fields(selection, &mut |parent, field| {
        found.insert((parent.clone(), field.name.clone()));
        if schema.get_interface(parent).is_some() {
            found.extend(implementations(schema, parent).map(|object| (object.clone(), field.name.clone())));
        }
    });
    found
}

/// Object types of `schema` that implement `interface`.
pub(crate) fn implementations<'s>(schema: &'s Schema, interface: &'s str) -> impl Iterator<Item = &'s Name> {
    schema.types.values().filter_map(move |definition| {
        let object = definition.as_object()?;
        object.implements_interfaces.contains(interface).then_some(&object.name)
    })
}

fn visit_fields(selection: &SelectionSet, visit: &mut impl FnMut(&Name, &Field)) {
    for item in &selection.selections {
        match item {
            Selection::Field(field) => {
                visit(&selection.ty, field);
                visit_fields(&field.selection_set, visit);
            }
            Selection::InlineFragment(fragment) => visit_fields(&fragment.selection_set, visit),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn check_leaves(schema: &Schema, selection: &SelectionSet) -> Result<(), String> {
    if selection.selections.is_empty() {
        return Err(format!("nothing is selected of `{}`", selection.ty));
    }
    for item in &selection.selections {
        match item {
            Selection::Field(field) => check_leaf(schema, field)?,
            Selection::InlineFragment(fragment) => {
                let condition = fragment.type_condition.as_ref();
                if let Some(unknown) = condition.filter(|name| !schema.types.contains_key(*name)) {
                    return Err(format!("there is no type `{unknown}`"));
                }
                check_leaves(schema, &fragment.selection_set)?;
            }
            Selection::FragmentSpread(spread) => {
                return Err(format!(
                    "a named fragment (`...{}`) cannot be used here",
                    spread.fragment_name
                ));
            }
        }
    }
    Ok(())
}

fn check_leaf(schema: &Schema, field: &Field) -> Result<(), String> {
    if let Some(alias) = &field.alias {
        return Err(format!("`{}` cannot have an alias (`{alias}`)", field.name));
    }
    let is_leaf = schema
        .types
        .get(field.ty().inner_named_type())
        .is_none_or(|definition| definition.is_leaf());
    match (is_leaf, field.selection_set.selections.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("`{}` is a leaf, so nothing can be selected of it", field.name)),
        (false, true) => Err(format!(
            "`{}` needs a selection of its fields: `{} {{ ... }}`",
            field.name, field.name
        )),
        (false, false) => check_leaves(schema, &field.selection_set),
    }
}
