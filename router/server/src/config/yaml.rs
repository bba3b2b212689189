//! Reads YAML into a configuration type and turns the parser's findings into messages for operators.

use serde::de::DeserializeOwned;
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter};

use super::ConfigError;

/// Parses `text`; `file` is its name in messages. An empty file is an empty mapping.
pub(crate) fn read_yaml<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, ConfigError> {
    let only_comments = text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    let text = if only_comments { "{}" } else { text };
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        let location = error.location();
        let line = location.map_or(1, |location| location.line());
        let message = if is_indented_by_tab(text, line) {
            "a tab indents this line; YAML takes spaces only".to_owned()
        } else {
            message(error)
        };
        ConfigError::Malformed {
            file: file.to_owned(),
            line,
            column: location.map_or(1, |location| location.column()),
            message,
        }
    })
}

fn is_indented_by_tab(text: &str, line: u64) -> bool {
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let line = text.lines().nth(index).unwrap_or_default();
    let indentation = line.split(|c: char| !c.is_whitespace()).next();
    indentation.is_some_and(|indentation| indentation.contains('\t'))
}

fn message(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected),
        serde_saphyr::Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` is here a second time; rename it, or take one of the two away")
        }
        serde_saphyr::Error::InvalidScalar { ty: "boolean", .. } => "this value is neither true nor false".to_owned(),
        serde_saphyr::Error::InvalidScalar { .. } => "this value is not a whole number from 0 up".to_owned(),
        other => DefaultMessageFormatter.format_message(other).into_owned(),
    }
}

fn unknown_key(key: &str, known: &[&'static str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(meant) => format!("unknown key `{key}`; did you mean `{meant}`?"),
        None => format!("unknown key `{key}`; known here: {}", known.join(", ")),
    }
}

/// The known name most like `name`, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        // 0.8: `origin` finds `origins`, and `frobnicate` finds nothing.
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}
