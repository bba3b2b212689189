//! The part of a URL that names a product or a category.

use unicode_normalization::UnicodeNormalization;

/// Longest slug, in characters.
const LENGTH_MAX: usize = 80;

/// 1 to 80 characters: lower-case letters (of any script), digits, and single hyphens between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Slug(String);

impl Slug {
    /// Reads a slug as a person wrote it. `None` if it breaks the rules above.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Slug> {
        (Slug::from_title(text).is_some_and(|slug| slug.0 == text)).then(|| Slug(text.to_owned()))
    }

    /// Whether it could be the slug of anything, for one who looks for it.
    #[must_use]
    pub(crate) fn may_be(text: &str) -> bool {
        text.chars().count() <= LENGTH_MAX && !text.contains('\0')
    }

    /// Makes a slug of a title: "Crêpe Pan, 24 cm" becomes `crepe-pan-24-cm`; Chinese stays Chinese.
    /// `None` when nothing of the title can be used.
    #[must_use]
    pub(crate) fn from_title(title: &str) -> Option<Slug> {
        let mut slug = String::new();
        let mut length = 0;
        for character in title
            .nfkd()
            .filter(|character| !is_latin_mark(*character))
            .nfc()
            .flat_map(char::to_lowercase)
        {
            if length == LENGTH_MAX {
                break;
            }
            if character.is_alphanumeric() {
                slug.push(character);
                length += 1;
            } else if character != '\'' && character != '’' && !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
                length += 1;
            }
        }
        let slug = slug.trim_end_matches('-');
        (!slug.is_empty()).then(|| Slug(slug.to_owned()))
    }

    /// The text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same slug with a number behind it, for a title that another product has already.
    #[must_use]
    pub(crate) fn numbered(&self, number: u32) -> Slug {
        let suffix = format!("-{number}");
        let kept: String = self.0.chars().take(LENGTH_MAX - suffix.len()).collect();
        Slug(format!("{}{suffix}", kept.trim_end_matches('-')))
    }
}

/// Accents of Latin letters. Marks of other scripts (such as the voicing of kana) belong to the letter.
pub(super) fn is_latin_mark(character: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_slugs() {
        for (title, expected) in [
            ("Crêpe Pan, 24 cm", Some("crepe-pan-24-cm")),
            ("Chef's Knife", Some("chefs-knife")),
            ("  --A--  B--", Some("a-b")),
            ("西湖龙井", Some("西湖龙井")),
            ("ガラス", Some("ガラス")),
            ("!!!", None),
        ] {
            assert_eq!(Slug::from_title(title).as_ref().map(Slug::as_str), expected, "{title}");
        }
        assert_eq!(Slug::parse("crepe-pan").as_ref().map(Slug::as_str), Some("crepe-pan"));
        assert_eq!(Slug::parse("Crepe Pan"), None);
        assert_eq!(Slug::from_title("a").unwrap().numbered(2).as_str(), "a-2");
        assert_eq!(
            Slug::from_title(&"x".repeat(99)).unwrap().numbered(12).as_str().len(),
            80
        );
    }
}
