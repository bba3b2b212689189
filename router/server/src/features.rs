//! Whether a supergraph asks for more than this router does: what it links to with a purpose must not be passed over (Link
//! spec, "Purpose"). Checked before serving only; to compose and to plan, nothing has to be enforced.

use federation::supergraph::{Feature, Purpose};

/// What is done as its specification says, or does not matter here: nothing is cached (`cacheTag`), and work is bounded
/// otherwise than by estimates (`cost`).
const KNOWN: [&str; 8] = [
    "cacheTag",
    "context",
    "core",
    "cost",
    "inaccessible",
    "join",
    "link",
    "tag",
];

/// Rules of access, which are not enforced here.
const ACCESS_RULES: [&str; 3] = ["authenticated", "policy", "requiresScopes"];

/// Why a supergraph must not be served.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// Whoever wrote the schema relies on rules that nobody enforces.
    #[error(
        "the supergraph has rules of access ({directives}), which this router does not enforce: if every subgraph checks \
         them by itself, say so by `authorization: {{ by_subgraphs: true }}` in router.yaml, or \
         `--authorization-by-subgraphs`; else take them out"
    )]
    AccessRules {
        /// `@authenticated, @policy`
        directives: String,
    },
    /// A specification that is needed for something, and not known.
    #[error(
        "the supergraph needs `{url}` for {}, which this router does not know: take the feature out, or its `for:` if it may \
         be passed over", described(*.purpose)
    )]
    Unknown {
        /// Of the specification.
        url: String,
        /// What it is needed for.
        purpose: Purpose,
    },
}

/// * `by_subgraphs`: the subgraphs enforce rules of access by themselves.
pub(crate) fn check(features: &[Feature], by_subgraphs: bool) -> Result<(), FeatureError> {
    let is_rule = |feature: &&Feature| ACCESS_RULES.contains(&feature.name.as_str());
    let rules: Vec<String> = features
        .iter()
        .filter(is_rule)
        .map(|rule| format!("@{}", rule.name))
        .collect();
    if !rules.is_empty() && !by_subgraphs {
        return Err(FeatureError::AccessRules {
            directives: rules.join(", "),
        });
    }
    for feature in features {
        if let Some(purpose) = feature.purpose
            && !is_rule(&feature)
            && !KNOWN.contains(&feature.name.as_str())
        {
            return Err(FeatureError::Unknown {
                url: feature.url.clone(),
                purpose,
            });
        }
    }
    Ok(())
}

fn described(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Security => "security",
        Purpose::Execution => "execution",
    }
}
