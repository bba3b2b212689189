//! Which stored objects are which entities, and what is asked for them.

use std::fmt::Write as _;
use std::sync::Arc;

use apollo_compiler::Name;
use federation::query_plan::EntityFetch;
use indexmap::IndexMap;

use super::known_entities::Question;
use crate::executable_plan::{EntityEntries, EntityEntry};
use crate::representation::Representations;
use crate::store::ObjectId;

/// What a fetch of entities asks for, and for whom.
#[derive(Debug, Default)]
pub(crate) struct EntityScope {
    pub(super) asked: Vec<Asked>,
    /// What another entry of the same fetch asks for.
    pub(super) waiting: Vec<Waiting>,
    /// How many objects were resolved from what is known.
    pub(super) resolved: usize,
}

/// One `_entities` field of a request.
#[derive(Debug)]
pub(super) struct Asked {
    /// Position of the entry in the fetch.
    pub(super) position: usize,
    /// Response key of the list.
    pub(super) response_name: String,
    /// Name of the variable with the representations.
    pub(super) variable: String,
    /// By what its answer is remembered; `None` when nobody else asks for anything of it.
    pub(super) question: Option<Question>,
    pub(super) representations: Representations,
}

/// Objects whose entity another entry of the same fetch asks for.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Number of their own entry in the plan.
    pub(super) number: usize,
    pub(super) representation: Vec<u8>,
    pub(super) objects: Vec<ObjectId>,
}

/// Representations of one entry of which a part is known, by the fields that are not.
pub(super) type PartlyKnown = IndexMap<Arc<[usize]>, Representations>;

impl EntityScope {
    pub(super) fn objects(&self) -> impl Iterator<Item = ObjectId> {
        let asked = self.asked.iter().flat_map(|asked| asked.representations.values());
        let waiting = self.waiting.iter().map(|waiting| &waiting.objects);
        asked.chain(waiting).flatten().copied()
    }

    pub(super) fn entities_sent(&self) -> usize {
        self.asked.iter().map(|asked| asked.representations.len()).sum()
    }

    /// The entry as it is planned.
    pub(super) fn ask_all(
        &mut self,
        (position, entry): (usize, &EntityFetch),
        number: Option<usize>,
        representations: Representations,
    ) {
        self.asked.push(Asked {
            position,
            response_name: entry.response_name.to_string(),
            variable: entry.variable.to_string(),
            question: number.map(|entry| Question { entry, fields: None }),
            representations,
        });
    }

    /// Parts of the entry.
    pub(super) fn ask_parts(&mut self, (position, entry): (usize, &EntityFetch), number: usize, partly: PartlyKnown) {
        for (fields, representations) in partly {
            let part = self.asked.len();
            self.asked.push(Asked {
                position,
                response_name: format!("{}_part{part}", entry.response_name),
                variable: format!("{}_part{part}", entry.variable),
                question: Some(Question {
                    entry: number,
                    fields: Some(fields),
                }),
                representations,
            });
        }
    }

    /// Whether everything is asked for as it is planned.
    pub(super) fn is_as_planned(&self) -> bool {
        self.asked.iter().all(|asked| match &asked.question {
            Some(question) => question.fields.is_none(),
            None => true,
        })
    }

    /// An operation that asks for what `asked` says; `number` gives the number of each entry in the plan.
    pub(super) fn document(&self, entries: &EntityEntries, number: impl Fn(usize) -> Option<usize>) -> Option<String> {
        let mut selections = String::new();
        let mut definitions = Vec::new();
        for asked in self.asked.iter().filter(|asked| !asked.representations.is_empty()) {
            let entry = entries.entry(number(asked.position)?);
            let fields = asked.question.as_ref().and_then(|question| question.fields.as_deref());
            if asked.response_name != "_entities" {
                let _ = write!(selections, "{}:", asked.response_name);
            }
            let _ = write!(selections, "_entities(representations:${}){{", asked.variable);
            add_fields(&mut selections, entry, fields);
            selections.push('}');
            definitions.push(format!("${}:[_Any!]!", asked.variable));
            for (name, definition) in entry.variables.iter() {
                if uses(&selections, name) && !definitions.contains(definition) {
                    definitions.push(definition.clone());
                }
            }
        }
        Some(format!("query({}){{{selections}}}", definitions.join(",")))
    }
}

/// `...on User{name email}`
fn add_fields(out: &mut String, entry: &EntityEntry, fields: Option<&[usize]>) {
    let is_asked = |index: usize| fields.is_none_or(|fields| fields.contains(&index));
    let asked = entry.fields.iter().enumerate().filter(|(index, _)| is_asked(*index));
    let asked: Vec<_> = asked.map(|(_, field)| field).collect();
    for fields in asked.chunk_by(|left, right| left.type_condition == right.type_condition) {
        let texts: Vec<&str> = fields.iter().map(|field| field.text.as_str()).collect();
        let _ = match &fields[0].type_condition {
            Some(name) => write!(out, "...on {name}{{{}}}", texts.join(" ")),
            None => write!(out, "{} ", texts.join(" ")),
        };
    }
}

/// Whether a text without descriptions has this variable outside of strings.
fn uses(text: &str, variable: &Name) -> bool {
    let mut is_escaped = false;
    let mut in_string = false;
    let mut rest = text.char_indices();
    rest.any(|(at, character)| {
        match character {
            '"' if !is_escaped => in_string = !in_string,
            '$' if !in_string => {
                let after = text[at + 1..].strip_prefix(variable.as_str());
                let goes_on = |after: &str| after.starts_with(|next: char| next == '_' || next.is_ascii_alphanumeric());
                return after.is_some_and(|after| !goes_on(after));
            }
            _ => {}
        }
        is_escaped = in_string && character == '\\' && !is_escaped;
        false
    })
}
