//! A table of how many SQL statements a service takes: a row for each entity, each object below an entity and each list,
//! a column for 1, 10 and 100 of them.
//!
//! A test counts them and compares [`StatementTable::text`] with a recorded file. A number that grows with the number of
//! entities fails at once, and so does a part of the schema that nobody counted.

use super::TestService;
use super::sdl::{Field, Sdl};
use crate::app::Service;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many entities, or how long a list.
const SIZES: [u64; 3] = [1, 10, 100];

/// Most statements for the entities of a request, and most for what hangs on all of them.
const LEVEL_MAX: u64 = 2;

/// Counts the statements of a service for what its schema has.
pub struct StatementTable<'a> {
    service: &'a TestService,
    sdl: Sdl,
    token: String,
    rows: BTreeMap<String, [u64; 3]>,
}

impl<'a> StatementTable<'a> {
    /// An empty table for `S`; `token` is that of somebody who sees everything.
    #[must_use]
    pub fn new<S: Service>(service: &'a TestService, token: String) -> StatementTable<'a> {
        StatementTable {
            service,
            sdl: Sdl::read(&S::sdl()),
            token,
            rows: BTreeMap::new(),
        }
    }

    /// Counts for entities of a type, and then for each object that hangs on them.
    ///
    /// * `representation`: of the entity with this number, below 100; with `__typename`.
    /// * `arguments`: of fields that need some, such as `("estimate", "(to: {countryCode: \"DE\"})")`.
    pub async fn count_entities(&mut self, representation: &dyn Fn(u64) -> Value, arguments: &[(&str, &str)]) {
        let name = representation(0)["__typename"].as_str().expect("a type").to_owned();
        let fields = self.sdl.objects[&name].fields.clone();
        let leaves = self.leaves(&name);
        let counts = self
            .entity_counts(representation, &format!("... on {name} {{ {leaves} }}"))
            .await;
        self.note(name.clone(), counts, LEVEL_MAX);
        for field in fields.iter().filter(|field| !field.is_leaf) {
            let given = arguments.iter().find(|(of, _)| *of == field.name);
            let arguments = given.map_or("", |(_, arguments)| arguments);
            let row = format!("{name}.{}", field.name);
            assert!(!field.needs_arguments || given.is_some(), "`{row}` needs arguments");
            let inside = self.inside(field);
            let selection = format!("... on {name} {{ {}{arguments} {inside} }}", field.name);
            let counts = self.entity_counts(representation, &selection).await;
            self.note(row, counts, 2 * LEVEL_MAX);
        }
    }

    /// Counts for a list of the root, such as `Query.products`, of `$first` entities.
    pub async fn count_list(&mut self, field: &str) {
        let root = self.sdl.objects["Query"].fields.iter().find(|root| root.name == field);
        let inside = self.inside(root.expect("a field of Query"));
        let operation = format!("query($first: Int) {{ {field}(first: $first) {inside} }}");
        let mut counts = [0; 3];
        for (count, size) in counts.iter_mut().zip(SIZES) {
            *count = self.least(&operation, json!({ "first": size })).await;
        }
        // The page and its total, and below them what a node is made of.
        self.note(format!("Query.{field}"), counts, 2 * LEVEL_MAX);
    }

    async fn entity_counts(&self, representation: &dyn Fn(u64) -> Value, selection: &str) -> [u64; 3] {
        let operation = format!("query($r: [_Any!]!) {{ _entities(representations: $r) {{ {selection} }} }}");
        let mut counts = [0; 3];
        for (count, size) in counts.iter_mut().zip(SIZES) {
            let representations: Vec<Value> = (0..size).map(representation).collect();
            *count = self.least(&operation, json!({ "r": representations })).await;
        }
        counts
    }

    /// The smallest of three counts, since work in the background has statements of its own.
    async fn least(&self, operation: &str, variables: Value) -> u64 {
        let mut least = u64::MAX;
        for _ in 0..3 {
            let count = self
                .service
                .statements_of(operation, variables.clone(), Some(&self.token));
            least = least.min(count.await);
        }
        least
    }

    #[track_caller]
    fn note(&mut self, row: String, counts: [u64; 3], max: u64) {
        let same = counts.iter().all(|count| *count == counts[0]);
        assert!(same, "`{row}` takes {counts:?} statements for {SIZES:?}");
        assert!(
            counts[0] <= max,
            "`{row}` takes {} statements, more than {max}",
            counts[0]
        );
        self.rows.insert(row, counts);
    }

    /// All of an object that is not another one; of a connection, all of it, and all of its nodes.
    fn inside(&self, field: &Field) -> String {
        let Some(node) = field.of.strip_suffix("Connection") else {
            return format!("{{ {} }}", self.leaves(&field.of));
        };
        let edge = self.sdl.objects.get(&format!("{node}Edge"));
        assert!(edge.is_some(), "a connection has edges");
        format!(
            "{{ totalCount pageInfo {{ hasNextPage }} nodes {{ {} }} }}",
            self.leaves(node)
        )
    }

    /// Nothing but `__typename` of a union or an interface.
    fn leaves(&self, object: &str) -> String {
        let fields = self
            .sdl
            .objects
            .get(object)
            .into_iter()
            .flat_map(|object| &object.fields);
        let leaves = fields.filter(|field| field.is_leaf && !field.needs_arguments);
        leaves.fold("__typename".to_owned(), |text, field| text + " " + &field.name)
    }

    /// The table, for people to read.
    ///
    /// # Panics
    /// When the schema has an entity, an object of one or a connection at the root that was not counted.
    #[must_use]
    pub fn text(&self) -> String {
        let objects = |fields: &'_ [Field]| {
            fields
                .iter()
                .filter(|field| !field.is_leaf)
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut expected: Vec<String> = Vec::new();
        for (name, entity) in self.sdl.entities() {
            expected.push(name.clone());
            expected.extend(
                objects(&entity.fields)
                    .iter()
                    .map(|field| format!("{name}.{}", field.name)),
            );
        }
        let lists = objects(&self.sdl.objects["Query"].fields);
        let lists = lists.iter().filter(|field| field.of.ends_with("Connection"));
        expected.extend(lists.map(|field| format!("Query.{}", field.name)));
        expected.retain(|row| !self.rows.contains_key(row));
        assert!(expected.is_empty(), "nobody counted {expected:?}");
        let width = self.rows.keys().map(String::len).max().unwrap_or_default();
        let [one, ten, hundred] = SIZES;
        let mut text = format!("{:width$}  {one:>3}  {ten:>3}  {hundred:>3}\n", "");
        for (row, [one, ten, hundred]) in &self.rows {
            let _ = writeln!(text, "{row:width$}  {one:>3}  {ten:>3}  {hundred:>3}");
        }
        text
    }
}
