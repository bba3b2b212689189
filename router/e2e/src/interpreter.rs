//! GraphQL executed as the specification words it (section 6, "Execution"), over any source of data: slow and obvious.
//!
//! Subgraphs of tests answer with it, and a whole graph that nobody dealt to subgraphs does. Knows nothing of federation
//! but `_entities` and `_service`; what an object is and what its fields are worth, a [`Data`] says.

use anyhow::{Result, anyhow};
use apollo_compiler::ast::{Type, Value as AstValue};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, InputValueDefinition};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node, Schema, ast};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// What every subgraph has besides its SDL (Federation subgraph spec, "Subgraph schema additions").
const ADDITIONS: &str = "
    scalar _Any
    type _Service { sdl: String! }
";

/// Message of the error for a null where the type promises a value.
pub const NULL_OF_NON_NULL: &str = "null for a non-null type";

/// What a resolver gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved<O> {
    /// Nothing, which is not an error by itself.
    Null,
    /// A scalar or an enum value.
    Leaf(Value),
    /// An object.
    Object(O),
    /// A list.
    List(Vec<Resolved<O>>),
    /// A field error with this message.
    Failed(String),
}

impl<O> Resolved<O> {
    /// The same with every object turned into something else.
    pub fn map<P>(self, turn: &mut impl FnMut(O) -> P) -> Resolved<P> {
        match self {
            Self::Null => Resolved::Null,
            Self::Leaf(leaf) => Resolved::Leaf(leaf),
            Self::Object(object) => Resolved::Object(turn(object)),
            Self::List(items) => Resolved::List(items.into_iter().map(|item| item.map(turn)).collect()),
            Self::Failed(message) => Resolved::Failed(message),
        }
    }
}

/// The resolvers of a server.
pub trait Data {
    /// An object, by whatever its fields are found with.
    type Object;

    /// The object that root fields are fields of.
    fn root(&mut self, root_type: &str) -> Self::Object;

    /// Name of the object's type, as this server tells it.
    fn typename<'o>(&'o self, object: &'o Self::Object) -> &'o str;

    /// The value of a field.
    ///
    /// * `arguments`: coerced, defaults filled in; arguments without a value are absent.
    fn field(&mut self, object: &Self::Object, name: &str, arguments: &Map<String, Value>) -> Resolved<Self::Object>;

    /// The entity that is meant by a representation.
    fn entity(&mut self, representation: &Value) -> Resolved<Self::Object>;
}

/// Parses the SDL of a subgraph and completes it by what federation adds.
///
/// # Errors
/// When it is not GraphQL. Directives of federation need not be defined.
pub fn subgraph_schema(sdl: &str) -> Result<Valid<Schema>> {
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
    let extend = if own.types.contains_key(query) { "extend " } else { "" };
    let additions = match entities.is_empty() {
        true => format!("{ADDITIONS} {extend}type {query} {{ _service: _Service! }}"),
        false => format!(
            "{ADDITIONS} union _Entity = {}
            {extend}type {query} {{ _service: _Service!  _entities(representations: [_Any!]!): [_Entity]! }}",
            entities.join(" | ")
        ),
    };
    let mut schema = build(format!("{sdl}\n{additions}"))?;
    let definition = schema.schema_definition.make_mut();
    definition
        .query
        .get_or_insert_with(|| Name::new_unchecked(query).into());
    // Not validated: directives of federation are used and not defined.
    Ok(Valid::assume_valid(schema))
}

/// Runs the only operation of `document` and gives the response: `data`, and `errors` when there are any.
///
/// * `variables`: as a client gives them.
///
/// # Errors
/// When the document is not valid in `schema`.
pub fn execute<D: Data>(
    schema: &Valid<Schema>,
    document: &str,
    variables: &Map<String, Value>,
    data: &mut D,
) -> Result<Value> {
    run((schema, document, variables), data, true)
}

/// As [`execute`], but a null stays where it is, whatever the types say: all that there is below fields that fail.
///
/// # Errors
/// As [`execute`].
pub fn execute_without_propagation<D: Data>(
    schema: &Valid<Schema>,
    document: &str,
    variables: &Map<String, Value>,
    data: &mut D,
) -> Result<Value> {
    run((schema, document, variables), data, false)
}

fn run<D: Data>(
    (schema, document, variables): (&Valid<Schema>, &str, &Map<String, Value>),
    data: &mut D,
    propagates: bool,
) -> Result<Value> {
    let document = ExecutableDocument::parse_and_validate(schema, document, "operation.graphql")
        .map_err(|failed| anyhow!("invalid document: {}", failed.errors))?;
    let operation = document
        .operations
        .get(None)
        .map_err(|error| anyhow!("{}", error.message()))?;
    let mut interpreter = Interpreter {
        schema,
        document: &document,
        variables: with_defaults(operation, variables),
        data,
        path: Vec::new(),
        errors: Vec::new(),
        propagates,
    };
    let root_type = operation.object_type().as_str();
    let root = interpreter.data.root(root_type);
    let data = interpreter.object(&root, &[&operation.selection_set]);
    let data = data.map_or(Value::Null, Value::Object);
    Ok(match interpreter.errors.is_empty() {
        true => json!({ "data": data }),
        false => json!({ "data": data, "errors": interpreter.errors }),
    })
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

struct Interpreter<'a, D> {
    schema: &'a Valid<Schema>,
    document: &'a Valid<ExecutableDocument>,
    variables: Map<String, Value>,
    data: &'a mut D,
    path: Vec<Value>,
    errors: Vec<Value>,
    /// Whether a null where it must not be makes the parent null.
    propagates: bool,
}

impl<'a, D: Data> Interpreter<'a, D> {
    /// Resolves every field, also beside one that makes the object null: all errors that there may be are wanted.
    fn object(
        &mut self,
        object: &D::Object,
        selection_sets: &[&'a SelectionSet],
    ) -> Result<Map<String, Value>, Propagate> {
        let typename = self.data.typename(object).to_owned();
        let mut completed: Result<Map<String, Value>, Propagate> = Ok(Map::new());
        for (response_name, fields) in self.collect_fields(selection_sets, &typename) {
            self.path.push(json!(response_name));
            let value = self.field(object, &typename, &fields);
            self.path.pop();
            completed = completed.and_then(|mut object| {
                object.insert(response_name.to_string(), value?);
                Ok(object)
            });
        }
        completed
    }

    fn field(&mut self, object: &D::Object, typename: &str, fields: &[&'a Field]) -> Result<Value, Propagate> {
        let field = fields[0];
        match field.name.as_str() {
            "__typename" => return Ok(json!(typename)),
            "_entities" => return Ok(self.entities(fields)),
            _ => {}
        }
        // By the definition of the runtime type, which may promise more than the interface that was selected on.
        let definition = self.schema.type_field(typename, &field.name);
        let field_type = definition.map_or_else(|_| field.ty().clone(), |definition| definition.ty.clone());
        let arguments = self.arguments(field);
        let resolved = self.data.field(object, &field.name, &arguments);
        self.value(resolved, &field_type, fields)
    }

    fn entities(&mut self, fields: &[&'a Field]) -> Value {
        let mut arguments = self.arguments(fields[0]);
        let Some(Value::Array(representations)) = arguments.remove("representations") else {
            return Value::Array(Vec::new());
        };
        let mut entities = Vec::new();
        let entity_type = Type::Named(Name::new_unchecked("_Entity"));
        for (index, representation) in representations.iter().enumerate() {
            self.path.push(json!(index));
            let entity = self.data.entity(representation);
            entities.push(self.value(entity, &entity_type, fields).unwrap_or(Value::Null));
            self.path.pop();
        }
        Value::Array(entities)
    }

    /// Source: "CompleteValue".
    fn value(
        &mut self,
        resolved: Resolved<D::Object>,
        expected: &Type,
        fields: &[&'a Field],
    ) -> Result<Value, Propagate> {
        let completed = match resolved {
            Resolved::Failed(message) => {
                self.error(&message);
                Value::Null
            }
            Resolved::Null => {
                if expected.is_non_null() {
                    self.error(NULL_OF_NON_NULL);
                }
                Value::Null
            }
            Resolved::Leaf(leaf) => leaf,
            Resolved::List(items) => {
                let item_type = expected.item_type();
                let mut completed: Result<Vec<Value>, Propagate> = Ok(Vec::new());
                for (index, item) in items.into_iter().enumerate() {
                    self.path.push(json!(index));
                    let item = self.value(item, item_type, fields);
                    self.path.pop();
                    completed = completed.and_then(|mut items| {
                        items.push(item?);
                        Ok(items)
                    });
                }
                completed.map_or(Value::Null, Value::Array)
            }
            Resolved::Object(object) => {
                let selection_sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
                self.object(&object, &selection_sets).map_or(Value::Null, Value::Object)
            }
        };
        if self.propagates && completed.is_null() && expected.is_non_null() {
            Err(Propagate)
        } else {
            Ok(completed)
        }
    }

    /// Source: "CollectFields".
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

    /// Source: "Input Coercion" of each type.
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
            (Value::Number(number), Type::Named(name) | Type::NonNullNamed(name)) if name == "Float" => {
                json!(number.as_f64())
            }
            (value, _) => value,
        }
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
