//! `router compose`: subgraphs in, supergraph out, or every reason why not.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use composition::{Composed, CompositionError, Hint, compose};
use federation::subgraph::Subgraph;
use serde::Serialize;

use super::diagnostics::Diagnostic;
use super::{Format, Outcome, write_output};
use crate::introspect_subgraph::SdlClient;
use crate::source::{ContentHash, SourceContent};
use crate::supergraph_yaml::SupergraphYaml;

/// Time between two looks at the sources with `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct ComposeArgs {
    /// The subgraphs, in Rover's YAML form: `subgraphs: {NAME: {routing_url, schema: {file | subgraph_url | sdl}}}`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where to write the result; standard output without it. Left as it is when the subgraphs do not compose.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// `text`: the supergraph, and readable errors on standard error. `json`: one object with `supergraph`, `api_schema`,
    /// `hints` and `errors`.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Compose again whenever a source has changed, until interrupted.
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(arguments: ComposeArgs) -> Result<Outcome> {
    let client = SdlClient::default();
    if !arguments.watch {
        let subgraphs = read(&arguments, &client).await?;
        return report(&arguments, &subgraphs);
    }
    let mut last: Option<Result<ContentHash, String>> = None;
    loop {
        let read = read(&arguments, &client)
            .await
            .map_err(|error| format!("error: {error:#}\n"));
        let now = read
            .as_ref()
            .map(|s| SourceContent::Subgraphs(s.clone()).hash())
            .map_err(Clone::clone);
        if last.as_ref() != Some(&now) {
            match &read {
                Ok(subgraphs) => {
                    if report(&arguments, subgraphs)? == Outcome::Success {
                        io::stderr().write_all(b"composed; waiting for changes\n")?;
                    }
                }
                Err(message) => io::stderr().write_all(message.as_bytes())?,
            }
            last = Some(now);
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            interrupted = tokio::signal::ctrl_c() => return interrupted.map(|()| Outcome::Success).map_err(Into::into),
        }
    }
}

async fn read(arguments: &ComposeArgs, client: &SdlClient) -> Result<Vec<Subgraph>> {
    Ok(SupergraphYaml::read(&arguments.config).await?.subgraphs(client).await?)
}

fn report(arguments: &ComposeArgs, subgraphs: &[Subgraph]) -> Result<Outcome> {
    let result = compose(subgraphs);
    match arguments.format {
        Format::Json => {
            let mut text = serde_json::to_string_pretty(&Report::new(&result)).context("a report is plain data")?;
            text.push('\n');
            // The report of a failure is for whoever reads standard output; the file keeps the last good one.
            let output = arguments.output.as_deref().filter(|_| result.is_ok());
            write_output(output, &text)?;
        }
        Format::Text => {
            let diagnostics = match &result {
                Ok(composed) => {
                    write_output(arguments.output.as_deref(), &composed.supergraph_sdl)?;
                    composed
                        .hints
                        .iter()
                        .map(|hint| Diagnostic::of_hint(hint, subgraphs).to_string())
                        .collect()
                }
                Err(errors) => draw_errors(errors, subgraphs),
            };
            io::stderr()
                .write_all(diagnostics.as_bytes())
                .context("cannot write to standard error")?;
        }
    }
    Ok(if result.is_ok() {
        Outcome::Success
    } else {
        Outcome::Failure
    })
}

/// Every error with the lines it is about, and how many there are.
pub(super) fn draw_errors(errors: &[CompositionError], subgraphs: &[Subgraph]) -> String {
    let mut text: String = errors
        .iter()
        .map(|error| Diagnostic::of_error(error, subgraphs).to_string())
        .collect();
    let count = errors.len();
    let plural = if count == 1 { "" } else { "s" };
    text.push_str(&format!("the subgraphs do not compose: {count} error{plural}\n"));
    text
}

/// The JSON form.
#[derive(Serialize)]
struct Report<'a> {
    supergraph: Option<&'a str>,
    api_schema: Option<&'a str>,
    hints: Vec<HintReport<'a>>,
    errors: Vec<ErrorReport<'a>>,
}

#[derive(Serialize)]
struct HintReport<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct ErrorReport<'a> {
    code: &'a str,
    message: &'a str,
    locations: Vec<LocationReport<'a>>,
}

#[derive(Serialize)]
struct LocationReport<'a> {
    subgraph: &'a str,
    line: u32,
    column: u32,
}

impl<'a> Report<'a> {
    fn new(result: &'a Result<Composed, Vec<CompositionError>>) -> Self {
        match result {
            Ok(composed) => Self {
                supergraph: Some(&composed.supergraph_sdl),
                api_schema: Some(&composed.api_schema_sdl),
                hints: composed.hints.iter().map(HintReport::new).collect(),
                errors: Vec::new(),
            },
            Err(errors) => Self {
                supergraph: None,
                api_schema: None,
                hints: Vec::new(),
                errors: errors.iter().map(ErrorReport::new).collect(),
            },
        }
    }
}

impl<'a> HintReport<'a> {
    fn new(hint: &'a Hint) -> Self {
        Self {
            code: hint.code.as_str(),
            message: &hint.message,
        }
    }
}

impl<'a> ErrorReport<'a> {
    fn new(error: &'a CompositionError) -> Self {
        let locations = error.locations.iter().map(|location| LocationReport {
            subgraph: &location.subgraph,
            line: location.line,
            column: location.column,
        });
        Self {
            code: error.code.as_str(),
            message: &error.message,
            locations: locations.collect(),
        }
    }
}
