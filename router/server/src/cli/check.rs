//! `router check`: what the step from one schema to another breaks for clients.
//!
//! Reads two schemas and, if asked to, a folder of recorded operations; `federation` compares; the report is for people
//! (`report`) or programs (`json`).

mod input;
mod json;
mod report;

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use federation::recorded_operations::{
    OperationFile, OperationReport, Place, RecordedOperationsReport, Verdict, check_operations,
};
use federation::schema_changes::{SchemaChange, Severity, schema_changes};

use super::{Format, Outcome, messages, write_output};
use crate::introspect_subgraph::SdlClient;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The schema that clients know. What it is, is told by its content: the SDL of a supergraph, the SDL of an API schema,
    /// or a `supergraph.yaml` in Rover's form, which is composed.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The schema that is to replace it, in any of these forms.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Folder of operations that clients send: `*.graphql` and `*.gql`, also in folders below. With it, only what breaks
    /// one of them counts; without it, every breaking change does.
    #[arg(long, value_name = "DIR")]
    operations: Option<PathBuf>,
    /// `text`: a report for people. `json`: one object with `result`, `changes` and `operations`.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Everything that was found.
struct Findings {
    changes: Vec<SchemaChange>,
    files: Vec<OperationFile>,
    /// `None` without `--operations`.
    recorded: Option<RecordedOperationsReport>,
    /// What each recorded operation is called: its name, or its place when it has none of its own.
    labels: Vec<String>,
}

impl Findings {
    /// Whether the check fails.
    fn is_breaking(&self) -> bool {
        match &self.recorded {
            Some(recorded) => recorded
                .operations
                .iter()
                .any(|operation| operation.verdict == Verdict::Broken),
            None => self.changes.iter().any(|change| change.severity == Severity::Breaking),
        }
    }
}

pub(super) async fn run(arguments: CheckArgs) -> Result<Outcome> {
    let findings = find(&arguments).await;
    match (&findings, arguments.format) {
        (Ok(findings), Format::Text) => anstream::stdout()
            .write_all(report::draw(findings).as_bytes())
            .context("cannot write to standard output")?,
        (Ok(findings), Format::Json) => write_output(None, &json::report(findings)?)?,
        // Whoever reads JSON gets JSON, besides the line for people on standard error.
        (Err(error), Format::Json) => write_output(None, &json::bad_usage(&messages(error))?)?,
        (Err(_), Format::Text) => {}
    }
    Ok(if findings?.is_breaking() {
        Outcome::Failure
    } else {
        Outcome::Success
    })
}

async fn find(arguments: &CheckArgs) -> Result<Findings> {
    let client = SdlClient::default();
    let old = input::read_schema(&arguments.old, &client).await?;
    let new = input::read_schema(&arguments.new, &client).await?;
    let changes = schema_changes(&old, &new);
    let files = match &arguments.operations {
        Some(folder) => input::read_operations(folder)?,
        None => Vec::new(),
    };
    let recorded = arguments
        .operations
        .is_some()
        .then(|| check_operations(&files, (&old, &new), &changes));
    let operations = recorded.iter().flat_map(|recorded| &recorded.operations);
    let labels = labels(&files, &operations.collect::<Vec<_>>());
    Ok(Findings {
        changes,
        files,
        recorded,
        labels,
    })
}

fn labels(files: &[OperationFile], operations: &[&OperationReport]) -> Vec<String> {
    let mut namesakes: HashMap<&str, usize> = HashMap::new();
    for name in operations.iter().filter_map(|operation| operation.name.as_deref()) {
        *namesakes.entry(name).or_default() += 1;
    }
    let label = |operation: &&OperationReport| match &operation.name {
        Some(name) if namesakes.get(name.as_str()) == Some(&1) => name.clone(),
        _ => {
            let Place { file, line, column, .. } = operation.place;
            format!("{}:{line}:{column}", files[file].path)
        }
    };
    operations.iter().map(label).collect()
}
