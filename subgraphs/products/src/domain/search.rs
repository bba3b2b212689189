//! How text becomes search tokens.
//!
//! The same code makes the tokens of documents and of queries, so that every database finds the same products: it only
//! has to match whole tokens and beginnings of tokens. Words are those of Unicode, without case, accents and English
//! plural; runs of Chinese and Japanese, which have no spaces, become single characters and pairs of neighbours.
//! Ranking is left to the database.

use super::slug::is_latin_mark;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Most characters of a query that are read; nobody types more, and each token costs the database.
pub(crate) const QUERY_CHARACTERS_MAX: usize = 200;
/// Most tokens of a query; the rest is ignored.
const QUERY_TOKENS_MAX: usize = 16;
/// Longest encoded token; longer ones are cut, in documents and queries alike. MySQL does not index beyond 84.
const TOKEN_BYTES_MAX: usize = 80;

/// A query as tokens that must all be there. Encoded: see [`encode`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SearchQuery {
    /// Tokens that must occur as they are.
    pub(crate) exact: Vec<String>,
    /// The beginning of a token that must occur; from the last word of a query that is still being typed.
    pub(crate) prefix: Option<String>,
}

impl SearchQuery {
    /// A finished query. `None` when it holds no word, such as "!!".
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<SearchQuery> {
        let text: String = text.chars().take(QUERY_CHARACTERS_MAX).collect();
        let mut exact: Vec<String> = Vec::new();
        for run in runs(&text) {
            for token in run.query_tokens() {
                if exact.len() < QUERY_TOKENS_MAX && !exact.contains(&token) {
                    exact.push(token);
                }
            }
        }
        (!exact.is_empty()).then_some(SearchQuery { exact, prefix: None })
    }

    /// A query that finds no product: its token is none that [`document_tokens`] makes.
    #[must_use]
    pub(crate) fn nothing() -> SearchQuery {
        SearchQuery {
            exact: vec!["nothing".to_owned()],
            prefix: None,
        }
    }

    /// A query that is still being typed: its last word may go on.
    #[must_use]
    pub(crate) fn parse_prefix(text: &str) -> Option<SearchQuery> {
        let mut query = SearchQuery::parse(text)?;
        let text: String = text.chars().take(QUERY_CHARACTERS_MAX).collect();
        let last = runs(&text).pop();
        // A Chinese word goes on by further characters, whose pairs are other tokens: it is a finished one so far.
        if let Some(Run::Word(_)) = last {
            query.prefix = query.exact.pop();
        }
        Some(query)
    }
}

/// The tokens of a document, encoded and joined by spaces, each once.
#[must_use]
pub(crate) fn document_tokens<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut tokens: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for text in texts {
        for token in runs(text).iter().flat_map(Run::document_tokens) {
            if seen.insert(token.clone()) {
                tokens.push(token);
            }
        }
    }
    tokens.join(" ")
}

/// A stretch of text of one kind.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    /// A word of a script that has spaces.
    Word(String),
    /// Neighbouring characters of Chinese or Japanese.
    Ideographs(Vec<char>),
}

impl Run {
    fn document_tokens(&self) -> Vec<String> {
        match self {
            Run::Word(word) => vec![encode(word)],
            Run::Ideographs(characters) => {
                let singles = characters.iter().map(|character| encode(&character.to_string()));
                singles.chain(pairs(characters)).collect()
            }
        }
    }

    /// Pairs alone find less that is wrong; one character alone has no pair.
    fn query_tokens(&self) -> Vec<String> {
        match self {
            Run::Ideographs(characters) if characters.len() > 1 => pairs(characters).collect(),
            run => run.document_tokens(),
        }
    }
}

fn pairs(characters: &[char]) -> impl Iterator<Item = String> {
    characters
        .windows(2)
        .map(|pair| encode(&pair.iter().collect::<String>()))
}

fn runs(text: &str) -> Vec<Run> {
    let is_kept = |character: &char| !is_latin_mark(*character) && !matches!(character, '\'' | '’');
    let folded: String = text.nfkd().filter(is_kept).nfc().flat_map(char::to_lowercase).collect();
    let mut runs: Vec<Run> = Vec::new();
    let mut end_of_last = 0;
    for (start, word) in folded.unicode_word_indices() {
        let is_neighbour = start == end_of_last;
        end_of_last = start + word.len();
        if !word.chars().all(is_ideographic) {
            runs.push(Run::Word(singular(word)));
            continue;
        }
        match runs.last_mut() {
            Some(Run::Ideographs(characters)) if is_neighbour => characters.extend(word.chars()),
            _ => runs.push(Run::Ideographs(word.chars().collect())),
        }
    }
    runs
}

/// Han, hiragana and katakana: scripts without spaces between words.
fn is_ideographic(character: char) -> bool {
    matches!(character,
        '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The "S" stemmer of Harman (1991): only English plurals, and harmless to other languages' words.
fn singular(word: &str) -> String {
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| word.ends_with(suffix));
    if word.len() < 4 || !word.is_ascii() || !word.ends_with('s') {
        return word.to_owned();
    }
    if word.ends_with("ies") && !ends(&["eies", "aies"]) {
        return format!("{}y", &word[..word.len() - 3]);
    }
    if ends(&["us", "ss"]) {
        return word.to_owned();
    }
    word[..word.len() - 1].to_owned()
}

/// A token as ASCII letters and digits that no database's own tokenizer splits, drops or folds: `t` and `q` before
/// it (so that it is longer than MySQL's minimum of three and no stop word), other characters as `z` and hexadecimal.
/// A beginning of a word stays a beginning of the token.
fn encode(token: &str) -> String {
    let mut encoded = String::from("tq");
    for character in token.chars() {
        let code = match character {
            'z' => "zz".to_owned(),
            'a'..='y' | '0'..='9' => character.to_string(),
            other => format!("z{:x}q", u32::from(other)),
        };
        if encoded.len() + code.len() > TOKEN_BYTES_MAX {
            break;
        }
        encoded.push_str(&code);
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_tokens() {
        for (text, expected) in [
            ("Crêpe PANS", "tqcrepe tqpan"),
            ("Chef's Knife 20 cm", "tqchef tqknife tq20 tqcm"),
            ("TSHI-01-S", "tqtshi tq01 tqs"),
            ("ＵＳＢ－Ｃ", "tqusb tqc"),
            ("Straße", "tqstrazdfqe"),
            ("berries, glass, bus, shoes", "tqberry tqglass tqbus tqshoe"),
            ("龙井", "tqz9f99q tqz4e95q tqz9f99qz4e95q"),
            ("zen", "tqzzen"),
            ("!!", ""),
        ] {
            assert_eq!(document_tokens([text]), expected, "{text}");
        }
    }

    #[test]
    fn queries_hold_pairs_and_prefixes() {
        let shown = |query: Option<SearchQuery>| query.map(|query| (query.exact.join(" "), query.prefix));
        assert_eq!(
            shown(SearchQuery::parse("龙井茶")),
            Some(("tqz9f99qz4e95q tqz4e95qz8336q".into(), None))
        );
        assert_eq!(shown(SearchQuery::parse("茶")), Some(("tqz8336q".into(), None)));
        assert_eq!(
            shown(SearchQuery::parse_prefix("red hea")),
            Some(("tqred".into(), Some("tqhea".into())))
        );
        assert_eq!(
            shown(SearchQuery::parse_prefix("龙井")),
            Some(("tqz9f99qz4e95q".into(), None))
        );
        assert_eq!(SearchQuery::parse("?!"), None);
        assert!(SearchQuery::parse(&"word ".repeat(10_000)).is_some_and(|query| query.exact.len() == 1));
    }

    proptest::proptest! {
        #[test]
        fn a_document_is_found_by_any_of_its_words(text in "\\PC{0,60}") {
            let tokens = document_tokens([text.as_str()]);
            let tokens: std::collections::HashSet<&str> = tokens.split(' ').collect();
            if let Some(query) = SearchQuery::parse(&text) {
                proptest::prop_assert!(query.exact.iter().all(|token| tokens.contains(token.as_str())));
            }
        }
    }
}
