//! Which stored objects are which entities, and what is asked for them.

use std::fmt::Write as _;
use std::sync::Arc;

use apollo_compiler::Name;
use federation::query_plan::{EntityFetch, Fetch, FetchTarget};
use indexmap::{IndexMap, IndexSet};

use super::known_entities::Question;
use crate::executable_plan::{EntityEntries, EntityEntry};
use crate::representation::{ContextValues, Representations};
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
    /// What its entities take from objects above them.
    pub(super) contexts: Vec<AskedContext>,
}

/// A variable of a context, with the value that all entities of one `_entities` field have in common.
#[derive(Debug)]
pub(super) struct AskedContext {
    /// Its name in the planned operation.
    planned: Name,
    /// Its name in the request.
    pub(super) sent: String,
    /// JSON.
    pub(super) value: Vec<u8>,
}

/// Objects whose entity another entry of the same fetch asks for.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// Position of their own entry in the fetch.
    pub(super) position: usize,
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
            contexts: Vec::new(),
        });
    }

    /// The entry as it is planned, for no object.
    pub(super) fn ask_nothing(&mut self, entry: (usize, &EntityFetch)) {
        self.ask_all(entry, None, Representations::new());
    }

    /// Parts of the entry.
    ///
    /// * `used`: names that the client gave to variables of the same request.
    pub(super) fn ask_parts(
        &mut self,
        (position, entry): (usize, &EntityFetch),
        used: &[Name],
        number: usize,
        partly: PartlyKnown,
    ) {
        for (fields, representations) in partly {
            let part = self.asked.len();
            self.asked.push(Asked {
                position,
                response_name: format!("{}_part{part}", entry.response_name),
                variable: unused(format!("{}_part{part}", entry.variable), used),
                question: Some(Question {
                    entry: number,
                    fields: Some(fields),
                }),
                representations,
                contexts: Vec::new(),
            });
        }
    }

    /// The entry once for each combination of values from contexts: the first as it is planned, the others under names of
    /// their own.
    ///
    /// * `used`: names that the client gave to variables of the same request.
    pub(super) fn ask_by_contexts(
        &mut self,
        (position, entry): (usize, &EntityFetch),
        used: &[Name],
        by_contexts: IndexMap<ContextValues, Representations>,
    ) {
        if by_contexts.is_empty() {
            return self.ask_nothing((position, entry));
        }
        for (index, (values, representations)) in by_contexts.into_iter().enumerate() {
            let number = self.asked.len();
            let renamed = |name: &Name| match index {
                0 => name.to_string(),
                _ => unused(format!("{name}_with{number}"), used),
            };
            let contexts = entry.context_variables.iter().zip(values);
            let contexts = contexts.map(|(context, value)| AskedContext {
                planned: context.variable.clone(),
                sent: renamed(&context.variable),
                value,
            });
            self.asked.push(Asked {
                position,
                response_name: renamed(&entry.response_name),
                variable: renamed(&entry.variable),
                question: None,
                contexts: contexts.collect(),
                representations,
            });
        }
    }

    /// Whether everything is asked for as it is planned, and every variable of that operation can be given a value.
    pub(super) fn is_as_planned(&self, fetch: &Fetch) -> bool {
        let FetchTarget::Entities(entries) = &fetch.target else {
            return true;
        };
        self.asked.iter().all(|asked| {
            let entry = &entries[asked.position];
            let needs_value = entry.context_variables.iter().any(|context| context.is_non_null);
            entry.variable == asked.variable.as_str() && !(needs_value && asked.contexts.is_empty())
        })
    }

    /// An operation that asks for what `asked` says; `number` gives the number of each entry in the plan.
    pub(super) fn document(&self, entries: &EntityEntries, number: impl Fn(usize) -> Option<usize>) -> Option<String> {
        let mut selections = String::new();
        let mut definitions = IndexSet::new();
        for asked in self.asked.iter().filter(|asked| !asked.representations.is_empty()) {
            let entry = entries.entry(number(asked.position)?);
            let fields = asked.question.as_ref().and_then(|question| question.fields.as_deref());
            if asked.response_name != "_entities" {
                let _ = write!(selections, "{}:", asked.response_name);
            }
            let _ = write!(selections, "_entities(representations:${}){{", asked.variable);
            let mut planned = String::new();
            add_fields(&mut planned, entry, fields);
            asked.add_renamed(&mut selections, &planned);
            selections.push('}');
            definitions.insert(format!("${}:[_Any!]!", asked.variable));
            for (name, planned_definition) in entry.variables.iter() {
                if variables_of(&planned).any(|(_, variable)| variable == name.as_str()) {
                    let mut definition = String::new();
                    asked.add_renamed(&mut definition, planned_definition);
                    definitions.insert(definition);
                }
            }
        }
        let definitions: Vec<String> = definitions.into_iter().collect();
        Some(format!("query({}){{{selections}}}", definitions.join(",")))
    }
}

impl Asked {
    /// Writes a part of the planned operation, with variables of contexts under the names that are sent.
    fn add_renamed(&self, out: &mut String, planned: &str) {
        let mut written = 0;
        for (begin, name) in variables_of(planned) {
            if let Some(context) = self.contexts.iter().find(|context| context.planned == name) {
                out.push_str(&planned[written..begin]);
                out.push_str(&context.sent);
                written = begin + name.len();
            }
        }
        out.push_str(&planned[written..]);
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

/// A name like `name` that is not in `used`.
fn unused(mut name: String, used: &[Name]) -> String {
    while used.iter().any(|used| *used == name.as_str()) {
        name.push('_');
    }
    name
}

/// The variables in a text without descriptions, outside of strings: where each name begins, and the name.
fn variables_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_escaped = false;
    let mut in_string = false;
    text.char_indices().filter_map(move |(at, character)| {
        match character {
            '"' if !is_escaped => in_string = !in_string,
            '$' if !in_string => {
                let after = &text[at + 1..];
                let is_part = |next: char| next == '_' || next.is_ascii_alphanumeric();
                let end = after.find(|next| !is_part(next)).unwrap_or(after.len());
                return Some((at + 1, &after[..end]));
            }
            _ => {}
        }
        is_escaped = in_string && character == '\\' && !is_escaped;
        None
    })
}
