//! Selection sets as the search sees them: fields by runtime type, fragments gone, equal sets shared.
//!
//! Only the nouns; `normalize` makes them.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use apollo_compiler::ast::Argument;
use apollo_compiler::{Name, Node};
use federation::query_graph::FieldId;
use federation::query_plan::BooleanCondition;
use federation::supergraph::TypeId;
use smallvec::{SmallVec, smallvec};

/// Runtime types, sorted by id.
pub(crate) type TypeSet = Rc<[TypeId]>;

/// Variables that must all have their value; sorted, without repeats.
pub(crate) type Conditions = Rc<[BooleanCondition]>;

/// Key of a field in the stored objects. Compared by its number: equal names of one plan have one.
#[derive(Debug, Clone)]
pub(crate) struct StorageName {
    pub(crate) number: u32,
    pub(crate) name: Name,
}

impl PartialEq for StorageName {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for StorageName {}

impl Hash for StorageName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// Index of a [`SelectionSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SetId(pub(crate) u32);

/// Number of a part of the answer that comes later (`@defer`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PartId(pub(crate) u32);

/// Most cases that a field is written for, and most conditions of a place where it is written for more than one: they
/// multiply with the depth.
const CASES_MAX: usize = 4;

/// What is selected at one position, or at many: equal sets are one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SelectionSet {
    /// Types that an object here may have.
    pub(crate) types: TypeSet,
    /// Whether the runtime type must be stored, because the supergraph knows several for this position.
    pub(crate) is_abstract: bool,
    /// Whether `__typename` itself is asked for.
    pub(crate) wants_typename: bool,
    /// What subgraphs resolve.
    pub(crate) items: Vec<Rc<Item>>,
    /// What the client receives, in its order. Empty for sets that only keys and `@requires` need.
    pub(crate) response: Vec<ResponseEntry>,
    /// What is deferred of the objects here, by rising number of the part.
    pub(crate) deferred: Vec<Deferred>,
    /// Whether the set is deferred itself: it is fetched apart from what tells its objects, if there is a way.
    pub(crate) is_apart: bool,
    /// The items of all parts of the answer that have the same objects; empty where nothing is deferred.
    pub(crate) all_parts: Rc<[Rc<Item>]>,
}

impl SelectionSet {
    /// All that clients have of the objects, in whichever part of the answer: what is stored in one place.
    pub(crate) fn stored(&self) -> &[Rc<Item>] {
        match &*self.all_parts {
            [] => &self.items,
            all => all,
        }
    }
}

/// Fields of a later part of the answer, on the same objects.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Deferred {
    pub(crate) part: PartId,
    /// The types that it is selected for, and when.
    pub(crate) standing: Vec<(TypeSet, Conditions)>,
    pub(crate) set: SetId,
}

/// One field, for the runtime types that select it in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) field: Name,
    /// The number of its name.
    pub(crate) field_id: FieldId,
    /// How many lists its objects stand in, one within the other; of leaves, 0.
    pub(crate) list_depth: u8,
    pub(crate) arguments: Rc<[Node<Argument>]>,
    pub(crate) storage_name: StorageName,
    pub(crate) types: TypeSet,
    /// When it is needed, given that its parent is.
    pub(crate) conditions: Conditions,
    /// Where several selections of one response name have other conditions: those of each; empty otherwise.
    pub(crate) alternatives: Vec<Conditions>,
    /// `None` for leaves.
    pub(crate) child: Option<SetId>,
}

impl Hash for Item {
    /// One call has one storage name, which tells field and arguments.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            storage_name,
            types,
            conditions,
            alternatives,
            child,
            ..
        } = self;
        (storage_name, types, conditions, alternatives, child).hash(state);
    }
}

impl Item {
    /// The cases in which the field is needed, where `conditions` hold for its place.
    pub(crate) fn cases(&self, conditions: &Conditions) -> SmallVec<[Conditions; 1]> {
        let always = both(conditions, &self.conditions);
        if self.alternatives.is_empty() || conditions.len() > CASES_MAX {
            return if contradicts(&always) {
                SmallVec::new()
            } else {
                smallvec![always]
            };
        }
        let cases = self
            .alternatives
            .iter()
            .map(|alternative| both(conditions, alternative));
        let cases: Vec<Conditions> = cases.filter(|case| !contradicts(case)).collect();
        match cases.len() <= CASES_MAX {
            true => any_of(cases.iter()).into(),
            false if contradicts(&always) => SmallVec::new(),
            false => smallvec![always],
        }
    }
}

/// One field of the answer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ResponseEntry {
    /// Place in the client's order.
    pub(crate) order: u32,
    pub(crate) response_name: Name,
    pub(crate) conditions: Conditions,
    pub(crate) types: TypeSet,
    /// Index of the item; `None` for `__typename`.
    pub(crate) item: Option<u32>,
}

/// Types in both.
pub(crate) fn intersection(left: &TypeSet, right: &TypeSet) -> TypeSet {
    if left == right {
        return Rc::clone(left);
    }
    let both = left.iter().filter(|id| right.binary_search(id).is_ok());
    both.copied().collect()
}

/// What must hold when both must.
pub(crate) fn both(left: &Conditions, right: &[BooleanCondition]) -> Conditions {
    if right.is_empty() {
        return Rc::clone(left);
    }
    let mut conditions: Vec<BooleanCondition> = left.iter().chain(right).cloned().collect();
    conditions.sort_unstable();
    conditions.dedup();
    conditions.into()
}

/// What is left to check where `known` holds.
pub(crate) fn without(conditions: &Conditions, known: &[BooleanCondition]) -> Conditions {
    if known.is_empty() || conditions.is_empty() {
        return Rc::clone(conditions);
    }
    conditions
        .iter()
        .filter(|condition| !known.contains(condition))
        .cloned()
        .collect()
}

/// The cases in which `before` holds and `conditions` does not; no two of them hold together.
///
/// `$a` without `$b` and `$c`: `$a` and not `$b`; `$a` and `$b` and not `$c`.
pub(crate) fn complement(before: &Conditions, conditions: &Conditions) -> Vec<Conditions> {
    let cases = conditions.iter().enumerate().map(|(index, condition)| {
        let mut case = conditions[..index].to_vec();
        case.push(BooleanCondition {
            variable: condition.variable.clone(),
            value: !condition.value,
        });
        both(before, &case)
    });
    cases.filter(|case| !contradicts(case)).collect()
}

/// Whether no variables can make them hold: `$x` and not `$x`.
pub(crate) fn contradicts(conditions: &Conditions) -> bool {
    conditions.windows(2).any(|pair| pair[0].variable == pair[1].variable)
}

/// Alternatives, without those that follow from another; none when one of them always holds.
pub(crate) fn any_of<'c>(all: impl Iterator<Item = &'c Conditions>) -> Vec<Conditions> {
    let mut alternatives: Vec<Conditions> = Vec::new();
    for conditions in all {
        if conditions.is_empty() {
            return Vec::new();
        }
        let follows = |from: &Conditions, one: &Conditions| from.iter().all(|condition| one.contains(condition));
        if !alternatives.iter().any(|known| follows(known, conditions)) {
            alternatives.retain(|known| !follows(conditions, known));
            alternatives.push(Rc::clone(conditions));
        }
    }
    alternatives
}
