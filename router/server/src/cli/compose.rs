//! `router compose`: subgraphs in, supergraph out, or every reason why not.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use composition::{Composed, CompositionError, Hint, compose};
use federation::subgraph::Subgraph;
use serde::Serialize;

use super::diagnostics::{Diagnostic, error_line};
use super::{Format, Outcome, messages, write_output};
use crate::introspect_subgraph::SdlClient;
use crate::source::{ContentHash, SourceContent};
use crate::supergraph_yaml::SupergraphYaml;

/// Time between two looks at the sources with `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Code in JSON of what is wrong before anything is composed: a file that cannot be read, YAML that is malformed.
const BAD_USAGE: &str = "BAD_USAGE";

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
    if arguments.watch {
        return watch(&arguments, &client).await;
    }
    let outcome = read(&arguments, &client)
        .await
        .and_then(|subgraphs| report(&arguments, &subgraphs));
    if let (Err(error), Format::Json) = (&outcome, arguments.format) {
        // Whoever reads JSON gets JSON, besides the line for people on standard error.
        write_output(None, &json(&Report::of_bad_usage(&messages(error)))?)?;
    }
    outcome
}

/// Composes whenever what was read has changed. What cannot be read or written is said once, and tried again.
async fn watch(arguments: &ComposeArgs, client: &SdlClient) -> Result<Outcome> {
    let mut last: Option<Result<ContentHash, String>> = None;
    loop {
        let attempt = match read(arguments, client).await {
            Ok(subgraphs) => {
                let hash = SourceContent::Subgraphs(subgraphs.clone()).hash();
                match last {
                    Some(Ok(known)) if known == hash => Ok(hash),
                    _ => report(arguments, &subgraphs).map(|outcome| {
                        if outcome == Outcome::Success {
                            // Nobody is there to read it when this fails.
                            let _ = io::stderr().write_all(b"composed; waiting for changes\n");
                        }
                        hash
                    }),
                }
            }
            Err(error) => Err(error),
        };
        let attempt = attempt.map_err(|error| (format!("{error:#}"), error));
        if let Err((text, error)) = &attempt
            && last.as_ref() != Some(&Err(text.clone()))
        {
            say(arguments, error)?;
        }
        last = Some(attempt.map_err(|(text, _)| text));
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            interrupted = tokio::signal::ctrl_c() => return interrupted.map(|()| Outcome::Success).map_err(Into::into),
        }
    }
}

/// Says what could not be read or written, and goes on.
fn say(arguments: &ComposeArgs, error: &anyhow::Error) -> Result<()> {
    let messages = messages(error);
    if arguments.format == Format::Json {
        write_output(None, &json(&Report::of_bad_usage(&messages))?)?;
    }
    let drawn: String = messages.into_iter().map(error_line).collect();
    anstream::stderr()
        .write_all(drawn.as_bytes())
        .context("cannot write to standard error")
}

async fn read(arguments: &ComposeArgs, client: &SdlClient) -> Result<Vec<Subgraph>> {
    let yaml = SupergraphYaml::read(&arguments.config).await?;
    Ok(yaml.subgraphs(client).await?)
}

fn report(arguments: &ComposeArgs, subgraphs: &[Subgraph]) -> Result<Outcome> {
    let result = compose(subgraphs);
    match arguments.format {
        Format::Json => {
            // The report of a failure is for whoever reads standard output; the file keeps the last good one.
            let output = arguments.output.as_deref().filter(|_| result.is_ok());
            write_output(output, &json(&Report::new(&result))?)?;
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
            anstream::stderr()
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

fn json(report: &Report<'_>) -> Result<String> {
    let text = serde_json::to_string_pretty(report).context("a report is plain data")?;
    Ok(text + "\n")
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

impl<'a> Report<'a> {
    /// There is nothing to compose, or nowhere to write it.
    fn of_bad_usage(messages: &'a [String]) -> Self {
        let errors = messages.iter().map(|message| ErrorReport {
            code: BAD_USAGE,
            message,
            locations: Vec::new(),
        });
        Self {
            supergraph: None,
            api_schema: None,
            hints: Vec::new(),
            errors: errors.collect(),
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
