//! A table of who may do what in a service: a row for each root field, each key of an entity and each field of an
//! entity, a column for each viewer.
//!
//! A test tries them one after the other and compares [`AccessTable::text`] with a recorded file, which is read in review.
//! What the schema has and nobody tried fails the test, so that a new field cannot go without a decision.

use super::TestService;
use super::sdl::{ObjectType, Sdl};
use crate::app::Service;
use crate::auth::Role;
use axum::body::Body;
use futures::StreamExt as _;
use http::{Request, header};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;
use tower::ServiceExt as _;

/// Who tries. What is tried is the owner's.
pub const VIEWERS: [&str; 5] = ["nobody", "another customer", "the owner", "support", "admin"];

/// Longest time in which a subscription says its first word.
const FIRST_EVENT: Duration = Duration::from_secs(30);

/// Tries fields as each of [`VIEWERS`] and notes what became of it.
pub struct AccessTable<'a> {
    service: &'a TestService,
    sdl: Sdl,
    tokens: [Option<String>; 5],
    rows: BTreeMap<String, Vec<String>>,
}

/// What an operation asks for and what it is asked with, for the viewer of this number in [`VIEWERS`]: one that changes
/// something names another thing for each, so that nobody finds it changed.
pub type Variables<'a> = &'a dyn Fn(usize) -> Value;

impl<'a> AccessTable<'a> {
    /// An empty table for `S`, with tokens of the users of these numbers ([`crate::id::seeded`]) in the order of [`VIEWERS`].
    #[must_use]
    pub fn new<S: Service>(service: &'a TestService, [other, owner, support, admin]: [u64; 4]) -> AccessTable<'a> {
        let token = |user, role| Some(service.keys.user(&crate::id::seeded("usr", user), &[role]));
        let tokens = [
            None,
            token(other, Role::Customer),
            token(owner, Role::Customer),
            token(support, Role::Support),
            token(admin, Role::Admin),
        ];
        AccessTable::with_tokens::<S>(service, tokens)
    }

    /// An empty table for `S`, with the tokens of [`VIEWERS`].
    #[must_use]
    pub fn with_tokens<S: Service>(service: &'a TestService, tokens: [Option<String>; 5]) -> AccessTable<'a> {
        AccessTable {
            service,
            sdl: Sdl::read(&S::sdl()),
            tokens,
            rows: BTreeMap::new(),
        }
    }

    /// Tries a query or mutation of one root field. `row` is its coordinate, such as `Query.order`; words in brackets behind
    /// it make a row of its own.
    pub async fn try_field(&mut self, row: &str, operation: &str, variables: Variables<'_>) {
        let mut cells = Vec::new();
        for (number, token) in self.tokens.iter().enumerate() {
            let answer = self.service.query(operation, variables(number), token.as_deref()).await;
            let value = answer["data"].as_object().and_then(|data| data.values().next());
            cells.push(cell(&answer, value));
        }
        self.note(row.to_owned(), cells);
    }

    /// Tries a subscription: what its first event says.
    pub async fn try_subscription(&mut self, row: &str, operation: &str, variables: Value) {
        let mut cells = Vec::new();
        for token in &self.tokens {
            let answer = self.first_event(operation, &variables, token.as_deref()).await;
            let value = answer["data"].as_object().and_then(|data| data.values().next());
            cells.push(cell(&answer, value));
        }
        self.note(row.to_owned(), cells);
    }

    /// Tries an entity by a `representation`, and each of its fields that this service resolves.
    ///
    /// * `representation`: with `__typename`, the fields of one key, and all that its fields require.
    /// * `arguments`: of fields that need some, such as `("estimate", "(to: {countryCode: \"DE\"})")`.
    pub async fn try_entity(&mut self, representation: &Value, arguments: &[(&str, &str)]) {
        let name = representation["__typename"].as_str().expect("a type").to_owned();
        let entity = &self.sdl.objects[&name];
        let is_given = |key: &&String| key.split(' ').all(|field| representation.get(field).is_some());
        let key = entity.keys.iter().find(is_given).expect("the fields of a key").clone();
        let fields = entity.fields.clone();
        let selection = format!("... on {name} {{ __typename }}");
        let cells = self.entity_cells(representation, &selection, None).await;
        self.note(format!("{name} by {key}"), cells);
        for field in fields {
            let row = format!("{name}.{}", field.name);
            let given = arguments.iter().find(|(of, _)| *of == field.name);
            let arguments = given.map_or("", |(_, arguments)| arguments);
            assert!(!field.needs_arguments || given.is_some(), "`{row}` needs arguments");
            let inside = if field.is_leaf { "" } else { "{ __typename }" };
            let selection = format!("... on {name} {{ field: {}{arguments} {inside} }}", field.name);
            let cells = self.entity_cells(representation, &selection, Some("field")).await;
            self.note(row, cells);
        }
    }

    /// Several entities make one row: who sees a value of any of them sees the field.
    fn note(&mut self, row: String, cells: Vec<String>) {
        let Some(before) = self.rows.get_mut(&row) else {
            self.rows.insert(row, cells);
            return;
        };
        for (before, cell) in before.iter_mut().zip(cells) {
            if before == "null" || before == "none" {
                *before = cell;
            }
        }
    }

    async fn entity_cells(&self, representation: &Value, selection: &str, field: Option<&str>) -> Vec<String> {
        let mut cells = Vec::new();
        for token in &self.tokens {
            let representations = json!([representation]);
            let answer = self.service.entities(representations, selection, token.as_deref());
            let answer = answer.await;
            let entity = &answer["data"]["_entities"][0];
            cells.push(cell(&answer, Some(field.map_or(entity, |field| &entity[field]))));
        }
        cells
    }

    async fn first_event(&self, operation: &str, variables: &Value, token: Option<&str>) -> Value {
        let mut request = Request::post("/graphql")
            .header(header::ACCEPT, "text/event-stream")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = Body::from(json!({ "query": operation, "variables": variables }).to_string());
        let request = request.body(body).expect("a request");
        let Ok(response) = self.service.app.public.clone().oneshot(request).await;
        let mut events = response.into_body().into_data_stream();
        let event = tokio::time::timeout(FIRST_EVENT, events.next()).await;
        let event = event.expect("an event in time").expect("an event").expect("bytes");
        let text = String::from_utf8_lossy(&event);
        let data = text.lines().find_map(|line| line.strip_prefix("data:"));
        serde_json::from_str(data.unwrap_or(&text)).expect("JSON in the event")
    }

    /// The table, for people to read.
    ///
    /// # Panics
    /// When the schema has a root field, a key or a field of an entity that was not tried.
    #[must_use]
    pub fn text(&self) -> String {
        let tried: BTreeSet<&str> = self
            .rows
            .keys()
            .map(|row| row.split(" (").next().unwrap_or(row))
            .collect();
        let untried: Vec<String> = rows_of(&self.sdl).filter(|row| !tried.contains(row.as_str())).collect();
        assert!(untried.is_empty(), "nobody tried {untried:?}");
        let header = VIEWERS.map(str::to_owned);
        let rows =
            std::iter::once(("", &header[..])).chain(self.rows.iter().map(|(row, cells)| (row.as_str(), &cells[..])));
        let rows: Vec<(&str, &[String])> = rows.collect();
        let width = rows.iter().map(|(row, _)| row.len()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..VIEWERS.len())
            .map(|column| {
                rows.iter()
                    .map(|(_, cells)| cells[column].len())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let mut text = String::new();
        for (row, cells) in rows {
            let mut line = format!("{row:width$}");
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(line, "  {cell:width$}");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// `ok`, `none` of an empty list, `null`, or the code of the error: of a top-level one or of a `userErrors` entry.
fn cell(answer: &Value, value: Option<&Value>) -> String {
    let code = |error: &Value| {
        let code = error["extensions"]["code"].as_str().or(error["code"].as_str());
        let code = code.unwrap_or_else(|| panic!("no code in {answer:#}")).to_owned();
        assert!(!code.starts_with("GRAPHQL_"), "a mistake of the test: {answer:#}");
        code
    };
    if let Some(error) = answer["errors"].get(0) {
        return code(error);
    }
    match value {
        None | Some(Value::Null) => "null".to_owned(),
        Some(value) if value["totalCount"] == 0 || value.as_array().is_some_and(Vec::is_empty) => "none".to_owned(),
        Some(value) => value["userErrors"].get(0).map_or_else(|| "ok".to_owned(), code),
    }
}

/// What there is to try.
fn rows_of(sdl: &Sdl) -> impl Iterator<Item = String> {
    sdl.objects.iter().flat_map(|(name, object)| {
        let ObjectType { keys, fields } = object;
        let is_root = matches!(name.as_str(), "Query" | "Mutation" | "Subscription");
        let everything = is_root || !keys.is_empty();
        let fields = fields.iter().filter(move |field| everything || field.needs_scopes);
        let fields = fields.map(move |field| format!("{name}.{}", field.name));
        keys.iter().map(move |key| format!("{name} by {key}")).chain(fields)
    })
}
