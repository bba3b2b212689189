//! Rules of `@authenticated`, `@requiresScopes` and `@policy`: interfaces take theirs from what implements them.

use apollo_compiler::schema::ExtendedType;

use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::subgraph::SubgraphSchema;

/// Directives that say who may see something.
pub(crate) const ACCESS_DIRECTIVES: [FederationDirective; 3] = [
    FederationDirective::Authenticated,
    FederationDirective::RequiresScopes,
    FederationDirective::Policy,
];

pub(super) fn check(subgraph: &SubgraphSchema) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for definition in subgraph.own_types() {
        let is_abstract = definition.is_interface() || subgraph.is_interface_object(definition);
        if !is_abstract {
            continue;
        }
        let name = definition.name();
        for directive in ACCESS_DIRECTIVES {
            let mut report = |place: &str, span| {
                let message = format!(
                    "`{place}` has `@{}`, but an interface takes its requirements from its implementations; put it there",
                    directive.name()
                );
                errors.push(subgraph.error(ErrorCode::AuthRequirementsAppliedOnInterface, span, &message));
            };
            if subgraph.has(definition.directives(), directive) {
                report(name, definition.location());
            }
            let ExtendedType::Interface(interface) = definition else {
                continue;
            };
            for field in interface
                .fields
                .values()
                .filter(|field| subgraph.has(&field.directives, directive))
            {
                report(&format!("{name}.{}", field.name), field.location());
            }
        }
    }
    errors
}
