//! Operations with deferred fragments (`@defer`), and their answers put together again. Whether these are right, `parts` says.

use anyhow::{Result, anyhow, bail};
use apollo_compiler::ast::{Definition, Directive, DirectiveList, Document, Field, InlineFragment, Selection};
use apollo_compiler::{Name, Node, name};
use executor::{Announcement, ResponsePart, ResponsePathSegment};
use serde::Serialize;
use serde_json::Value;

use super::dice::Dice;

/// Defers some fragments of an operation, and some selections that are put into fragments for that.
pub(super) fn deferred(text: &str, seed: u64) -> Result<String> {
    let mut document = Document::parse(text, "operation.graphql").map_err(|failed| anyhow!("{}", failed.errors))?;
    let mut dice = Dice::new(seed);
    for definition in &mut document.definitions {
        match definition {
            Definition::OperationDefinition(operation) => {
                let is_query = operation.operation_type.name() == "query";
                defer(&mut operation.make_mut().selection_set, is_query, &mut dice);
            }
            Definition::FragmentDefinition(fragment) => {
                // It may stand at the root of a mutation, where nothing is deferred.
                let is_query = fragment.type_condition != "Mutation";
                defer(&mut fragment.make_mut().selection_set, is_query, &mut dice);
            }
            _ => {}
        }
    }
    Ok(document.to_string())
}

fn defer(selections: &mut Vec<Selection>, is_allowed: bool, dice: &mut Dice) {
    for selection in selections.iter_mut() {
        match selection {
            Selection::Field(field) => defer(&mut field.make_mut().selection_set, true, dice),
            Selection::InlineFragment(fragment) => {
                let fragment = fragment.make_mut();
                defer(&mut fragment.selection_set, is_allowed, dice);
                if is_allowed && dice.chance(40) {
                    fragment.directives.push(directive());
                }
            }
            Selection::FragmentSpread(spread) => {
                if is_allowed && dice.chance(40) {
                    spread.make_mut().directives.push(directive());
                }
            }
        }
    }
    if is_allowed && !selections.is_empty() && dice.chance(30) {
        let later = selections.split_off(dice.below(selections.len()));
        selections.push(Selection::InlineFragment(Node::new(InlineFragment {
            type_condition: None,
            directives: std::iter::once(directive()).collect(),
            selection_set: later,
        })));
    }
}

/// Response name that stands in a selection set of which everything is deferred.
const NOTHING: &str = "nothing";

/// The first part of an operation: without deferred fragments, and without what only they use. Where all of a selection set is
/// deferred, [`NOTHING`] is selected.
pub(super) fn first_part(text: &str) -> Result<String> {
    let mut document = Document::parse(text, "operation.graphql").map_err(|failed| anyhow!("{}", failed.errors))?;
    for definition in &mut document.definitions {
        match definition {
            Definition::OperationDefinition(operation) => drop_deferred(&mut operation.make_mut().selection_set),
            Definition::FragmentDefinition(fragment) => drop_deferred(&mut fragment.make_mut().selection_set),
            _ => {}
        }
    }
    loop {
        let text = document.to_string();
        let before = document.definitions.len();
        document.definitions.retain(|definition| match definition {
            Definition::FragmentDefinition(fragment) => is_used(&text, &format!("...{}", fragment.name)),
            _ => true,
        });
        if document.definitions.len() == before {
            break;
        }
    }
    let used = document.to_string();
    for definition in &mut document.definitions {
        if let Definition::OperationDefinition(operation) = definition {
            let variables = &mut operation.make_mut().variables;
            // Once where it is defined.
            variables.retain(|variable| used.matches(&format!("${}", variable.name)).count() > 1);
        }
    }
    Ok(document.to_string())
}

/// Whether a spread is in the text, and not only one of a longer name.
fn is_used(text: &str, spread: &str) -> bool {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut uses = text.match_indices(spread);
    uses.any(|(at, _)| !text[at + spread.len()..].starts_with(is_name))
}

fn drop_deferred(selections: &mut Vec<Selection>) {
    let is_deferred = |selection: &Selection| match selection {
        Selection::Field(_) => false,
        Selection::InlineFragment(fragment) => fragment.directives.has("defer"),
        Selection::FragmentSpread(spread) => spread.directives.has("defer"),
    };
    if selections.is_empty() {
        return;
    }
    selections.retain(|selection| !is_deferred(selection));
    for selection in selections.iter_mut() {
        match selection {
            Selection::Field(field) => drop_deferred(&mut field.make_mut().selection_set),
            Selection::InlineFragment(fragment) => drop_deferred(&mut fragment.make_mut().selection_set),
            Selection::FragmentSpread(_) => {}
        }
    }
    if selections.is_empty() {
        selections.push(Selection::Field(Node::new(Field {
            alias: Some(Name::new_unchecked(NOTHING)),
            name: name!("__typename"),
            arguments: Vec::new(),
            directives: DirectiveList::new(),
            selection_set: Vec::new(),
        })));
    }
}

/// Takes out of an answer what stands there for nothing.
pub(super) fn drop_nothing(data: &mut Value) {
    match data {
        Value::Object(fields) => {
            fields.shift_remove(NOTHING);
            fields.values_mut().for_each(drop_nothing);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nothing),
        _ => {}
    }
}

fn directive() -> Node<Directive> {
    Node::new(Directive {
        name: name!("defer"),
        arguments: Vec::new(),
    })
}

/// All parts of an answer.
#[derive(Debug, Default)]
pub(super) struct Together {
    /// As JSON text.
    pub(super) first_data: String,
    pub(super) first_errors: Vec<Value>,
    /// Of the first part and all later ones.
    pub(super) data: Value,
    /// Of the later ones.
    pub(super) later_errors: Vec<Value>,
    /// Where the objects stand whose fragments have no data.
    pub(super) failed: Vec<Vec<Value>>,
}

/// Puts parts together.
///
/// # Errors
/// When a part does not fit to those before it: not announced, announced twice, for a place that is not there, after the last,
/// or without data for no reason.
pub(super) fn together(parts: Vec<ResponsePart>) -> Result<Together> {
    let mut together = Together::default();
    let data = &mut together.data;
    let mut pending: Vec<u32> = Vec::new();
    let mut has_next = true;
    for part in parts {
        if !has_next {
            bail!("a part comes after the last");
        }
        let Announcement {
            pending: announced,
            has_next: more,
        } = match part {
            ResponsePart::First(answer, announcement) => {
                let text = answer.data.as_deref().unwrap_or_default();
                *data = serde_json::from_slice(text)?;
                together.first_data = String::from_utf8_lossy(text).into_owned();
                together.first_errors = as_json(&answer.errors)?;
                announcement
            }
            ResponsePart::Later(later, announcement) => {
                for fragment in later.fragments {
                    let known = pending.iter().position(|id| *id == fragment.pending.id);
                    pending.remove(known.ok_or_else(|| anyhow!("a fragment was not announced"))?);
                    if fragment.data.is_none() {
                        if fragment.errors.is_empty() {
                            bail!("no error says why a fragment has no data");
                        }
                        together.failed.push(as_json(&fragment.pending.path)?);
                    }
                    together.later_errors.extend(as_json(&fragment.errors)?);
                    for object in fragment.data.into_iter().flatten() {
                        let path = [fragment.pending.path.clone(), object.sub_path].concat();
                        merge(at(data, &path)?, serde_json::from_slice(&object.data)?)?;
                    }
                }
                announcement
            }
        };
        for fragment in announced {
            at(data, &fragment.path)?;
            if pending.contains(&fragment.id) {
                bail!("a fragment is announced twice");
            }
            pending.push(fragment.id);
        }
        has_next = more;
    }
    if has_next || !pending.is_empty() {
        bail!("parts are missing: {pending:?}");
    }
    Ok(together)
}

fn as_json(values: &impl Serialize) -> Result<Vec<Value>> {
    Ok(serde_json::from_value(serde_json::to_value(values)?)?)
}

fn at<'d>(data: &'d mut Value, path: &[ResponsePathSegment]) -> Result<&'d mut Value> {
    let mut value = data;
    for segment in path {
        let below = match segment {
            ResponsePathSegment::Field(name) => value.get_mut(name),
            ResponsePathSegment::Item(index) => value.get_mut(index),
        };
        value = below.ok_or_else(|| anyhow!("nothing is at {path:?}"))?;
    }
    if !value.is_object() {
        bail!("no object is at {path:?}");
    }
    Ok(value)
}

fn merge(known: &mut Value, new: Value) -> Result<()> {
    match (known, new) {
        (Value::Object(known), Value::Object(new)) => {
            for (name, value) in new {
                match known.get_mut(&name) {
                    Some(known) => merge(known, value)?,
                    None => drop(known.insert(name, value)),
                }
            }
        }
        (Value::Array(known), Value::Array(new)) if known.len() == new.len() => {
            for (known, new) in known.iter_mut().zip(new) {
                merge(known, new)?;
            }
        }
        (known, new) if *known == new => {}
        (known, new) => bail!("{known} becomes {new}"),
    }
    Ok(())
}
