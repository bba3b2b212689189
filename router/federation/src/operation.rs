//! From the text of a client to one validated operation, in two steps that cannot be swapped:
//! `text -> Document -> Operation`.
//!
//! [`parse`] needs no schema and applies the limits; [`validate`] applies the API schema and picks the operation.
//! Does not coerce variables, and does not plan.

use std::sync::Arc;

use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Name, Node, ast, executable, introspection};
use rustc_hash::FxHashSet;

use crate::api_schema::ApiSchema;
use crate::error::{ErrorCode, Location, REQUEST_ERRORS_MAX, RequestError};
use crate::limits::{self, Limits};
use crate::query_plan::OperationKind;

/// How deeply brackets may nest: room for `Limits::depth_max` fields, each in an inline fragment, and no more, because
/// the parser recurses once per level and runs on threads with stacks of 2 MiB.
const PARSER_RECURSION_MAX: usize = 256;

/// A document that is GraphQL and within the limits, but of no schema yet.
#[derive(Debug, Clone)]
pub struct Document {
    ast: ast::Document,
    tokens: usize,
}

impl Document {
    /// Its syntax tree.
    pub fn ast(&self) -> &ast::Document {
        &self.ast
    }

    /// How many tokens its text has, spaces and commas included: its syntax tree has no more nodes.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The document without the fragments that no operation uses. Clients may not send such (GraphQL spec, "Fragments Must Be
    /// Used"); people who ask for the plan of one operation of a larger file may.
    pub fn without_unused_fragments(mut self) -> Self {
        let mut used = FxHashSet::default();
        for operation in self
            .ast
            .definitions
            .iter()
            .filter_map(ast::Definition::as_operation_definition)
        {
            collect_spreads(&self.ast, &operation.selection_set, &mut used);
        }
        let used: FxHashSet<Name> = used.into_iter().cloned().collect();
        self.ast.definitions.retain(|definition| {
            definition
                .as_fragment_definition()
                .is_none_or(|fragment| used.contains(&fragment.name))
        });
        self
    }
}

/// One operation that is valid in the API schema, with the fragments it uses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operation {
    schema: Arc<ApiSchema>,
    document: Arc<Valid<ExecutableDocument>>,
    definition: Node<executable::Operation>,
}

impl Operation {
    /// The document that the operation stands in: for its fragments.
    pub fn document(&self) -> &Valid<ExecutableDocument> {
        &self.document
    }

    /// The operation itself.
    pub fn definition(&self) -> &executable::Operation {
        &self.definition
    }

    /// Its name, when it has one.
    pub fn name(&self) -> Option<&str> {
        self.definition.name.as_deref()
    }

    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationKind {
        match self.definition.operation_type {
            executable::OperationType::Query => OperationKind::Query,
            executable::OperationType::Mutation => OperationKind::Mutation,
            executable::OperationType::Subscription => OperationKind::Subscription,
        }
    }

    /// The schema it is valid in.
    pub fn schema(&self) -> &Arc<ApiSchema> {
        &self.schema
    }

    /// Whether it selects `__schema` or `__type` at the root, fragments included.
    pub fn selects_introspection(&self) -> bool {
        let mut root_fields = self.definition.root_fields(&self.document);
        root_fields.any(|field| matches!(field.name.as_str(), "__schema" | "__type"))
    }
}

/// Reads a document of operations and fragments.
///
/// Never overflows the stack, and takes time linear in `text`, whatever it holds.
///
/// # Errors
/// `GRAPHQL_PARSE_FAILED` for what is not GraphQL or has too many bytes or tokens, else the code of the limit that is exceeded.
pub fn parse(text: &str, limits: &Limits) -> Result<Document, Vec<RequestError>> {
    if text.len() > limits.document_bytes_max {
        let message = format!("the document is longer than {} bytes", limits.document_bytes_max);
        return Err(vec![RequestError::new(ErrorCode::GraphqlParseFailed, message)]);
    }
    let mut parser = ast::Document::parser()
        .recursion_limit(PARSER_RECURSION_MAX)
        .token_limit(limits.tokens_max);
    match parser.parse_ast(text, "operation.graphql") {
        Ok(ast) => {
            limits::check(&ast, limits)?;
            let tokens = parser.tokens_reached();
            Ok(Document { ast, tokens })
        }
        Err(_) if parser.recursion_reached() > PARSER_RECURSION_MAX => {
            let message = format!("the document nests brackets more deeply than {PARSER_RECURSION_MAX} levels");
            Err(vec![RequestError::new(ErrorCode::MaxDepthLimit, message)])
        }
        Err(_) if parser.tokens_reached() > limits.tokens_max => {
            let message = format!("the document has more than {} tokens", limits.tokens_max);
            Err(vec![RequestError::new(ErrorCode::GraphqlParseFailed, message)])
        }
        Err(failed) => Err(request_errors(&failed.errors, ErrorCode::GraphqlParseFailed)),
    }
}

/// Validates `document` and picks the operation called `operation_name`, or the only one.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED`, with up to 32 of the reasons; `OPERATION_RESOLUTION_FAILURE`.
///
/// Source: GraphQL spec, "Validation" and "GetOperation".
pub fn validate(
    document: &Document,
    schema: &Arc<ApiSchema>,
    operation_name: Option<&str>,
) -> Result<Operation, Vec<RequestError>> {
    let document = document
        .ast
        .to_executable_validate(schema.schema())
        .map_err(|failed| request_errors(&failed.errors, ErrorCode::GraphqlValidationFailed))?;
    let definition = document
        .operations
        .get(operation_name)
        .map_err(|_| vec![unresolved(&document, operation_name)])?;
    introspection::check_max_depth(&document, definition).map_err(|error| {
        let location = Location::of(error.location(), &document.sources);
        vec![RequestError::new(ErrorCode::MaxDepthLimit, error.message().to_string()).at(location)]
    })?;
    let definition = definition.clone();
    Ok(Operation {
        schema: Arc::clone(schema),
        document: Arc::new(document),
        definition,
    })
}

/// Response names of the root fields of the first operation in `text`, in order. Empty for what does not parse.
pub fn root_response_names(text: &str) -> Vec<String> {
    let Ok(document) = ast::Document::parse(text, "operation.graphql") else {
        return Vec::new();
    };
    let mut operations = document
        .definitions
        .iter()
        .filter_map(|definition| definition.as_operation_definition());
    let mut names = Vec::new();
    if let Some(operation) = operations.next() {
        collect_response_names(&document, &operation.selection_set, &mut names);
    }
    names
}

fn collect_response_names(document: &ast::Document, selections: &[ast::Selection], names: &mut Vec<String>) {
    for selection in selections {
        match selection {
            ast::Selection::Field(field) => names.push(field.alias.as_ref().unwrap_or(&field.name).to_string()),
            ast::Selection::InlineFragment(inline) => collect_response_names(document, &inline.selection_set, names),
            ast::Selection::FragmentSpread(spread) => {
                let mut fragments = document
                    .definitions
                    .iter()
                    .filter_map(|definition| definition.as_fragment_definition());
                if let Some(fragment) = fragments.find(|fragment| fragment.name == spread.fragment_name) {
                    collect_response_names(document, &fragment.selection_set, names);
                }
            }
        }
    }
}

/// Names of the fragments that `selections` spread, and of those that these spread.
fn collect_spreads<'a>(document: &'a ast::Document, selections: &'a [ast::Selection], used: &mut FxHashSet<&'a Name>) {
    for selection in selections {
        match selection {
            ast::Selection::Field(field) => collect_spreads(document, &field.selection_set, used),
            ast::Selection::InlineFragment(inline) => collect_spreads(document, &inline.selection_set, used),
            ast::Selection::FragmentSpread(spread) => {
                let fragment = document.definitions.iter().find_map(|definition| {
                    definition
                        .as_fragment_definition()
                        .filter(|fragment| fragment.name == spread.fragment_name)
                });
                if let Some(fragment) = fragment
                    && used.insert(&fragment.name)
                {
                    collect_spreads(document, &fragment.selection_set, used);
                }
            }
        }
    }
}

fn unresolved(document: &ExecutableDocument, operation_name: Option<&str>) -> RequestError {
    let message = match operation_name {
        Some(name) => format!("the document has no operation named `{name}`"),
        None if document.operations.is_empty() => "the document has no operation".to_owned(),
        None => "the document has several operations; `operationName` must say which to run".to_owned(),
    };
    RequestError::new(ErrorCode::OperationResolutionFailure, message)
}

/// The parser may say the same of one place twice; clients read it once.
fn request_errors(diagnostics: &DiagnosticList, code: ErrorCode) -> Vec<RequestError> {
    let errors = diagnostics.iter().take(REQUEST_ERRORS_MAX).map(|diagnostic| {
        let location = diagnostic.line_column_range().map(|range| range.start);
        let location = location.map(|start| Location {
            line: start.line,
            column: start.column,
        });
        RequestError::new(code, diagnostic.error.to_string()).at(location)
    });
    let mut errors: Vec<RequestError> = errors.collect();
    errors.dedup();
    errors
}
