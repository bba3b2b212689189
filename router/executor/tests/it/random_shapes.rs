//! Completion against the reference on random selections, as no schema would have them, and random answers to them.

use std::sync::Arc;

use apollo_compiler::Name;
use federation::query_plan::{
    BooleanCondition, FieldType, LeafType, OperationKind, QueryPlan, ResponseField, ResponseShape, ResponseSource,
};
use serde_json::{Map, Value, json};

use crate::harness::{Canned, name, operation, root, run_with};
use crate::random::Random;
use crate::reference::Reference;

const TYPES: &[&str] = &["A", "B", "C"];
const VARIABLES: &[&str] = &["x", "y"];

/// A field as a schema would have it: what selections of it have in common.
struct Field {
    storage_name: Name,
    field_type: FieldType,
    below: Vec<Field>,
}

fn fields(random: &mut Random, depth: usize) -> Vec<Field> {
    let count = 1 + random.below(5);
    let field = |number| {
        let is_composite = depth > 0 && random.once_in(2);
        let inner = if is_composite { composite(random) } else { leaf(random) };
        Field {
            storage_name: name(&format!("f{number}")),
            field_type: wrapped(random, inner),
            below: if is_composite {
                fields(random, depth - 1)
            } else {
                Vec::new()
            },
        }
    };
    (0..count).map(field).collect()
}

fn composite(random: &mut Random) -> FieldType {
    let mut types: Vec<Name> = random.part(TYPES).into_iter().map(|text| name(text)).collect();
    if types.is_empty() {
        types.push(name("A"));
    }
    // One type alone is that type itself, or all that clients may know of an abstract one.
    let own_name = types.first().filter(|_| types.len() == 1 && random.once_in(2)).cloned();
    FieldType::Composite {
        name: own_name.unwrap_or_else(|| name("N")),
        possible_types: types.into(),
    }
}

fn leaf(random: &mut Random) -> FieldType {
    FieldType::Leaf(match random.below(7) {
        0 => LeafType::Int,
        1 => LeafType::Float,
        2 => LeafType::String,
        3 => LeafType::Boolean,
        4 => LeafType::Id,
        5 => LeafType::CustomScalar(name("JSON")),
        _ => LeafType::Enum {
            name: name("E"),
            values: [name("X"), name("Y")].into(),
        },
    })
}

/// `T`, `T!`, `[T]`, `[[T!]!]` and so on.
fn wrapped(random: &mut Random, inner: FieldType) -> FieldType {
    let mut wrapped = inner;
    for _ in 0..random.below(3) {
        if random.once_in(3) {
            wrapped = FieldType::NonNull(Arc::new(wrapped));
        }
        wrapped = FieldType::List(Arc::new(wrapped));
    }
    match random.once_in(3) {
        true => FieldType::NonNull(Arc::new(wrapped)),
        false => wrapped,
    }
}

/// Selections of `fields`: some twice, under aliases, for some types, under conditions.
fn shape(random: &mut Random, fields: &[Field]) -> ResponseShape {
    let mut selected = Vec::new();
    for _ in 0..1 + random.below(2 * fields.len()) {
        let field = random.pick(fields);
        // One response name stands for one field, as validation sees to.
        let alias = if random.once_in(3) { "a_" } else { "" };
        let types = random.once_in(3).then(|| random.part(TYPES));
        selected.push(ResponseField {
            response_name: name(&format!("{alias}{}", field.storage_name)),
            source: ResponseSource::Stored(field.storage_name.clone()),
            runtime_types: types.map(|types| types.into_iter().map(|text| name(text)).collect()),
            conditions: conditions(random),
            field_type: field.field_type.clone(),
            selection: Arc::new(if field.below.is_empty() {
                ResponseShape::default()
            } else {
                shape(random, &field.below)
            }),
        });
    }
    if random.once_in(3) {
        selected.push(ResponseField {
            response_name: name("kind"),
            source: ResponseSource::Typename,
            runtime_types: None,
            conditions: Vec::new(),
            field_type: FieldType::NonNull(Arc::new(FieldType::Leaf(LeafType::String))),
            selection: Arc::default(),
        });
    }
    ResponseShape {
        fields: selected,
        ..ResponseShape::default()
    }
}

fn conditions(random: &mut Random) -> Vec<BooleanCondition> {
    let count = if random.once_in(3) { 1 + random.below(2) } else { 0 };
    let condition = |_| BooleanCondition {
        variable: name(random.pick::<&str>(VARIABLES)),
        value: random.once_in(2),
    };
    (0..count).map(condition).collect()
}

fn object(random: &mut Random, fields: &[Field]) -> Map<String, Value> {
    let mut object = Map::new();
    for field in fields {
        if !random.once_in(12) {
            let value = value(random, &field.field_type, &field.below);
            object.insert(field.storage_name.to_string(), value);
        }
    }
    if random.once_in(4) {
        object.insert("unasked".to_owned(), any_json(random, 2));
    }
    object
}

/// What `expected` allows, most of the time.
fn value(random: &mut Random, expected: &FieldType, below: &[Field]) -> Value {
    if random.once_in(14) {
        return Value::Null;
    }
    if random.once_in(30) {
        return any_json(random, 2);
    }
    match expected {
        FieldType::NonNull(inner) => value(random, inner, below),
        FieldType::List(item_type) => {
            let length = random.below(4);
            (0..length).map(|_| value(random, item_type, below)).collect()
        }
        FieldType::Leaf(leaf_type) => leaf_value(random, leaf_type),
        FieldType::Composite { possible_types, .. } => {
            let mut object = object(random, below);
            let typename = match random.below(12) {
                0 => None,
                1 => Some("Hidden"),
                _ => Some(random.pick(possible_types).as_str()),
            };
            object.extend(typename.map(|typename| ("__typename".to_owned(), json!(typename))));
            Value::Object(object)
        }
    }
}

fn leaf_value(random: &mut Random, leaf_type: &LeafType) -> Value {
    match leaf_type {
        LeafType::Int => {
            let edges = [
                0,
                7,
                -1,
                2_147_483_647,
                -2_147_483_648,
                2_147_483_648_i64,
                -2_147_483_649,
            ];
            let number = *random.pick(&edges);
            if random.once_in(4) {
                json!(number as f64)
            } else {
                json!(number)
            }
        }
        LeafType::Float => random
            .pick(&[json!(1.5), json!(-0.0), json!(1e300), json!(7), json!(u64::MAX)])
            .clone(),
        LeafType::String => text(random),
        LeafType::Boolean => json!(random.once_in(2)),
        LeafType::Id => random
            .pick(&[json!("i"), json!(7), json!(u64::MAX), json!(-1), json!(1.5), json!("")])
            .clone(),
        LeafType::CustomScalar(_) => any_json(random, 3),
        LeafType::Enum { .. } => random
            .pick(&[json!("X"), json!("Y"), json!("SECRET"), json!("x")])
            .clone(),
    }
}

fn text(random: &mut Random) -> Value {
    let length = random.below(6);
    let characters = ['a', 'é', '"', '\\', '\n', '\u{0}', '/', '\u{1F600}', '\u{2028}', ' '];
    let text: String = (0..length).map(|_| *random.pick(&characters)).collect();
    Value::String(text)
}

fn any_json(random: &mut Random, depth: usize) -> Value {
    let kinds = if depth == 0 { 5 } else { 7 };
    match random.below(kinds) {
        0 => Value::Null,
        1 => json!(random.once_in(2)),
        2 => json!(1.25),
        3 => text(random),
        4 => json!("X"),
        5 => (0..random.below(3)).map(|_| any_json(random, depth - 1)).collect(),
        _ => {
            let fields = (0..random.below(3)).map(|number| {
                let key = if random.once_in(3) {
                    "\"é\\".to_owned()
                } else {
                    format!("f{number}")
                };
                (key, any_json(random, depth - 1))
            });
            Value::Object(fields.collect())
        }
    }
}

#[test]
fn random_selections_are_completed_as_the_reference_does() {
    let operation = operation("type Query { a: Int }", "{ a }");
    let mut errors_in_all = 0;
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let fields = fields(&mut random, 3);
        let plan = QueryPlan {
            operation_kind: OperationKind::Query,
            root: Some(root(0, "shop", "{a}")),
            introspection: None,
            response: shape(&mut random, &fields),
        };
        let data = Value::Object(object(&mut random, &fields));
        let body = random.print(&json!({ "data": data }));
        // With its keys in the order of the text, which free-form JSON keeps.
        let answer: Value = serde_json::from_str(&body).unwrap();
        let data = answer["data"].as_object().unwrap();
        let variables = VARIABLES
            .iter()
            .map(|name| ((*name).to_owned(), json!(random.once_in(2))));
        let mut reference = Reference {
            variables: variables.collect(),
            ..Reference::default()
        };
        let expected = reference
            .object(data, &[&plan.response], Some("Query"))
            .unwrap_or(Value::Null);

        let canned = [("shop", Canned::Text(body.clone()))];
        let run = run_with(&operation, &plan, &canned, reference.variables.clone());
        let answer: Value = serde_json::from_slice(&run.response.to_bytes()).unwrap();
        // As text: the order of keys counts.
        assert_eq!(answer["data"].to_string(), expected.to_string(), "seed {seed}: {body}");
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let paths: Vec<Value> = errors.iter().map(|error| error["path"].clone()).collect();
        assert_eq!(paths, reference.error_paths, "seed {seed}: {body}");
        errors_in_all += errors.len();
    }
    assert!(errors_in_all > 300, "too few faults to tell anything: {errors_in_all}");
}

/// A character of a good answer is changed: what serde_json takes for JSON is taken, and nothing else is.
#[test]
fn json_is_told_from_what_is_none() {
    let operation = operation("type Query { a: Int }", "{ a }");
    let fragments = [
        "{", "}", "[", "]", "\"", ",", ":", "\\", "u", "0", "e", "-", ".", "\u{1}", "é", "true", " ", " ", "a", "b",
        "c", "1",
    ];
    let mut refused = 0;
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let body = json!({ "data": { "a": any_json(&mut random, 3), "b": leaf_value(&mut random, &LeafType::Float) } });
        let body = random.print(&body);
        let mut characters: Vec<String> = body.chars().map(String::from).collect();
        let at = random.below(characters.len());
        characters[at] = (*random.pick(&fragments)).to_owned();
        let body = characters.concat();

        let plan = QueryPlan {
            operation_kind: OperationKind::Query,
            root: Some(root(0, "shop", "{a}")),
            introspection: None,
            response: ResponseShape {
                fields: vec![ResponseField {
                    response_name: name("a"),
                    source: ResponseSource::Stored(name("a")),
                    runtime_types: None,
                    conditions: Vec::new(),
                    field_type: FieldType::Leaf(LeafType::CustomScalar(name("JSON"))),
                    selection: Arc::default(),
                }],
                ..ResponseShape::default()
            },
        };
        let run = run_with(&operation, &plan, &[("shop", Canned::Text(body.clone()))], Map::new());
        let answer: Value = serde_json::from_slice(&run.response.to_bytes()).unwrap();
        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&body).is_ok();
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert_eq!(
            message.contains("it is not JSON"),
            !is_json,
            "seed {seed}: {body}: {message}"
        );
        refused += usize::from(!is_json);
        // A number may be greater than serde_json's.
        if let (Ok(whole), true) = (serde_json::from_str::<Value>(&body), message.is_empty()) {
            assert_eq!(answer["data"]["a"], whole["data"]["a"], "seed {seed}: {body}");
        }
    }
    assert!((500..1_700).contains(&refused), "a good part of each kind: {refused}");
}
