//! Operations with deferred fragments (`@defer`), and their answers put together again.

use anyhow::{Result, anyhow, bail};
use apollo_compiler::ast::{Definition, Directive, Document, InlineFragment, Selection};
use apollo_compiler::{Node, name};
use executor::{Announcement, ResponsePart, ResponsePathSegment};
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

fn directive() -> Node<Directive> {
    Node::new(Directive {
        name: name!("defer"),
        arguments: Vec::new(),
    })
}

/// The data of all parts.
///
/// # Errors
/// When a part does not fit to those before it: not announced, announced twice, for a place that is not there, after the last.
pub(super) fn together(parts: Vec<ResponsePart>) -> Result<Value> {
    let mut data = Value::Null;
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
                data = serde_json::from_slice(answer.data.as_deref().unwrap_or_default())?;
                if !answer.errors.is_empty() {
                    bail!("errors in the first part: {:?}", answer.errors);
                }
                announcement
            }
            ResponsePart::Later(later, announcement) => {
                for fragment in later.fragments {
                    let known = pending.iter().position(|id| *id == fragment.pending.id);
                    pending.remove(known.ok_or_else(|| anyhow!("a fragment was not announced"))?);
                    let Some(objects) = fragment.data.filter(|_| fragment.errors.is_empty()) else {
                        bail!("a fragment failed: {:?}", fragment.errors);
                    };
                    for object in objects {
                        let path = [fragment.pending.path.clone(), object.sub_path].concat();
                        merge(at(&mut data, &path)?, serde_json::from_slice(&object.data)?)?;
                    }
                }
                announcement
            }
        };
        for fragment in announced {
            at(&mut data, &fragment.path)?;
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
    Ok(data)
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
