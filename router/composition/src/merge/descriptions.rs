//! Descriptions: the one that most subgraphs give.

use std::fmt;

use apollo_compiler::Node;

use super::Merger;
use crate::error::HintCode;

impl Merger<'_> {
    /// The description given most often, the first of those in the order of subgraphs; empty ones do not count.
    pub(super) fn merge_description(
        &mut self,
        place: &dyn fmt::Display,
        sources: &[(usize, Option<&Node<str>>)],
    ) -> Option<Node<str>> {
        let mut counts: Vec<(&Node<str>, usize)> = Vec::new();
        for description in sources.iter().filter_map(|(_, description)| *description) {
            if description.trim().is_empty() {
                continue;
            }
            match counts
                .iter_mut()
                .find(|(known, _)| known.as_str() == description.as_str())
            {
                Some((_, count)) => *count += 1,
                None => counts.push((description, 1)),
            }
        }
        let most = counts.iter().map(|(_, count)| *count).max()?;
        let chosen = counts.iter().find(|(_, count)| *count == most)?.0;
        let chosen = Node::new_str(chosen);
        if counts.len() > 1 {
            let message = format!("{place} is described differently by different subgraphs; one description is used");
            let spans = sources
                .iter()
                .map(|(index, description)| (*index, description.and_then(Node::location)));
            self.hint(HintCode::InconsistentDescription, message, spans.collect::<Vec<_>>());
        }
        Some(chosen)
    }
}
