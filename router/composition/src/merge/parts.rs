//! Merges types in parts, on as many threads as there are.
//!
//! Types do not depend on each other once it is known who implements what; what they find out besides is put together
//! in the order of the types, so that the result is that of one thread.

use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::schema::ExtendedType;

use super::{Merger, Sources};
use federation::parallel;

/// Types of a supergraph from which on threads are worth starting.
const PARALLEL_TYPES_MIN: usize = 500;
/// Types that a thread takes at a time: so few that all threads end at about the same time.
const PART_TYPES: usize = 100;

impl<'a> Merger<'a> {
    /// Merges types of one stage, in their order.
    pub(super) fn merge_types(&mut self, types: &[(Name, Sources<'a, ExtendedType>)]) {
        if types.len() < PARALLEL_TYPES_MIN {
            return self.merge_part(types);
        }
        let parts = parallel::map(true, types.chunks(PART_TYPES).collect(), |part| {
            let mut merger = self.fork();
            merger.merge_part(part);
            merger
        });
        for part in parts {
            self.absorb(part);
        }
    }

    fn merge_part(&mut self, types: &[(Name, Sources<'a, ExtendedType>)]) {
        for (name, sources) in types {
            if let Some(merged) = self.merge_type(name, sources) {
                self.schema.types.insert(name.clone(), merged);
            }
        }
    }

    /// A merger that knows what this one knows and has found nothing yet.
    fn fork(&self) -> Self {
        let mut fork = Self::empty(self.subgraphs);
        fork.sources = self.sources.clone();
        fork.composed = self.composed.clone();
        fork.interfaces = self.interfaces.clone();
        fork.members = self.members.clone();
        // What an enum is used for decides how it is merged.
        fork.enum_usage = self.enum_usage.clone();
        fork.schema.types.clear();
        fork
    }

    fn absorb(&mut self, part: Self) {
        self.schema.types.extend(part.schema.types);
        if !Arc::ptr_eq(&self.enum_usage, &part.enum_usage) {
            let all = Arc::make_mut(&mut self.enum_usage);
            for (name, usage) in part.enum_usage.iter() {
                all.entry(name.clone()).or_default().add(*usage);
            }
        }
        self.errors.extend(part.errors);
        self.hints.extend(part.hints);
    }
}
