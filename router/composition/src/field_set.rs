//! Field sets: the `fields` of `@key`, `@requires` and `@provides`, resolved against one subgraph.
//!
//! Reading and walking only; which fields may stand where is checked in `validate`.

use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use rustc_hash::FxHashSet;

/// A field of a type: `Product.price`.
pub(crate) type Coordinate = (Name, Name);

/// Deepest nesting of a field set; beyond it nobody can read one, and every walk below is recursive.
const DEPTH_MAX: usize = 100;

/// A field set that selects only existing fields.
#[derive(Debug, Clone)]
pub(crate) struct FieldSet {
    pub(crate) selection: SelectionSet,
}

impl FieldSet {
    /// Reads `text` as a selection on `type_name`.
    ///
    /// # Errors
    /// A sentence for people: syntax, unknown fields, missing or forbidden sub-selections.
    pub(crate) fn parse(schema: &Valid<Schema>, type_name: &Name, text: &str) -> Result<Self, String> {
        // Without names the parser would give an empty selection for a list in braces only.
        let mut parser = Parser::new().recursion_limit(DEPTH_MAX).token_limit(100_000);
        let parsed = parser
            .parse_field_set(schema, type_name.clone(), text, "fields")
            .map_err(|failure| {
                let messages: Vec<_> = failure
                    .errors
                    .iter()
                    .map(|diagnostic| diagnostic.error.to_string())
                    .collect();
                messages.join("; ")
            })?;
        check_leaves(schema, &parsed.selection_set)?;
        Ok(Self {
            selection: parsed.selection_set,
        })
    }

    /// Every field selected, with its parent type, outermost first.
    pub(crate) fn for_each_field(&self, mut visit: impl FnMut(&Name, &Field)) {
        visit_fields(&self.selection, &mut visit);
    }

    /// Coordinates of every field selected; a field of an interface counts for its implementations too.
    pub(crate) fn coordinates(&self, schema: &Schema) -> FxHashSet<Coordinate> {
        let mut found = FxHashSet::default();
        self.for_each_field(|parent, field| {
            found.insert((parent.clone(), field.name.clone()));
            if schema.get_interface(parent).is_some() {
                found.extend(implementations(schema, parent).map(|object| (object.clone(), field.name.clone())));
            }
        });
        found
    }
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
