//! Which labels of progressive overrides (`@override(from:, label:)`) are on for a request.
//!
//! `percent(N)` is on for N of a hundred requests, drawn for each; any other label is as `router.yaml` says, and off
//! unless it does. What `router.yaml` says about a label goes before what the label itself says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use federation::supergraph::{ActiveLabels, LabelId};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use tracing::warn;

/// For how many of a thousand million requests a label is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelShare(u32);

const ALL_REQUESTS: u32 = 1_000_000_000;

impl LabelShare {
    fn from_percent(percent: f64) -> Option<Self> {
        let is_share = (0.0..=100.0).contains(&percent);
        is_share.then(|| Self((percent / 100.0 * f64::from(ALL_REQUESTS)).round() as u32))
    }

    /// Of `percent(N)`; `None` for other labels.
    fn of_label(label: &str) -> Option<Self> {
        let percent = label.strip_prefix("percent(")?.strip_suffix(')')?;
        Self::from_percent(percent.trim().parse().ok()?)
    }
}

impl<'de> Deserialize<'de> for LabelShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShareVisitor;
        impl Visitor<'_> for ShareVisitor {
            type Value = LabelShare;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`true`, `false`, or the percentage of requests, from 0 to 100")
            }

            fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<LabelShare, E> {
                Ok(LabelShare(if is_on { ALL_REQUESTS } else { 0 }))
            }

            fn visit_u64<E: de::Error>(self, percent: u64) -> Result<LabelShare, E> {
                self.visit_f64(percent as f64)
            }

            fn visit_i64<E: de::Error>(self, percent: i64) -> Result<LabelShare, E> {
                self.visit_f64(percent as f64)
            }

            fn visit_f64<E: de::Error>(self, percent: f64) -> Result<LabelShare, E> {
                let message = || E::custom("a share of requests is `true`, `false`, or a percentage from 0 to 100");
                LabelShare::from_percent(percent).ok_or_else(message)
            }
        }
        deserializer.deserialize_any(ShareVisitor)
    }
}

/// The labels of one supergraph.
pub(crate) struct OverrideLabels {
    /// By [`LabelId`].
    labels: Vec<(Arc<str>, LabelShare)>,
}

impl OverrideLabels {
    /// Warns of labels that one side knows and the other does not: most are misspelt.
    pub(crate) fn new(names: &[Arc<str>], configured: &BTreeMap<String, LabelShare>) -> Self {
        for name in configured.keys() {
            if !names.iter().any(|known| **known == **name) {
                warn!("`override_labels` names the label `{name}`, which no `@override` of the supergraph has");
            }
        }
        let share = |name: &Arc<str>| {
            let share = configured.get(&**name).copied().or_else(|| LabelShare::of_label(name));
            share.unwrap_or_else(|| {
                warn!("The override label `{name}` is off: set `override_labels` in router.yaml to turn it on");
                LabelShare(0)
            })
        };
        Self {
            labels: names.iter().map(|name| (Arc::clone(name), share(name))).collect(),
        }
    }

    /// Decides about `labels` for one request.
    ///
    /// * `draw`: a number from 0 up to, and not including, 1; asked only for labels that are neither on nor off always.
    pub(crate) fn decide(&self, labels: &[LabelId], mut draw: impl FnMut() -> f64) -> ActiveLabels {
        let mut is_on = |label: &LabelId| {
            let (_, LabelShare(share)) = self.labels[label.0 as usize];
            share == ALL_REQUESTS || share > 0 && draw() * f64::from(ALL_REQUESTS) < f64::from(share)
        };
        labels.iter().copied().filter(|label| is_on(label)).collect()
    }

    /// Names of `labels`.
    pub(crate) fn names(&self, labels: &ActiveLabels) -> Vec<Arc<str>> {
        labels
            .iter()
            .map(|label| Arc::clone(&self.labels[label.0 as usize].0))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_on_for_their_share_of_requests() {
        let names: Vec<Arc<str>> = ["percent(25)", "percent(0.5)", "beta", "gone", "percent(all)"]
            .map(Arc::from)
            .into();
        let configured = [("beta".to_owned(), LabelShare(ALL_REQUESTS))].into();
        let labels = OverrideLabels::new(&names, &configured);
        let all: Vec<LabelId> = (0..5).map(LabelId).collect();
        for (drawn, expected) in [
            (0.0, vec!["percent(25)", "percent(0.5)", "beta"]),
            (0.1, vec!["percent(25)", "beta"]),
            (0.25, vec!["beta"]),
            (0.99, vec!["beta"]),
        ] {
            let on = labels.names(&labels.decide(&all, || drawn));
            let on: Vec<&str> = on.iter().map(AsRef::as_ref).collect();
            assert_eq!(on, expected, "{drawn}");
        }
        let configured = [("percent(25)".to_owned(), LabelShare(0))].into();
        let labels = OverrideLabels::new(&names, &configured);
        let on = labels.decide(&all[..1], || unreachable!("nothing is left to chance"));
        assert_eq!(on, ActiveLabels::NONE);
    }
}
