//! Entities that fetches of the same operation brought, so that each of their fields is asked for once over all of its
//! stages and positions.
//!
//! An entity is known by its subgraph and its whole representation: with the required inputs in it, for what a subgraph
//! computes of them. Does not merge anything; `fetch` does.

use std::collections::HashMap;
use std::sync::Arc;

use crate::executable_plan::{EntityEntries, EntityEntry};
use crate::representation::typename_of;
use crate::store::{NameId, ObjectId, Store};

/// What is known of entities.
#[derive(Debug, Default)]
pub(super) struct KnownEntities {
    /// By subgraph and representation.
    entities: HashMap<Arc<str>, HashMap<Vec<u8>, Vec<Answer>>>,
}

/// What one fetch brought, or will bring, of one entity.
#[derive(Debug)]
struct Answer {
    question: Question,
    /// Number of the fetch that asks.
    fetch: u32,
    state: AnswerState,
    /// It was asked for before a mutation that has ended since: it may be from before that one, and is for nobody but the
    /// fetch itself.
    is_outdated: bool,
}

/// What is asked of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// Number of the entry in its plan.
    pub(super) entry: usize,
    /// Which of the entry's fields; `None`: all.
    pub(super) fields: Option<Arc<[usize]>>,
}

#[derive(Debug, Clone, Copy)]
enum AnswerState {
    /// The fetch is under way.
    Asked,
    /// With the fields that were asked for. Nothing changes this object.
    Known(ObjectId),
    /// There is no such entity.
    Absent,
}

/// What an object is made of: another object, and which of its fields; `None`: all.
pub(super) type Part = (ObjectId, Option<NameId>);

/// How much of an entity is known.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// It does not exist.
    pub(super) is_absent: bool,
    /// The fields that are known.
    pub(super) known: Vec<Part>,
    /// Whether the fetch that asks now has asked for others already, in another of its entries.
    pub(super) is_asked: bool,
    /// Which fields of the entry are to be asked for.
    pub(super) missing: Vec<usize>,
}

impl KnownEntities {
    /// What is known of an entity that `fetch` selects by the entry of this number.
    pub(super) fn look_up(
        &self,
        (entries, number): (&EntityEntries, usize),
        representation: &[u8],
        fetch: u32,
        store: &Store,
    ) -> Knowledge {
        let wanted = entries.entry(number);
        let typename = typename_of(representation);
        let answers = self.entities.get(&wanted.subgraph);
        let answers = answers
            .and_then(|known| known.get(representation))
            .map_or(&[][..], Vec::as_slice);
        let answers = || {
            answers
                .iter()
                .filter(|answer| !answer.is_outdated || answer.fetch == fetch)
        };
        let mut knowledge = Knowledge {
            is_absent: answers().any(|answer| matches!(answer.state, AnswerState::Absent)),
            ..Knowledge::default()
        };
        for (index, field) in wanted.fields.iter().enumerate() {
            if !entries.applies(field, typename) {
                continue;
            }
            let answer = answers().find(|answer| {
                let asked = entries.entry(answer.question.entry);
                brings(asked, answer.question.fields.as_deref(), wanted, field.id)
            });
            match answer.map(|answer| (answer.state, answer.fetch)) {
                Some((AnswerState::Known(object), _)) => match &field.response_name {
                    None => knowledge.known.push((object, None)),
                    // A name that no answer ever held was left out by the subgraph, and stays so.
                    Some(name) => knowledge
                        .known
                        .extend(store.name_id(name).map(|name| (object, Some(name)))),
                },
                Some((AnswerState::Asked, by)) if by == fetch => knowledge.is_asked = true,
                // What another fetch of the same stage asks for is asked for again: to wait for that one would make all
                // that comes after this one wait as well.
                _ => knowledge.missing.push(index),
            }
        }
        knowledge
    }

    /// Notes that a fetch asks for an entity.
    pub(super) fn ask(&mut self, subgraph: &Arc<str>, question: Question, representation: &[u8], fetch: u32) {
        let known = self.entities.entry(Arc::clone(subgraph)).or_default();
        let answers = known.entry(representation.to_owned()).or_default();
        answers.retain(|answer| answer.question != question);
        answers.push(Answer {
            question,
            fetch,
            state: AnswerState::Asked,
            is_outdated: false,
        });
    }

    /// Notes what was answered to what was asked. `None`: there is no such entity.
    pub(super) fn learn(
        &mut self,
        subgraph: &str,
        question: &Question,
        representation: &[u8],
        entity: Option<ObjectId>,
    ) {
        let answers = self.entities.get_mut(subgraph);
        let answers = answers
            .and_then(|known| known.get_mut(representation))
            .into_iter()
            .flatten();
        for answer in answers.filter(|answer| answer.question == *question) {
            answer.state = entity.map_or(AnswerState::Absent, AnswerState::Known);
        }
    }

    /// Takes back what a fetch asked for and did not get.
    pub(super) fn forget(&mut self, subgraph: &Arc<str>, question: &Question, representation: &[u8]) {
        let known = self.entities.get_mut(subgraph);
        if let Some(answers) = known.and_then(|known| known.get_mut(representation)) {
            answers.retain(|answer| answer.question != *question || !matches!(answer.state, AnswerState::Asked));
        }
    }

    /// After a mutation nothing is known any more, and what is under way comes too late to be known.
    pub(super) fn clear(&mut self) {
        for answers in self.entities.values_mut().flat_map(HashMap::values_mut) {
            answers.retain(|answer| matches!(answer.state, AnswerState::Asked));
            answers.iter_mut().for_each(|answer| answer.is_outdated = true);
        }
    }
}

/// Whether the answer to `asked` holds this field of `wanted`, and nothing else under its name.
///
/// * `which`: the fields of `asked` that were asked for.
fn brings(asked: &EntityEntry, which: Option<&[usize]>, wanted: &EntityEntry, field: u32) -> bool {
    let is_asked = |index: usize| which.is_none_or(|which| which.contains(&index));
    let fields = || asked.fields.iter().enumerate().filter(|(index, _)| is_asked(*index));
    let Some((_, found)) = fields().find(|(_, other)| other.id == field) else {
        return false;
    };
    let mut same_name = fields().filter(|(_, other)| other.response_name == found.response_name);
    same_name.all(|(_, other)| wanted.fields.contains(other))
}
