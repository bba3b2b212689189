//! Random operations on the suites' schemas: no truth is known for them, but two things must hold whatever they ask.
//!
//! No subgraph is asked for what it does not have. And what one leaf is must not depend on what else is asked: an operation
//! and the same operation with a single leaf left agree on that leaf.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Result, ensure};
use apollo_compiler::schema::ExtendedType;
use e2e::fixture_subgraphs::{FixtureSubgraphs, conformance_dir};
use federation::api_schema::ApiSchema;
use serde_json::{Value, json};

use super::{Router, suites};

const OPERATIONS_PER_SUITE: u64 = 60;

/// Here `country` requires `address { ... on WorkAddress { id } }` and `city` requires `address { id }`. Who asks for both gets
/// a `country` that saw the id of every address: the subgraph's own doing.
const LEAVES_DEPEND: &str = "requires-interface";

const DEPTH_MAX: usize = 5;

/// A small generator of random numbers (xorshift64*), so that a failure comes back on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as u32).unwrap_or(0) % bound
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A selection of a random operation.
#[derive(Debug, Clone)]
enum Selection {
    Field(Field),
    Fragment {
        type_name: String,
        condition: &'static str,
        below: Vec<Selection>,
    },
}

#[derive(Debug, Clone)]
struct Field {
    response_name: String,
    name: String,
    condition: &'static str,
    below: Vec<Selection>,
}

/// Conditions that hold, with `$yes` true and `$no` false, and one that does not.
const CONDITIONS: [&str; 3] = ["@include(if: $yes) ", "@skip(if: $no) ", NEVER];
const NEVER: &str = "@include(if: $no) ";

struct Generator<'a> {
    schema: &'a ApiSchema,
    random: Random,
    /// Aliases are unique in the operation, so that no two fields clash.
    aliases: usize,
}

impl Generator<'_> {
    fn selections(&mut self, type_name: &str, depth: usize) -> Vec<Selection> {
        let definition = self.schema.schema().types.get(type_name);
        let fields = match definition {
            Some(ExtendedType::Object(object)) => Some(&object.fields),
            Some(ExtendedType::Interface(interface)) => Some(&interface.fields),
            _ => None,
        };
        let mut chosen = Vec::new();
        for (name, field) in fields.into_iter().flatten() {
            if field.arguments.iter().any(|argument| argument.is_required()) || !self.random.chance(60) {
                continue;
            }
            let inner = field.ty.inner_named_type();
            let is_leaf = self.schema.schema().types.get(inner).is_none_or(ExtendedType::is_leaf);
            let below = if is_leaf {
                Vec::new()
            } else {
                self.selections_below(inner, depth)
            };
            if is_leaf || !below.is_empty() {
                let (response_name, condition) = (self.alias(), self.condition());
                chosen.push(Field {
                    response_name,
                    name: name.to_string(),
                    condition,
                    below,
                });
            }
        }
        if definition.is_some_and(ExtendedType::is_object) {
            self.swap_names(&mut chosen);
            return chosen.into_iter().map(Selection::Field).collect();
        }
        let typename = "__typename".to_owned();
        chosen.push(Field {
            response_name: typename.clone(),
            name: typename,
            condition: "",
            below: Vec::new(),
        });
        let mut selections: Vec<Selection> = chosen.into_iter().map(Selection::Field).collect();
        for possible_type in self.schema.possible_types(type_name) {
            if self.random.chance(60) {
                let below = self.aliased(&possible_type, depth);
                if !below.is_empty() {
                    let (type_name, condition) = (possible_type.to_string(), self.condition());
                    selections.push(Selection::Fragment {
                        type_name,
                        condition,
                        below,
                    });
                }
            }
        }
        selections
    }

    /// Selections whose response names are found nowhere else: for fragments, which stand beside each other.
    fn aliased(&mut self, type_name: &str, depth: usize) -> Vec<Selection> {
        let mut selections = self.selections(type_name, depth);
        for selection in &mut selections {
            if let Selection::Field(field) = selection {
                field.response_name = self.alias();
            }
        }
        selections
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("a{}", self.aliases)
    }

    fn condition(&mut self) -> &'static str {
        if self.random.chance(85) {
            ""
        } else {
            CONDITIONS[self.random.below(CONDITIONS.len())]
        }
    }

    /// Half of the time, each field goes by the name of another one: `id: name  name: id`.
    fn swap_names(&mut self, fields: &mut [Field]) {
        if self.random.chance(50) {
            let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
            let shift = self.random.below(fields.len() + 1);
            for (index, field) in fields.iter_mut().enumerate() {
                field.response_name.clone_from(&names[(index + shift) % names.len()]);
            }
        }
    }

    fn selections_below(&mut self, type_name: &str, depth: usize) -> Vec<Selection> {
        if depth < DEPTH_MAX && self.random.chance(80) {
            self.selections(type_name, depth + 1)
        } else {
            Vec::new()
        }
    }
}

/// The operation as text.
fn text(selections: &[Selection]) -> String {
    let mut body = String::new();
    write(selections, &mut body);
    let variables = ["yes", "no"]
        .iter()
        .filter(|name| body.contains(&format!("${name}")))
        .map(|name| format!("${name}: Boolean!"));
    let variables: Vec<String> = variables.collect();
    if variables.is_empty() {
        body
    } else {
        format!("query({}) {body}", variables.join(", "))
    }
}

fn write(selections: &[Selection], out: &mut String) {
    out.push_str("{ ");
    for selection in selections {
        let below = match selection {
            Selection::Field(Field {
                response_name,
                name,
                condition,
                below,
            }) => {
                write!(out, "{response_name}: {name} {condition}").expect("strings grow");
                below
            }
            Selection::Fragment {
                type_name,
                condition,
                below,
            } => {
                write!(out, "... on {type_name} {condition}").expect("strings grow");
                below
            }
        };
        if !below.is_empty() {
            write(below, out);
        }
    }
    out.push_str("} ");
}

/// Every operation that has one leaf of `selections` only, and no conditions. Leaves under a condition that does not hold
/// have none.
fn single_leaves(selections: &[Selection]) -> Vec<Vec<Selection>> {
    let mut operations = Vec::new();
    for selection in selections {
        match selection {
            Selection::Field(Field { condition: NEVER, .. }) | Selection::Fragment { condition: NEVER, .. } => {}
            Selection::Field(field) if field.below.is_empty() => {
                operations.push(vec![Selection::Field(Field {
                    condition: "",
                    ..field.clone()
                })]);
            }
            Selection::Field(field) => operations.extend(single_leaves(&field.below).into_iter().map(|below| {
                vec![Selection::Field(Field {
                    condition: "",
                    below,
                    ..field.clone()
                })]
            })),
            Selection::Fragment { type_name, below, .. } => {
                operations.extend(single_leaves(below).into_iter().map(|below| {
                    vec![Selection::Fragment {
                        type_name: type_name.clone(),
                        condition: "",
                        below,
                    }]
                }));
            }
        }
    }
    operations
}

/// What is left of `whole` when only the fields of `part` are looked at.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| is_part(part, whole))),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        (part, whole) => part == whole,
    }
}

/// The data of `query`; `None` when the fixtures have no answer for it, or hold an error.
async fn ask(router: &Router, query: &str) -> Result<Option<Value>> {
    router.subgraphs.reset();
    let answer = router
        .answer(query, json!({ "yes": true, "no": false }).as_object().cloned())
        .await?;
    let violations = router.subgraphs.violations();
    let invalid: Vec<&String> = violations
        .iter()
        .filter(|violation| violation.contains("invalid document"))
        .collect();
    ensure!(invalid.is_empty(), "{invalid:?}");
    let is_refused = answer.get("data").is_none();
    ensure!(!is_refused, "refused: {answer}");
    Ok((violations.is_empty() && answer.get("errors").is_none()).then(|| answer["data"].clone()))
}

async fn check(router: &Router, selections: &[Selection], compared: &mut usize) -> Result<()> {
    let Some(whole) = ask(router, &text(selections)).await? else {
        return Ok(());
    };
    for single in single_leaves(selections) {
        let query = text(&single);
        if let Some(part) = ask(router, &query).await? {
            *compared += 1;
            ensure!(
                is_part(&part, &whole),
                "alone: {query}\n      gives {part}\n      but with others {whole}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn leaves_do_not_depend_on_each_other() -> Result<()> {
    let Some(conformance) = conformance_dir() else {
        return Ok(());
    };
    let (mut compared, mut failures) = (0, String::new());
    for folder in suites(&conformance)?
        .into_iter()
        .filter(|folder| !folder.ends_with(LEAVES_DEPEND))
    {
        let suite = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let router = Router::in_process(
            FixtureSubgraphs::load(&folder)?,
            &std::fs::read_to_string(folder.join("supergraph.graphql"))?,
        )?;
        let schema = Arc::clone(router.supergraph.api_schema());
        for seed in 1..=OPERATIONS_PER_SUITE {
            let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut generator = Generator {
                schema: &schema,
                random,
                aliases: 0,
            };
            let selections = generator.selections("Query", 0);
            if selections.is_empty() {
                continue;
            }
            if let Err(error) = check(&router, &selections, &mut compared).await {
                let query = text(&selections);
                write!(failures, "\n  {suite} {seed}: {query}\n      {error:#}").expect("strings grow");
            }
        }
    }
    eprintln!("{compared} leaves compared");
    ensure!(failures.is_empty(), "{failures}");
    Ok(())
}
