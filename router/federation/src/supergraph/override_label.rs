//! Labels of `@override(from:, label:)`: which of two subgraphs resolves a field depends on the request.
//!
//! Does not decide which labels are on; whoever serves the request does.

use std::sync::Arc;

/// Index of a label in [`Supergraph::override_labels`](super::Supergraph::override_labels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelId(pub u32);

/// When a subgraph resolves a field that another one takes over in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OverrideLabel {
    /// The label of the `@override`.
    pub label: LabelId,
    /// True in the subgraph that takes the field over, false in the one that it is taken from.
    pub resolves_if_on: bool,
}

/// The labels that are on for one operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ActiveLabels {
    /// Sorted, without repeats.
    labels: Vec<LabelId>,
}

impl ActiveLabels {
    /// No label: every field is still resolved where it was.
    pub const NONE: Self = Self { labels: Vec::new() };

    /// Whether `label` is on.
    pub fn contains(&self, label: LabelId) -> bool {
        self.labels.contains(&label)
    }

    /// Whether a field with this label is resolved; one without is always.
    pub fn allow(&self, label: Option<OverrideLabel>) -> bool {
        label.is_none_or(|label| self.contains(label.label) == label.resolves_if_on)
    }

    /// The labels, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = LabelId> {
        self.labels.iter().copied()
    }
}

impl FromIterator<LabelId> for ActiveLabels {
    fn from_iter<I: IntoIterator<Item = LabelId>>(labels: I) -> Self {
        let mut labels: Vec<LabelId> = labels.into_iter().collect();
        labels.sort_unstable();
        labels.dedup();
        Self { labels }
    }
}

/// Every label of a supergraph while it is read.
#[derive(Debug, Default)]
pub(super) struct Labels(Vec<Arc<str>>);

impl Labels {
    pub(super) fn intern(&mut self, label: &str) -> LabelId {
        let known = self.0.iter().position(|known| **known == *label);
        let index = known.unwrap_or_else(|| {
            self.0.push(Arc::from(label));
            self.0.len() - 1
        });
        LabelId(index as u32)
    }

    pub(super) fn into_names(self) -> Vec<Arc<str>> {
        self.0
    }
}
