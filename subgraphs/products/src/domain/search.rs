//! How text becomes search tokens.
//!
//! The same code makes the tokens of documents and of queries, so that every database finds the same products: it only
//! has to match whole tokens and beginnings of tokens. Who changes the tokens adds a migration that makes those of all products
//! anew (`store::reindex`). Words are those of Unicode, without case, accents and English
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
        SearchQuery::of(&query_runs(text), None)
    }

    fn of(runs: &[Run], prefix: Option<String>) -> Option<SearchQuery> {
        let mut exact: Vec<String> = Vec::new();
        for token in runs.iter().flat_map(Run::query_tokens) {
            if exact.len() < QUERY_TOKENS_MAX && !exact.contains(&token) {
                exact.push(token);
            }
        }
        (prefix.is_some() || !exact.is_empty()).then_some(SearchQuery { exact, prefix })
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
        let mut runs = query_runs(text);
        // A Chinese word goes on by further characters, whose pairs are other tokens: it is a finished one so far.
        let prefix = match runs.pop_if(|last| matches!(last, Run::Word(_))) {
            Some(Run::Word(word)) => Some(encode(beginning(&word))),
            _ => None,
        };
        SearchQuery::of(&runs, prefix)
    }
}

fn query_runs(text: &str) -> Vec<Run> {
    runs(&text.chars().take(QUERY_CHARACTERS_MAX).collect::<String>())
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
    /// A word of a script that has spaces, as it is written.
    Word(String),
    /// Neighbouring characters of Chinese or Japanese.
    Ideographs(Vec<char>),
}

impl Run {
    fn document_tokens(&self) -> Vec<String> {
        match self {
            Run::Word(word) => vec![encode(&stem(word))],
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
    let folded: Vec<char> = text.nfkd().filter(is_kept).nfc().flat_map(char::to_lowercase).collect();
    let folded = parted(&folded);
    let mut runs: Vec<Run> = Vec::new();
    let mut end_of_last = 0;
    for (start, word) in folded.unicode_word_indices() {
        let is_neighbour = start == end_of_last;
        end_of_last = start + word.len();
        if !word.chars().all(is_ideographic) {
            runs.push(Run::Word(word.to_owned()));
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

/// Puts spaces where Unicode sees one word and shoppers two: `Material:Cotton`, `_merino_`, `cups.Dishwasher`; not `2.5`.
fn parted(characters: &[char]) -> String {
    let is_digit = |position: Option<usize>| {
        let character = position.and_then(|position| characters.get(position));
        character.is_some_and(char::is_ascii_digit)
    };
    let part = |(position, character): (usize, &char)| match character {
        '_' | ':' => ' ',
        '.' if !(is_digit(position.checked_sub(1)) && is_digit(position.checked_add(1))) => ' ',
        other => *other,
    };
    characters.iter().enumerate().map(part).collect()
}

/// What a word and its English plural have in common: without `s` (as in the "S" stemmer of Harman, 1991), and `hoodie`, `hoody`
/// and `hoodies` all with `i`. Harmless to other languages' words.
fn stem(word: &str) -> String {
    if !word.is_ascii() {
        return word.to_owned();
    }
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| word.ends_with(suffix));
    let singular = match word.strip_suffix('s') {
        Some(singular) if word.len() >= 4 && !ends(&["us", "ss"]) => singular,
        _ => word,
    };
    // Two letters before it, so that `pies` and `pie` stay what they are.
    match singular.strip_suffix("ie").or_else(|| singular.strip_suffix('y')) {
        Some(beginning) if beginning.len() >= 2 => format!("{beginning}i"),
        _ => singular.to_owned(),
    }
}

/// What the tokens of all words begin with that begin with `word`: `poly` is `poli`, but `polyester` is not.
fn beginning(word: &str) -> &str {
    let same = word.bytes().zip(stem(word).bytes()).take_while(|(a, b)| a == b).count();
    word.get(..same).unwrap_or(word)
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
            ("berries, glass, bus, shoes", "tqberri tqglass tqbus tqshoe"),
            ("berry Hoodie hoody hoodies", "tqberri tqhoodi"),
            ("pie pies, fly flies, tray trays", "tqpie tqfli tqtrai"),
            (
                "_merino_ Material:Cotton cups.Dishwasher",
                "tqmerino tqmaterial tqcotton tqcup tqdishwasher",
            ),
            ("2.5 l. of A.B., 1,000", "tq2z2eq5 tql tqof tqa tqb tq1z2cq000"),
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
        // In the middle of `polyester` and of `shield`, and at the end of `hoodies`.
        for (typed, prefix) in [
            ("poly", "tqpol"),
            ("shie", "tqshi"),
            ("trays", "tqtra"),
            ("hoodies", "tqhoodi"),
            ("glas", "tqgla"),
        ] {
            assert_eq!(
                shown(SearchQuery::parse_prefix(typed)),
                Some((String::new(), Some(prefix.into())))
            );
        }
        assert_eq!(
            shown(SearchQuery::parse_prefix("red hat red")),
            Some(("tqred tqhat".into(), Some("tqred".into())))
        );
        assert_eq!(SearchQuery::parse("?!"), None);
        assert_eq!(SearchQuery::parse_prefix("?!"), None);
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

        #[test]
        fn suggestions_do_not_vanish_while_a_word_is_typed(word in "[a-z]{0,3}[iesy]{0,3}[a-z]{0,3}s?") {
            let token = document_tokens([word.as_str()]);
            for end in 1..=word.len() {
                let prefix = SearchQuery::parse_prefix(&word[..end]).and_then(|query| query.prefix);
                proptest::prop_assert!(prefix.is_some_and(|prefix| token.starts_with(&prefix)), "{} of {word}", &word[..end]);
            }
        }
    }
}
