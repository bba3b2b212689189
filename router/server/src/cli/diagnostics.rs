//! Draws what a command found, with the lines that it is about:
//!
//! ```text
//! error[EXTERNAL_UNUSED]: Field "Product.name" is marked @external but is not used by any other directive ...
//!   --> reviews:12:3
//!    |
//! 12 |   name: String @external
//!    |   ^^^^^^^^^^^^^^^^^^^^^^
//! ```
//!
//! What is drawn holds ANSI colours. Writing it to `anstream::stderr()` or `stdout()` takes them away where nobody would
//! see them: no terminal, `NO_COLOR`, `TERM=dumb`; `CLICOLOR_FORCE=1` keeps them.

use std::borrow::Cow;
use std::fmt;

use anstyle::{AnsiColor, Style};
use composition::{CompositionError, Hint, SourceLocation};
use federation::subgraph::Subgraph;

/// Longest part of a line that is shown, in characters; SDL can be on one line.
const SHOWN_CHARS_MAX: usize = 160;

const BLUE: Style = AnsiColor::Blue.on_default().bold();
const BOLD: Style = Style::new().bold();

/// How much a finding matters: the word it begins with, and its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// What the command was asked to rule out.
    Error,
    Hint,
    Breaking,
    /// A change that is breaking in itself, and breaks nothing that is recorded.
    BreakingUnused,
    Dangerous,
    Safe,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Hint => "hint",
            Self::Breaking | Self::BreakingUnused => "breaking",
            Self::Dangerous => "dangerous",
            Self::Safe => "safe",
        }
    }

    const fn style(self) -> Style {
        let color = match self {
            Self::Error | Self::Breaking => AnsiColor::Red,
            Self::Hint | Self::BreakingUnused | Self::Dangerous => AnsiColor::Yellow,
            Self::Safe => AnsiColor::Green,
        };
        color.on_default().bold()
    }
}

/// `error: no such thing`, for what has neither a code nor a place.
pub(super) fn error_line(message: String) -> String {
    let diagnostic = Diagnostic {
        level: Level::Error,
        code: None,
        message: Cow::Owned(message),
        excerpts: Vec::new(),
        notes: Vec::new(),
    };
    diagnostic.to_string()
}

/// One finding, ready to be drawn.
#[derive(Debug)]
pub(super) struct Diagnostic<'a> {
    pub(super) level: Level,
    pub(super) code: Option<&'a str>,
    pub(super) message: Cow<'a, str>,
    pub(super) excerpts: Vec<Excerpt<'a>>,
    /// Each on a line of its own, below the excerpts.
    pub(super) notes: Vec<String>,
}

/// A part of a text, to be underlined.
#[derive(Debug)]
pub(super) struct Excerpt<'a> {
    /// Name of the file or subgraph.
    pub(super) source: &'a str,
    /// All of it, when it is at hand.
    pub(super) text: Option<&'a str>,
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
    /// In characters; `None` when unknown, or when the part goes over several lines.
    pub(super) length: Option<usize>,
}

impl<'a> Diagnostic<'a> {
    pub(super) fn of_error(error: &'a CompositionError, subgraphs: &'a [Subgraph]) -> Self {
        Self {
            level: Level::Error,
            code: Some(error.code.as_str()),
            message: Cow::Borrowed(&error.message),
            excerpts: excerpts(&error.locations, subgraphs),
            notes: Vec::new(),
        }
    }

    pub(super) fn of_hint(hint: &'a Hint, subgraphs: &'a [Subgraph]) -> Self {
        Self {
            level: Level::Hint,
            code: Some(hint.code.as_str()),
            message: Cow::Borrowed(&hint.message),
            excerpts: excerpts(&hint.locations, subgraphs),
            notes: Vec::new(),
        }
    }
}

fn excerpts<'a>(locations: &'a [SourceLocation], subgraphs: &'a [Subgraph]) -> Vec<Excerpt<'a>> {
    let excerpt = |location: &'a SourceLocation| Excerpt {
        source: &location.subgraph,
        text: subgraphs
            .iter()
            .find(|subgraph| subgraph.name == location.subgraph)
            .map(|subgraph| subgraph.sdl.as_str()),
        line: location.line as usize,
        column: location.column as usize,
        length: location.length.map(|length| length as usize),
    };
    locations.iter().map(excerpt).collect()
}

impl fmt::Display for Diagnostic<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, style) = (self.level.word(), self.level.style());
        match self.code {
            Some(code) => write!(formatter, "{style}{word}[{code}]{style:#}")?,
            None => write!(formatter, "{style}{word}{style:#}")?,
        }
        writeln!(formatter, "{BOLD}: {}{BOLD:#}", self.message)?;
        let lines = self.excerpts.iter().map(|excerpt| excerpt.line.to_string().len());
        let numbers_width = lines.max().unwrap_or(1);
        for excerpt in &self.excerpts {
            excerpt.draw(formatter, numbers_width, style)?;
        }
        for note in &self.notes {
            writeln!(formatter, "{:numbers_width$} {BLUE}={BLUE:#} {note}", "")?;
        }
        if self.excerpts.is_empty() {
            return Ok(());
        }
        writeln!(formatter)
    }
}

impl Excerpt<'_> {
    /// `12 |   name: String @external`, and carets below the part that is meant.
    fn draw(&self, formatter: &mut fmt::Formatter<'_>, numbers_width: usize, style: Style) -> fmt::Result {
        let Self {
            source, line, column, ..
        } = self;
        writeln!(
            formatter,
            "{:numbers_width$}{BLUE}-->{BLUE:#} {source}:{line}:{column}",
            ""
        )?;
        let text = self.text.and_then(|text| text.lines().nth(line.checked_sub(1)?));
        let Some(text) = text else { return Ok(()) };
        let column = (*column).max(1);
        // Of a very long line, the part around the column.
        let skipped = column.saturating_sub(SHOWN_CHARS_MAX / 2);
        let shown = text.chars().skip(skipped).take(SHOWN_CHARS_MAX);
        // A text may come from elsewhere: it must not give orders to the terminal.
        let shown: Vec<char> = shown
            .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
            .collect();
        // A tab before the caret keeps both lines alike, however wide a terminal draws it.
        let indent = |c: &char| if *c == '\t' { '\t' } else { ' ' };
        let before = column - 1 - skipped;
        let before_carets: String = shown.iter().take(before).map(indent).collect();
        let room = shown.len().saturating_sub(before).max(1);
        let carets = "^".repeat(self.length.unwrap_or(1).clamp(1, room));
        writeln!(formatter, "{:numbers_width$} {BLUE}|{BLUE:#}", "")?;
        let shown: String = shown.iter().collect();
        writeln!(formatter, "{BLUE}{line:>numbers_width$} |{BLUE:#} {shown}")?;
        writeln!(
            formatter,
            "{:numbers_width$} {BLUE}|{BLUE:#} {before_carets}{style}{carets}{style:#}",
            ""
        )
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use composition::ErrorCode;
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_place_is_shown_with_its_line() {
        let long = format!("{}type Long {{ name: Stirng }}", "# ".repeat(200));
        let sdl = format!("type Query {{\n\tname: Stirng\n}}\n\n\u{1b}[2Jscalar A\n\n\n\n\n{long}\n");
        let subgraphs = [Subgraph {
            name: "products".into(),
            routing_url: String::new(),
            sdl,
        }];
        let location = |subgraph: &str, line, column, length| SourceLocation {
            subgraph: subgraph.into(),
            line,
            column,
            length,
        };
        let error = CompositionError {
            code: ErrorCode::InvalidGraphql,
            message: "[products] there is no type `Stirng`".into(),
            locations: vec![
                location("products", 2, 8, Some(6)),
                location("products", 5, 1, None),
                location("products", 10, 419, Some(1_000)),
                location("products", 99, 1, None),
                location("elsewhere", 1, 1, Some(3)),
            ],
        };
        let drawn = Diagnostic::of_error(&error, &subgraphs).to_string();
        expect![[r#"
            error[INVALID_GRAPHQL]: [products] there is no type `Stirng`
              --> products:2:8
               |
             2 | 	name: Stirng
               | 	      ^^^^^^
              --> products:5:1
               |
             5 | �[2Jscalar A
               | ^
              --> products:10:419
               |
            10 |  # # # # # # # # # # # # # # # # # # # # # # # # # # # # # # type Long { name: Stirng }
               |                                                                                ^^^^^^^^
              --> products:99:1
              --> elsewhere:1:1

        "#]]
        .assert_eq(&strip_str(&drawn).to_string());
        expect![[r#"
            ESC[1mESC[31merror[INVALID_GRAPHQL]ESC[0mESC[1m: [products] there is no type `Stirng`ESC[0m
              ESC[1mESC[34m-->ESC[0m products:2:8
               ESC[1mESC[34m|ESC[0m
            ESC[1mESC[34m 2 |ESC[0m 	name: Stirng
               ESC[1mESC[34m|ESC[0m 	      ESC[1mESC[31m^^^^^^ESC[0m"#]]
        .assert_eq(
            &drawn
                .lines()
                .take(5)
                .collect::<Vec<_>>()
                .join("\n")
                .replace('\u{1b}', "ESC"),
        );
    }
}
