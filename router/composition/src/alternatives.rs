//! Access requirements as alternatives: `[["a", "b"], ["c"]]` asks for both a and b, or for c (`@requiresScopes`,
//! `@policy`).

use std::collections::BTreeSet;

use apollo_compiler::Node;
use apollo_compiler::ast::Value;

/// One of these sets must be held completely. No set is needed when one of them is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alternatives(BTreeSet<BTreeSet<String>>);

/// More alternatives than this are kept as they are: nobody writes them, and comparing each with each costs too much.
const COMPARED_MAX: usize = 1_000;

impl Alternatives {
    /// What asks for nothing.
    pub(crate) fn nothing() -> Self {
        Self(BTreeSet::from([BTreeSet::new()]))
    }

    /// What asks for one thing.
    pub(crate) fn one(name: &str) -> Self {
        Self(BTreeSet::from([BTreeSet::from([name.to_owned()])]))
    }

    /// Reads a list of lists of strings; anything else in it is passed over.
    pub(crate) fn read(value: &Value) -> Self {
        let strings = |all: &Node<Value>| -> BTreeSet<String> {
            let items = all.as_list().unwrap_or_default().iter();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Self(value.as_list().unwrap_or_default().iter().map(strings).collect())
    }

    /// Requirements that must all be met, as one.
    pub(crate) fn all_of(values: &[&Node<Value>]) -> Self {
        values
            .iter()
            .fold(Self::nothing(), |both, value| both.and(&Self::read(value)))
    }

    /// Every combination of one alternative of each; combinations that ask for more than another are left out.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let combined = self
            .0
            .iter()
            .flat_map(|left| other.0.iter().map(move |right| left.union(right).cloned().collect()));
        Self(combined.collect()).minimal()
    }

    fn minimal(self) -> Self {
        if self.0.len() > COMPARED_MAX {
            return self;
        }
        let is_needed = |candidate: &BTreeSet<String>| {
            !self
                .0
                .iter()
                .any(|other| other != candidate && other.is_subset(candidate))
        };
        Self(
            self.0
                .iter()
                .filter(|candidate| is_needed(candidate))
                .cloned()
                .collect(),
        )
    }

    /// Whether everybody who meets this requirement meets `other` too.
    pub(crate) fn implies(&self, other: &Self) -> bool {
        self.0
            .iter()
            .all(|held| other.0.iter().any(|needed| needed.is_subset(held)))
    }

    /// As it is written in SDL, sorted.
    pub(crate) fn to_value(&self) -> Value {
        let list = |items: Vec<Value>| Value::List(items.into_iter().map(Node::new).collect());
        list(
            self.0
                .iter()
                .map(|all| list(all.iter().cloned().map(Value::String).collect()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Alternatives;

    fn read(sets: &[&[&str]]) -> Alternatives {
        Alternatives(
            sets.iter()
                .map(|set| set.iter().map(|item| (*item).to_owned()).collect())
                .collect(),
        )
    }

    #[test]
    fn requirements_combine() {
        type Sets = &'static [&'static [&'static str]];
        let cases: [(Sets, Sets, Sets); 4] = [
            (&[&["a"]], &[&["b"]], &[&["a", "b"]]),
            (&[&["a"]], &[&["a"], &["b"]], &[&["a"]]),
            (&[&["a"], &["b"]], &[&["c"]], &[&["a", "c"], &["b", "c"]]),
            (&[&[]], &[&["c"]], &[&["c"]]),
        ];
        for (left, right, expected) in cases {
            assert_eq!(read(left).and(&read(right)), read(expected), "{left:?} and {right:?}");
            assert!(read(expected).implies(&read(left)) && read(expected).implies(&read(right)));
        }
        assert!(!read(&[&["a"]]).implies(&read(&[&["a", "b"]])));
    }
}
