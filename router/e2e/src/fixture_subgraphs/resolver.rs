//! A small GraphQL executor over fixture data: what the conformance README says, and the slow and obvious way.

use anyhow::{Result, anyhow};
use apollo_compiler::ast::{Type, Value as AstValue};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, InputValueDefinition};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node, Schema, ast};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::fixtures::{Lookup, find_field};

/// What every subgraph has besides its SDL (Federation subgraph spec, "Subgraph schema additions").
const ADDITIONS: &str = "
    scalar _Any
    type _Service { sdl: String! }
";

/// A subgraph's schema, completed by what federation adds.
#[derive(Debug)]
pub(super) struct SubgraphSchema(Valid<Schema>);

/// An answer, and what was wrong with the question.
pub(super) struct Answer {
    pub(super) response: Value,
    pub(super) violations: Vec<String>,
}

impl SubgraphSchema {
    pub(super) fn parse(sdl: &str) -> Result<Self> {
        let build = |sdl: String| {
            let builder = Schema::builder()
                .adopt_orphan_extensions()
                .parse(sdl, "subgraph.graphql");
            builder.build().map_err(|failed| anyhow!("{}", failed.errors))
        };
        let own = build(sdl.to_owned())?;
        let is_key = |name: &Name| matches!(name.as_str(), "key" | "federation__key");
        let entities = own.types.iter().filter(|(_, definition)| {
            definition.is_object() && definition.directives().iter().any(|directive| is_key(&directive.name))
        });
        let entities: Vec<&str> = entities.map(|(name, _)| name.as_str()).collect();
        let query = own
            .schema_definition
            .query
            .as_ref()
            .map_or("Query", |name| name.as_str());
        let additions = match entities.is_empty() {
            true => format!("{ADDITIONS} extend type {query} {{ _service: _Service! }}"),
            false => format!(
                "{ADDITIONS} union _Entity = {}
                extend type {query} {{ _service: _Service!  _entities(representations: [_Any!]!): [_Entity]! }}",
                entities.join(" | ")
            ),
        };
        let mut schema = build(format!("{sdl}\n{additions}"))?;
        let definition = schema.schema_definition.make_mut();
        definition
            .query
            .get_or_insert_with(|| Name::new_unchecked(query).into());
        // Not validated: directives of federation are used and not defined.
        Ok(Self(Valid::assume_valid(schema)))
    }

    /// Runs one request.
    ///
    /// # Errors
    /// When the document is not valid in this subgraph.
    pub(super) fn execute(
        &self,
        query: &str,
        variables: &Map<String, Value>,
        lookup: Lookup<'_>,
        sdl: &str,
    ) -> Result<Answer> {
        let document = ExecutableDocument::parse_and_validate(&self.0, query, "fetch.graphql")
            .map_err(|failed| anyhow!("invalid document: {}", failed.errors))?;
        let operation = document
            .operations
            .get(None)
            .map_err(|error| anyhow!("{}", error.message()))?;
        let mut resolver = Resolver {
            schema: &self.0,
            document: &document,
            variables: with_defaults(operation, variables),
            lookup,
            sdl,
            path: Vec::new(),
            errors: Vec::new(),
            violations: Vec::new(),
        };
        let data = resolver.root(operation).map_or(Value::Null, Value::Object);
        let Resolver { errors, violations, .. } = resolver;
        let response = match errors.is_empty() {
            true => json!({ "data": data }),
            false => json!({ "data": data, "errors": errors }),
        };
        Ok(Answer { response, violations })
    }
}

fn with_defaults(operation: &Operation, given: &Map<String, Value>) -> Map<String, Value> {
    let mut variables = given.clone();
    for definition in &operation.variables {
        if let Some(default) = &definition.default_value {
            let default = || literal(default, &Map::new()).unwrap_or_default();
            variables.entry(definition.name.as_str()).or_insert_with(default);
        }
    }
    variables
}

/// A null where it must not be; the parent becomes null.
struct Propagate;

struct Resolver<'a> {
    schema: &'a Valid<Schema>,
    document: &'a Valid<ExecutableDocument>,
    variables: Map<String, Value>,
    lookup: Lookup<'a>,
    sdl: &'a str,
    path: Vec<Value>,
    errors: Vec<Value>,
    violations: Vec<String>,
}

impl<'a> Resolver<'a> {
    fn root(&mut self, operation: &'a Operation) -> Result<Map<String, Value>, Propagate> {
        let root_type = operation.object_type().as_str();
        let mut data = Map::new();
        for (response_name, fields) in self.collect_fields(&[&operation.selection_set], root_type) {
            let field = fields[0];
            self.path.push(json!(response_name));
            let value = match field.name.as_str() {
                "__typename" => Ok(json!(root_type)),
                "_service" => self.value(
                    Some(&json!({ "__typename": "_Service", "sdl": self.sdl })),
                    field.ty(),
                    &fields,
                ),
                "_entities" => self.entities(&fields),
                name => {
                    let arguments = self.arguments(field);
                    let value = self.lookup.root(root_type, name, &arguments);
                    let value = value.map_err(|violation| self.violation(violation)).ok();
                    self.value(value, field.ty(), &fields)
                }
            };
            self.path.pop();
            data.insert(response_name.to_string(), value?);
        }
        Ok(data)
    }

    fn entities(&mut self, fields: &[&'a Field]) -> Result<Value, Propagate> {
        let arguments = self.arguments(fields[0]);
        let representations = arguments
            .get("representations")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut entities = Vec::new();
        for (index, representation) in representations.iter().enumerate() {
            self.path.push(json!(index));
            let entity = self.lookup.entity(representation).unwrap_or_else(|violation| {
                self.violation(violation);
                None
            });
            let entity = entity.map(|entity| self.object(entity, fields)).transpose();
            entities.push(entity.ok().flatten().map_or(Value::Null, Value::Object));
            self.path.pop();
        }
        Ok(Value::Array(entities))
    }

    fn object(&mut self, tree: &Map<String, Value>, fields: &[&'a Field]) -> Result<Map<String, Value>, Propagate> {
        let typename = tree.get("__typename").and_then(Value::as_str).unwrap_or_default();
        let selection_sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
        let mut object = Map::new();
        for (response_name, fields) in self.collect_fields(&selection_sets, typename) {
            let field = fields[0];
            self.path.push(json!(response_name));
            let value = match field.name.as_str() {
                "__typename" => Ok(json!(typename)),
                name => {
                    let arguments = self.arguments(field);
                    let value = find_field(tree, name, &arguments).map(|(_, value)| value);
                    if value.is_none() {
                        self.violation(format!(
                            "no fixture for {typename}.{name} with {}",
                            Value::Object(arguments)
                        ));
                    }
                    self.value(value, field.ty(), &fields)
                }
            };
            self.path.pop();
            object.insert(response_name.to_string(), value?);
        }
        Ok(object)
    }

    /// * `value`: `None` when the error is told already.
    fn value(&mut self, value: Option<&Value>, expected: &Type, fields: &[&'a Field]) -> Result<Value, Propagate> {
        let failed = value.and_then(|value| value.get("__error"));
        if let Some(message) = failed {
            self.error(message.as_str().unwrap_or_default());
        }
        let completed = match (value.filter(|_| failed.is_none()), expected) {
            (None, _) => Value::Null,
            (Some(Value::Null), expected) => {
                if expected.is_non_null() {
                    self.error("null for a non-null type");
                }
                Value::Null
            }
            (Some(Value::Array(items)), Type::List(item_type) | Type::NonNullList(item_type)) => {
                let mut completed: Result<Vec<Value>, Propagate> = Ok(Vec::new());
                for (index, item) in items.iter().enumerate() {
                    self.path.push(json!(index));
                    let item = self.value(Some(item), item_type, fields);
                    self.path.pop();
                    completed = completed.and_then(|mut items| {
                        items.push(item?);
                        Ok(items)
                    });
                }
                completed.map_or(Value::Null, Value::Array)
            }
            (Some(Value::Object(tree)), _) if !fields[0].selection_set.is_empty() => {
                self.object(tree, fields).map_or(Value::Null, Value::Object)
            }
            (Some(leaf), _) => leaf.clone(),
        };
        if completed.is_null() && expected.is_non_null() {
            Err(Propagate)
        } else {
            Ok(completed)
        }
    }

    fn collect_fields(
        &self,
        selection_sets: &[&'a SelectionSet],
        typename: &str,
    ) -> IndexMap<&'a Name, Vec<&'a Field>> {
        let mut fields = IndexMap::new();
        for selection_set in selection_sets {
            self.collect_into(&mut fields, selection_set, typename);
        }
        fields
    }

    fn collect_into(
        &self,
        fields: &mut IndexMap<&'a Name, Vec<&'a Field>>,
        selection_set: &'a SelectionSet,
        typename: &str,
    ) {
        for selection in selection_set
            .selections
            .iter()
            .filter(|selection| self.is_included(selection.directives()))
        {
            let (condition, below) = match selection {
                Selection::Field(field) => {
                    fields.entry(field.response_key()).or_default().push(field);
                    continue;
                }
                Selection::InlineFragment(inline) => (inline.type_condition.as_ref(), &inline.selection_set),
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = spread.fragment_def(self.document) else {
                        continue;
                    };
                    (Some(fragment.type_condition()), &fragment.selection_set)
                }
            };
            let applies = condition.is_none_or(|name| name == typename || self.schema.is_subtype(name, typename));
            if applies {
                self.collect_into(fields, below, typename);
            }
        }
    }

    fn is_included(&self, directives: &ast::DirectiveList) -> bool {
        let condition = |name: &str| {
            let argument = directives.get(name)?.specified_argument_by_name("if")?;
            literal(argument, &self.variables)?.as_bool()
        };
        condition("skip") != Some(true) && condition("include") != Some(false)
    }

    /// Arguments that have a value, defaults filled in.
    fn arguments(&self, field: &Field) -> Map<String, Value> {
        self.inputs(&field.definition.arguments, |name| {
            let argument = field.arguments.iter().find(|argument| argument.name == *name);
            argument.and_then(|argument| literal(&argument.value, &self.variables))
        })
    }

    fn inputs(
        &self,
        definitions: &[Node<InputValueDefinition>],
        given: impl Fn(&str) -> Option<Value>,
    ) -> Map<String, Value> {
        let values = definitions.iter().filter_map(|definition| {
            let default = || {
                definition
                    .default_value
                    .as_ref()
                    .and_then(|default| literal(default, &self.variables))
            };
            let value = given(&definition.name).or_else(default)?;
            Some((definition.name.to_string(), self.input(value, &definition.ty)))
        });
        values.collect()
    }

    fn input(&self, value: Value, expected: &Type) -> Value {
        match (value, expected) {
            (Value::Null, _) => Value::Null,
            (Value::Array(items), Type::List(item_type) | Type::NonNullList(item_type)) => {
                items.into_iter().map(|item| self.input(item, item_type)).collect()
            }
            (value, Type::List(item_type) | Type::NonNullList(item_type)) => json!([self.input(value, item_type)]),
            (Value::Object(fields), Type::Named(name) | Type::NonNullNamed(name)) => {
                match self.schema.types.get(name) {
                    Some(ExtendedType::InputObject(input)) => {
                        let definitions: Vec<_> = input.fields.values().map(|field| field.node.clone()).collect();
                        Value::Object(self.inputs(&definitions, |name| fields.get(name).cloned()))
                    }
                    _ => Value::Object(fields),
                }
            }
            (Value::Number(number), Type::Named(name) | Type::NonNullNamed(name)) if name == "ID" => {
                json!(number.to_string())
            }
            (value, _) => value,
        }
    }

    fn violation(&mut self, violation: String) {
        self.error(&violation);
        self.violations.push(violation);
    }

    fn error(&mut self, message: &str) {
        self.errors.push(json!({ "message": message, "path": self.path }));
    }
}

/// A literal as JSON; `None` for a variable without a value.
fn literal(value: &AstValue, variables: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        AstValue::Null => Value::Null,
        AstValue::Variable(name) => return variables.get(name.as_str()).cloned(),
        AstValue::Enum(name) => json!(name.as_str()),
        AstValue::String(text) => json!(text),
        AstValue::Boolean(value) => json!(value),
        AstValue::Int(number) => serde_json::from_str(number.as_str()).ok()?,
        AstValue::Float(number) => serde_json::from_str(number.as_str()).ok()?,
        AstValue::List(items) => items
            .iter()
            .map(|item| literal(item, variables).unwrap_or_default())
            .collect::<Vec<_>>()
            .into(),
        AstValue::Object(fields) => {
            let fields = fields
                .iter()
                .filter_map(|(name, value)| Some((name.to_string(), literal(value, variables)?)));
            Value::Object(fields.collect())
        }
    })
}
