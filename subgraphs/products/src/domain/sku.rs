//! Stock-keeping units.

use std::fmt;

/// A stock-keeping unit: 1 to 64 characters, `A-Z`, `0-9` and `-`, not at the ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Sku(String);

impl Sku {
    /// Reads a SKU; lower case is raised, since people type it that way. `None` if it is none.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Sku> {
        let text = text.trim().to_ascii_uppercase();
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (1..=64).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        good.then_some(Sku(text))
    }

    /// The text, in upper case.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_are_raised_and_checked() {
        for (text, expected) in [
            ("tshi-01-s", Some("TSHI-01-S")),
            (" A1 ", Some("A1")),
            ("", None),
            ("-A", None),
            ("A_B", None),
            ("茶", None),
        ] {
            assert_eq!(Sku::parse(text).as_ref().map(Sku::as_str), expected, "{text}");
        }
        assert_eq!(Sku::parse(&"A".repeat(65)), None);
    }
}
