//! Labels of progressive overrides on the way of one query: each must be answerable on and off.
//!
//! A label is decided where the first field depends on it, and stays so below: no request sees it both ways.

use std::rc::Rc;
use std::sync::Arc;

use federation::query_graph::FieldEdge;
use federation::supergraph::{LabelId, OverrideLabel};

/// Most labels that are decided on one way. Those beyond count as off: more would multiply the ways to look at, and
/// fields below so many that are all under way at once are looked at on shorter ways as well.
const DECIDED_MAX: usize = 6;

/// Which labels are on and which are off, as far as it matters on one way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct LabelChoices {
    /// Sorted by label; `None` rather than an empty list, since most ways meet no label.
    decided: Option<Rc<[(LabelId, bool)]>>,
}

impl LabelChoices {
    fn decided(&self) -> &[(LabelId, bool)] {
        self.decided.as_deref().unwrap_or_default()
    }

    /// Whether a label is on; `None` as long as both ways are looked at together.
    pub(super) fn get(&self, label: LabelId) -> Option<bool> {
        let index = self.decided().binary_search_by_key(&label, |(own, _)| *own).ok()?;
        Some(self.decided()[index].1)
    }

    /// Whether `other` decides the same, and perhaps more.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        self.decided()
            .iter()
            .all(|(label, is_on)| other.get(*label) == Some(*is_on))
    }

    /// Whether a field with this label is resolved.
    pub(super) fn allow(&self, label: Option<OverrideLabel>) -> bool {
        label.is_none_or(|label| self.get(label.label).unwrap_or(false) == label.resolves_if_on)
    }

    /// All ways to decide what `edges` depend on and is not decided yet.
    pub(super) fn forks(&self, edges: &[&FieldEdge]) -> Vec<Self> {
        let mut forks = vec![self.clone()];
        for label in edges.iter().filter_map(|edge| edge.override_label) {
            if forks[0].get(label.label).is_some() || forks[0].decided().len() >= DECIDED_MAX {
                continue;
            }
            forks = forks
                .iter()
                .flat_map(|fork| [false, true].map(|is_on| fork.with(label.label, is_on)))
                .collect();
        }
        forks
    }

    /// ` in requests for which the label "percent(5)" is on`; nothing when no label is decided.
    pub(super) fn describe(&self, names: &[Arc<str>]) -> String {
        let states = self.decided().iter().map(|(label, is_on)| {
            let state = if *is_on { "on" } else { "off" };
            format!("the label \"{}\" is {state}", names[label.0 as usize])
        });
        let states: Vec<String> = states.collect();
        match states.is_empty() {
            true => String::new(),
            false => format!(" in requests for which {}", states.join(" and ")),
        }
    }

    fn with(&self, label: LabelId, is_on: bool) -> Self {
        let mut decided = self.decided().to_vec();
        decided.push((label, is_on));
        decided.sort_unstable();
        Self {
            decided: Some(decided.into()),
        }
    }
}
