//! The federation specification as data: its directives, since which version each exists, and how each is spelled.
//!
//! Does not know which of them a subgraph has; that is `subgraph::DirectiveNames`.

use std::sync::LazyLock;

use apollo_compiler::Node;
use apollo_compiler::ast::{Definition, DirectiveDefinition, Document};

use crate::link::{Link, Version};

/// Identity of the federation specification in `@link(url:)`.
pub(crate) const FEDERATION_IDENTITY: &str = "https://specs.apollo.dev/federation";
/// Identity of the link specification.
pub(crate) const LINK_IDENTITY: &str = "https://specs.apollo.dev/link";

/// Newest minor version of Federation 2 that is understood.
pub(crate) const NEWEST_VERSION: Version = Version { major: 2, minor: 12 };

/// Scalars of the federation specification; in a subgraph `federation__FieldSet` and so on, unless imported.
pub(crate) const SCALARS: [(&str, Version); 4] = [
    ("FieldSet", Version { major: 2, minor: 0 }),
    ("Scope", Version { major: 2, minor: 5 }),
    ("Policy", Version { major: 2, minor: 6 }),
    ("ContextFieldValue", Version { major: 2, minor: 8 }),
];

macro_rules! directives {
    ($($variant:ident $name:literal $minor:literal,)*) => {
        /// A directive of the federation specification.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum FederationDirective { $($variant,)* }

        impl FederationDirective {
            /// All of them, in the order of `federation.graphql`.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Name in the specification, without `@`.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// First version that has it.
            pub(crate) const fn since(self) -> Version {
                match self { $(Self::$variant => Version { major: 2, minor: $minor },)* }
            }
        }
    };
}

directives! {
    Key "key" 0,
    Requires "requires" 0,
    Provides "provides" 0,
    External "external" 0,
    Extends "extends" 0,
    Shareable "shareable" 0,
    Tag "tag" 0,
    Inaccessible "inaccessible" 0,
    Override "override" 0,
    ComposeDirective "composeDirective" 1,
    InterfaceObject "interfaceObject" 3,
    Authenticated "authenticated" 5,
    RequiresScopes "requiresScopes" 5,
    Policy "policy" 6,
    Context "context" 8,
    FromContext "fromContext" 8,
    Cost "cost" 9,
    ListSize "listSize" 9,
    CacheTag "cacheTag" 12,
}

impl FederationDirective {
    /// Directives that a subgraph has without any `@link` (Federation 1).
    pub(crate) const FEDERATION_1: [Self; 6] = [
        Self::Key,
        Self::Requires,
        Self::Provides,
        Self::External,
        Self::Extends,
        Self::Tag,
    ];

    /// Definition in the newest version; types are named as in the specification (`FieldSet`).
    pub(crate) fn newest_definition(self) -> &'static Node<DirectiveDefinition> {
        &DEFINITIONS[self as usize]
    }

    /// Definition as a subgraph of this version may use it.
    pub(crate) fn definition(self, version: Version) -> DirectiveDefinition {
        let mut definition = DirectiveDefinition::clone(self.newest_definition());
        match self {
            Self::Override if version < (Version { major: 2, minor: 7 }) => {
                definition.arguments.retain(|argument| argument.name != "label");
            }
            Self::Shareable if version < (Version { major: 2, minor: 2 }) => definition.repeatable = false,
            _ => {}
        }
        definition
    }
}

/// The version of federation that first came with the specification of a link; `None` for others than federation's own.
pub(crate) fn implied_version(link: &Link) -> Option<Version> {
    let name = link.url.identity.strip_prefix("https://specs.apollo.dev/")?;
    let directive = FederationDirective::ALL
        .iter()
        .find(|directive| directive.name() == name)?;
    Some(directive.since())
}

static DEFINITIONS: LazyLock<Vec<Node<DirectiveDefinition>>> = LazyLock::new(|| {
    let document = Document::parse(include_str!("federation.graphql"), "federation.graphql")
        .expect("federation.graphql is part of this crate and parses");
    let definitions: Vec<_> = document
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            Definition::DirectiveDefinition(definition) => {
                // The spans of this file must not be taken for those of a subgraph.
                let mut definition = DirectiveDefinition::clone(&definition);
                forget_spans(&mut definition);
                Some(Node::new(definition))
            }
            _ => None,
        })
        .collect();
    assert_eq!(definitions.len(), FederationDirective::ALL.len());
    definitions
});

fn forget_spans(definition: &mut DirectiveDefinition) {
    definition.name = unplaced(&definition.name);
    for argument in &mut definition.arguments {
        let mut bare = apollo_compiler::ast::InputValueDefinition::clone(argument);
        bare.name = unplaced(&bare.name);
        bare.ty = Node::new((*bare.ty).clone());
        bare.default_value = bare.default_value.map(|value| Node::new((*value).clone()));
        *argument = Node::new(bare);
    }
}

fn unplaced(name: &apollo_compiler::Name) -> apollo_compiler::Name {
    apollo_compiler::Name::new_unchecked(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::FederationDirective;

    #[test]
    fn definitions_stand_in_the_order_of_the_enum() {
        for directive in FederationDirective::ALL {
            assert_eq!(directive.newest_definition().name, directive.name());
        }
    }
}
