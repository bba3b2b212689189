//! The report for people: changes, then broken operations with their lines, then one line that sums up.

use std::borrow::Cow;
use std::fmt::Write;

use federation::recorded_operations::{OperationError, OperationReport, Verdict};
use federation::schema_changes::{SchemaChange, Severity};

use super::super::diagnostics::{Diagnostic, Excerpt, Level};
use super::Findings;

/// Most operations named at one change; the broken ones are all listed below.
const NAMED_MAX: usize = 5;

pub(super) fn draw(findings: &Findings) -> String {
    let mut text = String::new();
    for (index, change) in findings.changes.iter().enumerate() {
        text.push_str(&change_diagnostic(findings, index, change).to_string());
    }
    let operations = findings.recorded.iter().flat_map(|recorded| &recorded.operations);
    let operations = operations.filter(|operation| operation.verdict != Verdict::Unharmed);
    for (index, operation) in operations.enumerate() {
        if index == 0 && !text.is_empty() {
            text.push('\n');
        }
        for error in &operation.errors {
            text.push_str(&operation_diagnostic(findings, operation, error).to_string());
        }
    }
    text.push_str(&summary(findings));
    text
}

fn change_diagnostic<'a>(findings: &'a Findings, index: usize, change: &'a SchemaChange) -> Diagnostic<'a> {
    let recorded = findings.recorded.as_ref();
    let users = recorded.map(|recorded| recorded.used_by[index].as_slice());
    let is_blamed = recorded.is_some_and(|recorded| {
        let operations = recorded.used_by[index].iter().map(|user| &recorded.operations[*user]);
        let mut errors = operations.flat_map(|operation| &operation.errors);
        errors.any(|error| error.changes.contains(&index))
    });
    let level = match change.severity {
        Severity::Breaking if recorded.is_some() && !is_blamed => Level::BreakingUnused,
        Severity::Breaking => Level::Breaking,
        Severity::Dangerous => Level::Dangerous,
        Severity::Safe => Level::Safe,
    };
    let note = match (level, users) {
        (Level::BreakingUnused, Some([])) => Some("breaking, but no recorded operation uses it".to_owned()),
        (_, None | Some([])) => None,
        (Level::BreakingUnused, Some(users)) => Some(format!(
            "breaking, but breaks none of the recorded operations that use it: {}",
            labels(findings, users)
        )),
        (_, Some(users)) => Some(format!("used by {}", labels(findings, users))),
    };
    Diagnostic {
        level,
        code: Some(change.code.as_str()),
        message: Cow::Borrowed(&change.message),
        excerpts: Vec::new(),
        notes: note.into_iter().collect(),
    }
}

fn labels(findings: &Findings, operations: &[usize]) -> String {
    let labels = operations.iter().take(NAMED_MAX);
    let labels: Vec<String> = labels.map(|index| format!("`{}`", findings.labels[*index])).collect();
    let mut text = labels.join(", ");
    if operations.len() > NAMED_MAX {
        write!(text, " and {} more", operations.len() - NAMED_MAX).expect("a string grows");
    }
    text
}

fn operation_diagnostic<'a>(
    findings: &'a Findings,
    operation: &'a OperationReport,
    error: &'a OperationError,
) -> Diagnostic<'a> {
    let whose = match &operation.name {
        Some(name) => format!("operation `{name}`"),
        None => "an operation without a name".to_owned(),
    };
    let reason = &error.message;
    let (level, message) = match operation.verdict {
        Verdict::Unreadable => (
            Level::Hint,
            format!("this file is not GraphQL and does not count: {reason}"),
        ),
        Verdict::InvalidBefore => (
            Level::Hint,
            format!("{whose} is not valid in the old schema either and does not count: {reason}"),
        ),
        Verdict::Broken | Verdict::Unharmed => (Level::Error, format!("{whose} breaks: {reason}")),
    };
    let place = error.place.unwrap_or(operation.place);
    let file = &findings.files[place.file];
    let excerpt = Excerpt {
        source: &file.path,
        text: Some(&file.text),
        line: place.line,
        column: place.column,
        length: place.length,
    };
    let notes = error.changes.iter().map(|change| &findings.changes[*change]);
    // What only repeats the message says nothing new.
    let notes = notes.map(|change| {
        if change.message == error.message {
            format!("because of {} at `{}`", change.code, change.coordinate)
        } else {
            format!("because of {}: {}", change.code, change.message)
        }
    });
    Diagnostic {
        level,
        code: None,
        message: Cow::Owned(message),
        excerpts: vec![excerpt],
        notes: notes.collect(),
    }
}

fn summary(findings: &Findings) -> String {
    let count = |severity| {
        findings
            .changes
            .iter()
            .filter(|change| change.severity == severity)
            .count()
    };
    let mut text = if findings.changes.is_empty() {
        "nothing changed for clients".to_owned()
    } else {
        format!(
            "{} breaking, {} dangerous, {} safe",
            count(Severity::Breaking),
            count(Severity::Dangerous),
            count(Severity::Safe)
        )
    };
    if let Some(recorded) = &findings.recorded {
        let of = |verdicts: &[Verdict]| {
            let verdict_of = recorded.operations.iter().map(|operation| operation.verdict);
            verdict_of.filter(|verdict| verdicts.contains(verdict)).count()
        };
        let (broken, all) = (of(&[Verdict::Broken]), recorded.operations.len());
        let before = of(&[Verdict::InvalidBefore, Verdict::Unreadable]);
        write!(text, "; {broken} of {all} recorded operations break").expect("a string grows");
        if before > 0 {
            write!(text, ", {before} did not count").expect("a string grows");
        }
    }
    text.push('\n');
    text
}
