//! Completion, slow and obvious, with which the executor is compared on random answers: right ones with faults sprinkled
//! in. `random_shapes` and `random_stages` compare with it as well, on random selections and on plans of several stages.

use federation::query_plan::{FieldType, LeafType, ResponseField, ResponseShape, ResponseSource};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::harness::{Canned, operation, plan, root, run};

const SCHEMA: &str = "
    type Query { a: A  as: [A!]  must: A!  any: Any }
    type A implements N { id: ID!  n: String  i: Int!  f: Float  b: Boolean  e: E  j: JSON  a: A!  as: [[A]!]  any: [Any!]! }
    type B implements N { id: ID!  b: Int  a: A }
    interface N { id: ID! }
    union Any = A | B
    enum E { X Y }
    scalar JSON
";

const QUERIES: &[&str] = &[
    "{ a { id n i f b e j } as { i } }",
    "{ a { a { a { id i } n } as { i n as { i } } } must { n } }",
    "{ any { __typename ... on A { id i any { ... on B { b } ... on N { id } } } ... on B { x: b a { i } } } }",
    "{ as { any { __typename ... on N { id } } ... on N { same: id } } x: as { n } }",
    "{ must { a { i } a { n a { f } } } __typename }",
];

/// Completes plain values as the specification says.
#[derive(Default)]
pub(crate) struct Reference {
    pub(crate) variables: Map<String, Value>,
    pub(crate) path: Vec<Value>,
    pub(crate) error_paths: Vec<Value>,
}

/// A null where it must not be.
pub(crate) struct Propagate;

impl Reference {
    pub(crate) fn object(
        &mut self,
        object: &Map<String, Value>,
        shapes: &[&ResponseShape],
        runtime_type: Option<&str>,
    ) -> Result<Value, Propagate> {
        let selected = |field: &&ResponseField| {
            let is_of_type = field
                .runtime_types
                .as_ref()
                .is_none_or(|types| types.iter().any(|name| Some(name.as_str()) == runtime_type));
            let mut conditions = field.conditions.iter();
            let holds = conditions.all(|condition| self.variables[condition.variable.as_str()] == condition.value);
            is_of_type && holds
        };
        let fields: Vec<&ResponseField> = shapes.iter().flat_map(|shape| &shape.fields).filter(selected).collect();
        let mut answer = Map::new();
        for field in &fields {
            if answer.contains_key(field.response_name.as_str()) {
                continue;
            }
            let group: Vec<_> = fields
                .iter()
                .filter(|other| other.response_name == field.response_name)
                .collect();
            let below: Vec<&ResponseShape> = group.iter().map(|field| &*field.selection).collect();
            self.path.push(json!(field.response_name.as_str()));
            let value = match &field.source {
                ResponseSource::Typename => match runtime_type {
                    Some(name) => Ok(json!(name)),
                    None => Err(self.error()),
                },
                ResponseSource::Stored(name) => self.value(
                    object.get(name.as_str()).unwrap_or(&Value::Null),
                    &field.field_type,
                    &below,
                ),
            };
            self.path.pop();
            answer.insert(field.response_name.to_string(), value?);
        }
        Ok(Value::Object(answer))
    }

    fn value(&mut self, value: &Value, expected: &FieldType, below: &[&ResponseShape]) -> Result<Value, Propagate> {
        match (value, expected) {
            (value, FieldType::NonNull(inner)) => {
                let errors = self.error_paths.len();
                let completed = self.value(value, inner, below)?;
                match completed {
                    Value::Null if self.error_paths.len() == errors => Err(self.error()),
                    Value::Null => Err(Propagate),
                    completed => Ok(completed),
                }
            }
            (Value::Null, _) => Ok(Value::Null),
            (value, FieldType::Leaf(leaf_type)) => Ok(self.leaf(value, leaf_type)),
            (Value::Array(items), FieldType::List(item_type)) => {
                let mut completed = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    self.path.push(json!(index));
                    let item = self.value(item, item_type, below);
                    self.path.pop();
                    match item {
                        Ok(item) => completed.push(item),
                        Err(Propagate) => return Ok(Value::Null),
                    }
                }
                Ok(Value::Array(completed))
            }
            (Value::Object(object), FieldType::Composite { name, possible_types }) => {
                let stored = object.get("__typename").and_then(Value::as_str);
                let runtime_type = match &**possible_types {
                    [only] if only == name => Some(only.as_str()),
                    [only] => stored.or(Some(only.as_str())),
                    _ => stored,
                };
                if let Some(name) = runtime_type
                    && !possible_types.iter().any(|known| known == name)
                {
                    self.error();
                    return Ok(Value::Null);
                }
                Ok(self.object(object, below, runtime_type).unwrap_or(Value::Null))
            }
            _ => {
                self.error();
                Ok(Value::Null)
            }
        }
    }

    fn leaf(&mut self, value: &Value, leaf_type: &LeafType) -> Value {
        let whole = |value: &Value| value.as_f64().filter(|number| number.fract() == 0.0);
        match leaf_type {
            LeafType::CustomScalar(_) => return value.clone(),
            LeafType::Int => {
                let in_range = |number: &f64| (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(number);
                if let Some(number) = whole(value).filter(in_range) {
                    return json!(number as i64);
                }
            }
            LeafType::Float if value.is_number() => return value.clone(),
            LeafType::String if value.is_string() => return value.clone(),
            LeafType::Boolean if value.is_boolean() => return value.clone(),
            LeafType::Id if value.is_string() => return value.clone(),
            LeafType::Id if value.is_i64() || value.is_u64() => return json!(value.to_string()),
            LeafType::Enum { values, .. } if values.iter().any(|known| value == known.as_str()) => {
                return value.clone();
            }
            _ => {}
        }
        self.error();
        Value::Null
    }

    fn error(&mut self) -> Propagate {
        self.error_paths.push(Value::Array(self.path.clone()));
        Propagate
    }
}

fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!(2_147_483_648_i64)),
        Just(json!(1.5)),
        "[a-zé\"\\\\\n\u{1F600}]{0,5}".prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 12, 3, |inner| {
        let fields = vec(("[a-c\"\\\\]{1,2}", inner.clone()), 0..3);
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::from),
            fields.prop_map(|fields| fields.into_iter().collect())
        ]
    });
    nested.boxed()
}

/// Values that `expected` allows, most of the time.
fn stored(expected: &FieldType, below: &ResponseShape) -> BoxedStrategy<Value> {
    let right = match expected {
        FieldType::NonNull(inner) => stored(inner, below),
        FieldType::List(item_type) => vec(stored(item_type, below), 0..3).prop_map(Value::from).boxed(),
        FieldType::Leaf(leaf_type) => match leaf_type {
            LeafType::Int => any::<i16>().prop_map(Value::from).boxed(),
            LeafType::Float => any::<i16>().prop_map(|number| json!(f64::from(number) / 8.0)).boxed(),
            LeafType::String | LeafType::Id => "[a-z\"\\\\]{0,4}".prop_map(Value::from).boxed(),
            LeafType::Boolean => any::<bool>().prop_map(Value::from).boxed(),
            LeafType::CustomScalar(_) => any_json(),
            LeafType::Enum { .. } => prop_oneof![Just(json!("X")), Just(json!("Z"))].boxed(),
        },
        FieldType::Composite { possible_types, .. } => {
            let mut typenames: Vec<String> = possible_types.iter().map(ToString::to_string).collect();
            typenames.push("Hidden".to_owned());
            (stored_fields(below), proptest::sample::select(typenames), 0..8_u8)
                .prop_map(|(mut fields, typename, absent)| {
                    if absent > 0 {
                        fields.insert("__typename".to_owned(), json!(typename));
                    }
                    Value::Object(fields)
                })
                .boxed()
        }
    };
    prop_oneof![20 => right, 1 => Just(Value::Null), 1 => any_json()].boxed()
}

fn stored_fields(shape: &ResponseShape) -> BoxedStrategy<Map<String, Value>> {
    let fields = shape.fields.iter().filter_map(|field| match &field.source {
        ResponseSource::Stored(name) => Some((Just(name.to_string()), stored(&field.field_type, &field.selection))),
        ResponseSource::Typename => None,
    });
    fields
        .collect::<Vec<_>>()
        .prop_map(|fields| fields.into_iter().collect())
        .boxed()
}

#[test]
fn completion_agrees_with_the_reference() {
    // A fixed seed: the same answers on every machine.
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: 150,
            failure_persistence: None,
            ..Config::default()
        },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    for query in QUERIES {
        let operation = operation(SCHEMA, query);
        let plan = plan(&operation, root(0, "shop", "{all}"));
        let tested = runner.run(&stored_fields(&plan.response), |data| {
            let body = json!({ "data": data }).to_string();
            let run = run(&operation, &plan, &[("shop", Canned::Text(body))]);
            let answer: Value = serde_json::from_slice(&run.response.to_bytes()).unwrap();
            let mut reference = Reference::default();
            let expected = reference
                .object(&data, &[&plan.response], Some("Query"))
                .unwrap_or(Value::Null);
            prop_assert_eq!(&answer["data"], &expected);
            // The order of keys, too.
            prop_assert_eq!(answer["data"].to_string(), expected.to_string());
            let errors = answer["errors"].as_array().cloned().unwrap_or_default();
            let paths: Vec<Value> = errors.iter().map(|error| error["path"].clone()).collect();
            prop_assert_eq!(paths, reference.error_paths);
            Ok(())
        });
        tested.unwrap_or_else(|failure| panic!("{query}: {failure}"));
    }
}
