//! Operations that clients are known to send, checked against a change of the API schema.
//!
//! In: files of operations and fragments, two API schemas, what changed between them. Out: which operation each change
//! touches, and which operations break, where and by what. An operation breaks when it was valid and no longer is, and
//! also when it stays valid but a breaking change alters what it is answered or refuses what its variables may hold.
//! Reads no files.

mod usage;

use std::sync::Arc;

use apollo_compiler::ast::{self, Definition, FragmentDefinition, OperationDefinition};
use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::parser::{FileId, SourceMap, SourceSpan};
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Name, Node};
use rustc_hash::{FxHashMap, FxHashSet};

use self::usage::Usage;
use crate::api_schema::ApiSchema;
use crate::limits::{self, Limits};
use crate::operation;
use crate::schema_changes::{SchemaChange, Severity};

/// Most reasons given for one operation: people mend a few at a time.
const ERRORS_MAX: usize = 32;

/// Bounds that keep the work finite. What is recorded was accepted once, so that they are wider than those of the public.
const RECORDED: Limits = Limits {
    document_bytes_max: usize::MAX,
    tokens_max: usize::MAX,
    depth_max: 100,
    aliases_max: u64::MAX,
    root_fields_max: u64::MAX,
    height_max: 1_000_000,
};

/// One file of operations and fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationFile {
    /// As people know it; only for telling files apart.
    pub path: String,
    /// GraphQL.
    pub text: String,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index of the file.
    pub file: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters are meant; `None` when they are on several lines.
    pub length: Option<usize>,
}

/// How one operation fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as before.
    Unharmed,
    /// It was fine before, and is not any more.
    Broken,
    /// It is not valid in the old schema either, so that nothing can be said of the change.
    InvalidBefore,
    /// The whole file is not GraphQL.
    Unreadable,
}

/// One reason why an operation is broken, or was invalid before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationError {
    /// For people.
    pub message: String,
    /// Where; `None` when it is about no particular place.
    pub place: Option<Place>,
    /// Indices of the changes that are to blame.
    pub changes: Vec<usize>,
}

/// One operation, or one file that is not GraphQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationReport {
    /// `None` for an anonymous operation, and for a file that is not GraphQL.
    pub name: Option<String>,
    /// Where it begins.
    pub place: Place,
    /// How it fares.
    pub verdict: Verdict,
    /// Why, unless it is unharmed.
    pub errors: Vec<OperationError>,
}

/// What a change of schema does to recorded operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedOperationsReport {
    /// In the order of files, and of operations in a file.
    pub operations: Vec<OperationReport>,
    /// For each change, in their order, the indices of the operations that it touches.
    pub used_by: Vec<Vec<usize>>,
}

/// Checks every operation in `files` against the step from `old` to `new`.
///
/// * `changes`: what [`crate::schema_changes::schema_changes`] finds between the two.
///
/// An operation finds the fragments that it spreads in its own file first, then in the others, in their order.
pub fn check_operations(
    files: &[OperationFile],
    (old, new): (&ApiSchema, &ApiSchema),
    changes: &[SchemaChange],
) -> RecordedOperationsReport {
    let recorded = Recorded::parse(files);
    let check = Check { old, new, changes };
    let mut operations: Vec<(OperationReport, Vec<usize>)> = Vec::new();
    for operation in &recorded.operations {
        operations.push(check.operation(&recorded, operation));
    }
    operations.extend(recorded.unreadable.into_iter().map(|report| (report, Vec::new())));
    operations.sort_by_key(|(report, _)| report.place);
    let mut used_by = vec![Vec::new(); changes.len()];
    for (index, (_, touched_by)) in operations.iter().enumerate() {
        for change in touched_by {
            used_by[*change].push(index);
        }
    }
    RecordedOperationsReport {
        operations: operations.into_iter().map(|(report, _)| report).collect(),
        used_by,
    }
}

/// All files, with what can be looked up in them.
struct Recorded {
    operations: Vec<(usize, Node<OperationDefinition>)>,
    fragments: FxHashMap<Name, Vec<(usize, Node<FragmentDefinition>)>>,
    /// Files that are not GraphQL.
    unreadable: Vec<OperationReport>,
    sources: SourceMap,
    file_indices: FxHashMap<FileId, usize>,
}

impl Recorded {
    fn parse(files: &[OperationFile]) -> Self {
        let mut recorded = Self {
            operations: Vec::new(),
            fragments: FxHashMap::default(),
            unreadable: Vec::new(),
            sources: SourceMap::default(),
            file_indices: FxHashMap::default(),
        };
        for (index, file) in files.iter().enumerate() {
            match operation::parse(&file.text, &RECORDED) {
                Ok(document) => recorded.add(index, document.ast()),
                Err(errors) => {
                    let errors = errors.into_iter().map(|error| OperationError {
                        place: error.locations.first().map(|at| Place {
                            file: index,
                            line: at.line,
                            column: at.column,
                            length: None,
                        }),
                        message: error.message,
                        changes: Vec::new(),
                    });
                    recorded.unreadable.push(OperationReport {
                        name: None,
                        place: start_of(index),
                        verdict: Verdict::Unreadable,
                        errors: errors.collect(),
                    });
                }
            }
        }
        recorded
    }

    fn add(&mut self, file: usize, document: &ast::Document) {
        for (id, source) in document.sources.iter() {
            Arc::make_mut(&mut self.sources).insert(*id, Arc::clone(source));
            self.file_indices.insert(*id, file);
        }
        for definition in &document.definitions {
            match definition {
                Definition::OperationDefinition(operation) => self.operations.push((file, operation.clone())),
                Definition::FragmentDefinition(fragment) => {
                    let known = self.fragments.entry(fragment.name.clone()).or_default();
                    known.push((file, fragment.clone()));
                }
                _ => {} // A schema that lies beside the operations.
            }
        }
    }

    /// One operation with every fragment that it needs, of whichever file.
    fn document(&self, file: usize, operation: &Node<OperationDefinition>) -> ast::Document {
        let mut definitions = vec![Definition::OperationDefinition(operation.clone())];
        let mut known = FxHashSet::default();
        let mut to_read = vec![(file, operation.selection_set.clone())];
        while let Some((file, selections)) = to_read.pop() {
            for selection in selections {
                match selection {
                    ast::Selection::Field(field) => to_read.push((file, field.selection_set.clone())),
                    ast::Selection::InlineFragment(inline) => to_read.push((file, inline.selection_set.clone())),
                    ast::Selection::FragmentSpread(spread) => {
                        let fragment = self.fragment(file, &spread.fragment_name);
                        if let Some((file, fragment)) = fragment
                            && known.insert(fragment.name.clone())
                        {
                            definitions.push(Definition::FragmentDefinition(fragment.clone()));
                            to_read.push((*file, fragment.selection_set.clone()));
                        }
                    }
                }
            }
        }
        ast::Document {
            sources: Arc::clone(&self.sources),
            definitions,
        }
    }

    fn fragment(&self, file: usize, name: &Name) -> Option<&(usize, Node<FragmentDefinition>)> {
        let known = self.fragments.get(name)?;
        known.iter().find(|(other, _)| *other == file).or_else(|| known.first())
    }

    fn place(&self, span: SourceSpan) -> Option<Place> {
        let file = *self.file_indices.get(&span.file_id())?;
        let start = span.line_column(&self.sources)?;
        let end = span.line_column_range(&self.sources).map(|range| range.end);
        let length = end
            .filter(|end| end.line == start.line)
            .map(|end| end.column.saturating_sub(start.column));
        Some(Place {
            file,
            line: start.line,
            column: start.column,
            length,
        })
    }

    fn errors(&self, diagnostics: &DiagnosticList) -> Vec<(Option<SourceSpan>, OperationError)> {
        let errors = diagnostics.iter().map(|diagnostic| {
            let span = diagnostic.error.location();
            let error = OperationError {
                message: diagnostic.error.to_string(),
                place: span.and_then(|span| self.place(span)),
                changes: Vec::new(),
            };
            (span, error)
        });
        let mut errors: Vec<_> = errors.take(ERRORS_MAX).collect();
        errors.dedup_by(|left, right| left.1 == right.1);
        errors
    }
}

fn start_of(file: usize) -> Place {
    Place {
        file,
        line: 1,
        column: 1,
        length: None,
    }
}

struct Check<'a> {
    old: &'a ApiSchema,
    new: &'a ApiSchema,
    changes: &'a [SchemaChange],
}

/// Where an operation meets a change.
struct Touch {
    /// Index of the change.
    change: usize,
    spans: Vec<SourceSpan>,
    /// Those of `spans` at which the operation breaks even if it stays valid.
    breaks_at: Vec<SourceSpan>,
}

impl Check<'_> {
    /// The report of one operation, and the changes that touch it.
    fn operation(
        &self,
        recorded: &Recorded,
        (file, operation): &(usize, Node<OperationDefinition>),
    ) -> (OperationReport, Vec<usize>) {
        let document = recorded.document(*file, operation);
        let place = operation.location().and_then(|span| recorded.place(span));
        let mut report = OperationReport {
            name: operation.name.as_ref().map(|name| name.to_string()),
            place: place.unwrap_or_else(|| start_of(*file)),
            verdict: Verdict::InvalidBefore,
            errors: Vec::new(),
        };
        let valid = match validate(recorded, &document, self.old) {
            Ok(valid) => valid,
            Err(errors) => {
                report.errors = errors.into_iter().map(|(_, error)| error).collect();
                return (report, Vec::new());
            }
        };
        let touches = self.touches(&Usage::of(&valid, self.old.schema()));
        let mut errors = Vec::new();
        if let Err(found) = validate(recorded, &document, self.new) {
            for (span, mut error) in found {
                error.changes = self.to_blame(span, &touches);
                errors.push(error);
            }
        }
        let blamed: Vec<usize> = errors.iter().flat_map(|error| error.changes.clone()).collect();
        let altered = self.altered(recorded, &touches);
        errors.extend(altered.filter(|error| error.changes.iter().all(|change| !blamed.contains(change))));
        errors.truncate(ERRORS_MAX);
        report.verdict = if errors.is_empty() {
            Verdict::Unharmed
        } else {
            Verdict::Broken
        };
        report.errors = errors;
        (report, touches.iter().map(|touch| touch.change).collect())
    }

    fn touches(&self, usage: &Usage) -> Vec<Touch> {
        let touches = self.changes.iter().enumerate().map(|(index, change)| {
            let (mut spans, breaks_at) = usage.meets(change);
            spans.extend(&breaks_at);
            Touch {
                change: index,
                spans,
                breaks_at,
            }
        });
        touches.filter(|touch| !touch.spans.is_empty()).collect()
    }

    /// Where the operation stays valid and breaks nevertheless.
    fn altered<'t>(
        &'t self,
        recorded: &'t Recorded,
        touches: &'t [Touch],
    ) -> impl Iterator<Item = OperationError> + 't {
        let breaking = touches.iter().filter(move |touch| self.is_breaking(touch.change));
        breaking.flat_map(move |touch| {
            touch.breaks_at.iter().map(move |span| OperationError {
                message: self.changes[touch.change].message.clone(),
                place: recorded.place(*span),
                changes: vec![touch.change],
            })
        })
    }

    /// The changes that explain a validation error at `span`: those that the operation meets nearest to it, or else every
    /// breaking change that it meets at all.
    fn to_blame(&self, span: Option<SourceSpan>, touches: &[Touch]) -> Vec<usize> {
        let nearest = |touch: &Touch| {
            let distances = touch.spans.iter().filter_map(|met| distance(span?, *met));
            distances.min()
        };
        let near = touches.iter().filter_map(|touch| Some((nearest(touch)?, touch.change)));
        let near: Vec<(Distance, usize)> = near.collect();
        let candidates: Vec<usize> = match near.iter().map(|(distance, _)| *distance).min() {
            Some(least) => {
                let nearest = near.iter().filter(|(distance, _)| *distance == least);
                nearest.map(|(_, change)| *change).collect()
            }
            None => touches.iter().map(|touch| touch.change).collect(),
        };
        let breaking: Vec<usize> = candidates
            .iter()
            .copied()
            .filter(|change| self.is_breaking(*change))
            .collect();
        // What is safe in itself can still make two fields clash that were merged before.
        if breaking.is_empty() && !near.is_empty() {
            candidates
        } else {
            breaking
        }
    }

    fn is_breaking(&self, change: usize) -> bool {
        self.changes[change].severity == Severity::Breaking
    }
}

type LocatedErrors = Vec<(Option<SourceSpan>, OperationError)>;

fn validate(
    recorded: &Recorded,
    document: &ast::Document,
    schema: &ApiSchema,
) -> Result<Valid<ExecutableDocument>, LocatedErrors> {
    // Validating an operation that explodes is itself too much work.
    limits::check(document, &RECORDED).map_err(|errors| {
        let errors = errors.into_iter().map(|error| OperationError {
            message: error.message,
            place: None,
            changes: Vec::new(),
        });
        errors.map(|error| (None, error)).collect::<LocatedErrors>()
    })?;
    document
        .to_executable_validate(schema.schema())
        .map_err(|failed| recorded.errors(&failed.errors))
}

/// How far apart two spans are: first how they lie, then by how many bytes.
type Distance = (u8, usize);

/// How far what an operation meets at `met` is from an error at `error`; `None` when they have nothing in common.
fn distance(error: SourceSpan, met: SourceSpan) -> Option<Distance> {
    if error.file_id() != met.file_id() {
        return None;
    }
    let within = |inner: SourceSpan, outer: SourceSpan| {
        outer.offset() <= inner.offset() && inner.end_offset() <= outer.end_offset()
    };
    if error.offset() == met.offset() {
        Some((0, error.end_offset().abs_diff(met.end_offset())))
    } else if within(error, met) {
        Some((1, met.end_offset() - met.offset()))
    } else if within(met, error) {
        Some((2, met.offset() - error.offset()))
    } else {
        None
    }
}
