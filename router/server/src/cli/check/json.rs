//! The report for programs.

use anyhow::{Context, Result};
use federation::recorded_operations::{OperationError, OperationReport, Verdict};
use serde::Serialize;

use super::Findings;

#[derive(Serialize)]
struct Report<'a> {
    result: &'static str,
    changes: Vec<ChangeReport<'a>>,
    /// Those that break.
    operations: Vec<BrokenOperation<'a>>,
    /// Those that are not valid in the old schema either, and files that are not GraphQL: they do not count.
    invalid_before: Vec<BrokenOperation<'a>>,
}

#[derive(Serialize)]
struct ChangeReport<'a> {
    code: &'static str,
    severity: &'static str,
    coordinate: String,
    message: &'a str,
    used_by: Vec<String>,
}

#[derive(Serialize)]
struct BrokenOperation<'a> {
    file: &'a str,
    name: Option<&'a str>,
    line: usize,
    column: usize,
    errors: Vec<ErrorReport<'a>>,
}

#[derive(Serialize)]
struct ErrorReport<'a> {
    message: &'a str,
    /// Another than the operation's when the error is in a fragment that is shared.
    file: &'a str,
    line: usize,
    column: usize,
    /// Those that are to blame.
    changes: Vec<ChangeReference>,
}

#[derive(Serialize)]
struct ChangeReference {
    code: &'static str,
    coordinate: String,
}

pub(super) fn report(findings: &Findings) -> Result<String> {
    let changes = findings.changes.iter().enumerate().map(|(index, change)| ChangeReport {
        code: change.code.as_str(),
        severity: change.severity.as_str(),
        coordinate: change.coordinate.to_string(),
        message: &change.message,
        used_by: used_by(findings, index),
    });
    let report = Report {
        result: if findings.is_breaking() { "breaking" } else { "ok" },
        changes: changes.collect(),
        operations: operations(findings, &[Verdict::Broken]),
        invalid_before: operations(findings, &[Verdict::InvalidBefore, Verdict::Unreadable]),
    };
    pretty(&report)
}

/// The report when there is nothing to compare: each of `messages` says why.
pub(super) fn bad_usage(messages: &[String]) -> Result<String> {
    let errors: Vec<_> = messages
        .iter()
        .map(|message| serde_json::json!({ "code": "BAD_USAGE", "message": message }))
        .collect();
    pretty(&serde_json::json!({ "result": "error", "errors": errors }))
}

fn pretty(report: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(report).context("a report is plain data")?;
    Ok(text + "\n")
}

fn used_by(findings: &Findings, change: usize) -> Vec<String> {
    let Some(recorded) = &findings.recorded else {
        return Vec::new();
    };
    let operations = recorded.used_by[change].iter();
    operations.map(|index| findings.labels[*index].clone()).collect()
}

fn operations<'a>(findings: &'a Findings, verdicts: &[Verdict]) -> Vec<BrokenOperation<'a>> {
    let operations = findings.recorded.iter().flat_map(|recorded| &recorded.operations);
    let operations = operations.filter(|operation| verdicts.contains(&operation.verdict));
    operations
        .map(|operation| BrokenOperation {
            file: &findings.files[operation.place.file].path,
            name: operation.name.as_deref(),
            line: operation.place.line,
            column: operation.place.column,
            errors: operation
                .errors
                .iter()
                .map(|error| error_report(findings, operation, error))
                .collect(),
        })
        .collect()
}

/// An error of no particular place is at its operation.
fn error_report<'a>(findings: &'a Findings, operation: &OperationReport, error: &'a OperationError) -> ErrorReport<'a> {
    let place = error.place.unwrap_or(operation.place);
    let changes = error.changes.iter().map(|change| ChangeReference {
        code: findings.changes[*change].code.as_str(),
        coordinate: findings.changes[*change].coordinate.to_string(),
    });
    ErrorReport {
        message: &error.message,
        file: &findings.files[place.file].path,
        line: place.line,
        column: place.column,
        changes: changes.collect(),
    }
}
