//! Custom scalars: nothing but their name, description and directives.

use apollo_compiler::schema::{ExtendedType, ScalarType};
use apollo_compiler::{Name, Node};

use super::implementations::unplaced;
use super::{Merger, Sources, components};

impl<'a> Merger<'a> {
    pub(super) fn merge_scalar(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) -> Option<ExtendedType> {
        let (description, directives) = self.merge_type_head(name, sources);
        Some(ExtendedType::Scalar(Node::new(ScalarType {
            description,
            name: unplaced(name),
            directives: components(directives),
        })))
    }
}
