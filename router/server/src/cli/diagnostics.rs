//! Draws what composition found, with the lines of SDL it is about:
//!
//! ```text
//! error[EXTERNAL_UNUSED]: Field "Product.name" is marked @external but is not used by any other directive ...
//!   --> reviews:12:3
//!    |
//! 12 |   name: String @external
//!    |   ^
//! ```

use std::fmt;

use composition::{CompositionError, Hint, SourceLocation};
use federation::subgraph::Subgraph;

/// Longest part of a line that is shown, in characters; SDL can be on one line.
const SHOWN_CHARS_MAX: usize = 160;

/// One finding, ready to be drawn.
pub(super) struct Diagnostic<'a> {
    severity: &'static str,
    code: &'a str,
    message: &'a str,
    locations: &'a [SourceLocation],
    subgraphs: &'a [Subgraph],
}

impl<'a> Diagnostic<'a> {
    pub(super) fn of_error(error: &'a CompositionError, subgraphs: &'a [Subgraph]) -> Self {
        Self {
            severity: "error",
            code: error.code.as_str(),
            message: &error.message,
            locations: &error.locations,
            subgraphs,
        }
    }

    pub(super) fn of_hint(hint: &'a Hint, subgraphs: &'a [Subgraph]) -> Self {
        Self {
            severity: "hint",
            code: hint.code.as_str(),
            message: &hint.message,
            locations: &hint.locations,
            subgraphs,
        }
    }

    /// The line that `location` is in, when the subgraph has it.
    fn line(&self, location: &SourceLocation) -> Option<&'a str> {
        let subgraph = self
            .subgraphs
            .iter()
            .find(|subgraph| *subgraph.name == *location.subgraph)?;
        subgraph.sdl.lines().nth((location.line as usize).checked_sub(1)?)
    }
}

impl fmt::Display for Diagnostic<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}[{}]: {}", self.severity, self.code, self.message)?;
        let numbers_width = self
            .locations
            .iter()
            .map(|location| location.line.to_string().len())
            .max()
            .unwrap_or(1);
        for location in self.locations {
            let SourceLocation { subgraph, line, column } = location;
            writeln!(formatter, "{:numbers_width$}--> {subgraph}:{line}:{column}", "")?;
            if let Some(text) = self.line(location) {
                draw_line(formatter, text, location, numbers_width)?;
            }
        }
        writeln!(formatter)
    }
}

/// `12 |   name: String @external` and a caret below the column, which counts characters from 1.
fn draw_line(
    formatter: &mut fmt::Formatter<'_>,
    text: &str,
    location: &SourceLocation,
    numbers_width: usize,
) -> fmt::Result {
    let column = (location.column as usize).max(1);
    // Of a very long line, the part around the column.
    let skipped = column.saturating_sub(SHOWN_CHARS_MAX / 2);
    let shown: Vec<char> = text.chars().skip(skipped).take(SHOWN_CHARS_MAX).collect();
    // A tab before the caret keeps both lines alike, however wide a terminal draws it.
    let indent = |c: &char| if *c == '\t' { '\t' } else { ' ' };
    let before_caret: String = shown.iter().take(column - 1 - skipped).map(indent).collect();
    writeln!(formatter, "{:numbers_width$} |", "")?;
    writeln!(
        formatter,
        "{:>numbers_width$} | {}",
        location.line,
        shown.iter().collect::<String>()
    )?;
    writeln!(formatter, "{:numbers_width$} | {before_caret}^", "")
}

#[cfg(test)]
mod tests {
    use composition::ErrorCode;
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_place_is_shown_with_its_line() {
        let long = format!("{}type Long {{ name: Stirng }}", "# ".repeat(200));
        let sdl = format!("type Query {{\n\tname: Stirng\n}}\n\n\n\n\n\n\n{long}\n");
        let subgraphs = [Subgraph {
            name: "products".into(),
            routing_url: String::new(),
            sdl,
        }];
        let location = |subgraph: &str, line, column| SourceLocation {
            subgraph: subgraph.into(),
            line,
            column,
        };
        let error = CompositionError {
            code: ErrorCode::InvalidGraphql,
            message: "[products] there is no type `Stirng`".into(),
            locations: vec![
                location("products", 2, 8),
                location("products", 10, 419),
                location("products", 99, 1),
                location("elsewhere", 1, 1),
            ],
        };
        expect![[r#"
            error[INVALID_GRAPHQL]: [products] there is no type `Stirng`
              --> products:2:8
               |
             2 | 	name: Stirng
               | 	      ^
              --> products:10:419
               |
            10 |  # # # # # # # # # # # # # # # # # # # # # # # # # # # # # # type Long { name: Stirng }
               |                                                                                ^
              --> products:99:1
              --> elsewhere:1:1

        "#]]
        .assert_eq(&Diagnostic::of_error(&error, &subgraphs).to_string());
    }
}
