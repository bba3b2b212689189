//! Answers `__schema` and `__type` from the API schema (GraphQL spec, "Introspection").
//!
//! The answer is written as JSON in one walk, and given up when it grows too long: a short document can ask for every type of
//! every field of every type, under a thousand names. Does not decide whether clients may introspect; `server` does.

use std::borrow::Cow;

use apollo_compiler::ast::{Definition, DirectiveList, Document, Field, Selection, Type, Value as Literal};
use apollo_compiler::schema::{
    Component, Directive, DirectiveDefinition, EnumValueDefinition, ExtendedType, FieldDefinition, InputValueDefinition,
};
use apollo_compiler::{Name, Node};
use serde_json::{Map, Value};

use crate::api_schema::ApiSchema;

/// Longest answer in bytes. 32 MiB: what GraphiQL asks of a graph of 10,000 types has less, and one operation may fetch twice as
/// much from subgraphs.
pub const INTROSPECTION_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Why an introspection document could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    /// The document does not fit the schema. The planner wrote it, so this is a fault of the router.
    #[error("the introspection document is not valid: {0}")]
    InvalidDocument(String),
    /// The client asks for too much at once.
    #[error(
        "the answer to `__schema` and `__type` would be longer than {bytes_max} bytes: select fewer fields of types, under \
        fewer aliases, or one type after the other by `__type`"
    )]
    TooLong {
        /// [`INTROSPECTION_BYTES_MAX`].
        bytes_max: usize,
    },
}

/// Runs `document`, and gives its `data` as JSON.
///
/// * `document`: an operation of `__schema` and `__type` fields that is valid, has each response name once in an object, and
///   no fragments and directives; as planners write it.
/// * `variables`: those of the client's operation, coerced; the ones that `document` does not use are passed over.
///
/// # Errors
/// [`IntrospectionError::InvalidDocument`], when `document` does not come from a plan for `schema`;
/// [`IntrospectionError::TooLong`] as soon as it is known.
pub fn introspect(
    schema: &ApiSchema,
    document: &str,
    variables: &Map<String, Value>,
) -> Result<Vec<u8>, IntrospectionError> {
    let document = Document::parse(document, "introspection.graphql")
        .map_err(|failed| IntrospectionError::InvalidDocument(failed.errors.to_string()))?;
    let mut definitions = document.definitions.iter();
    let operation = definitions
        .find_map(Definition::as_operation_definition)
        .ok_or_else(|| IntrospectionError::InvalidDocument("it has no operation".to_owned()))?;
    let mut introspection = Introspection {
        schema,
        variables,
        out: Vec::new(),
    };
    introspection.object(Element::Query, &operation.selection_set)?;
    Ok(introspection.out)
}

struct Introspection<'a> {
    schema: &'a ApiSchema,
    variables: &'a Map<String, Value>,
    out: Vec<u8>,
}

/// What an object of an introspection type stands for.
#[derive(Clone, Copy)]
enum Element<'a> {
    /// The root, of which only `__schema` and `__type` can be asked here.
    Query,
    Schema,
    Type(&'a ExtendedType),
    /// A list of these.
    List(&'a Type),
    /// A named type that is not null.
    NonNull(&'a Name),
    /// A list of these that is not null.
    NonNullList(&'a Type),
    Field(&'a FieldDefinition),
    InputValue(&'a InputValueDefinition),
    EnumValue(&'a EnumValueDefinition),
    Directive(&'a DirectiveDefinition),
}

/// The value of a field.
enum Resolved<'a> {
    Null,
    Bool(bool),
    Text(Cow<'a, str>),
    Object(Element<'a>),
    List(Vec<Resolved<'a>>),
}

impl<'a> Resolved<'a> {
    fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    fn nullable_text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    fn objects(elements: impl Iterator<Item = Element<'a>>) -> Self {
        Self::List(elements.map(Self::Object).collect())
    }
}

impl<'a> Introspection<'a> {
    fn object(&mut self, element: Element<'a>, selections: &[Selection]) -> Result<(), IntrospectionError> {
        self.out.push(b'{');
        for (index, selection) in selections.iter().enumerate() {
            let Selection::Field(field) = selection else {
                return Err(IntrospectionError::InvalidDocument("it has fragments".to_owned()));
            };
            if index > 0 {
                self.out.push(b',');
            }
            self.out.push(b'"');
            self.out.extend_from_slice(field.response_name().as_bytes());
            self.out.extend_from_slice(b"\":");
            let resolved = self.resolve(element, field).ok_or_else(|| {
                IntrospectionError::InvalidDocument(format!("`{}` has no field `{}`", element.typename(), field.name))
            })?;
            self.value(resolved, &field.selection_set)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn value(&mut self, value: Resolved<'a>, selections: &[Selection]) -> Result<(), IntrospectionError> {
        match value {
            Resolved::Null => self.out.extend_from_slice(b"null"),
            Resolved::Bool(true) => self.out.extend_from_slice(b"true"),
            Resolved::Bool(false) => self.out.extend_from_slice(b"false"),
            Resolved::Text(text) => {
                serde_json::to_writer(&mut self.out, &text).expect("a text is JSON, and memory takes what is written");
            }
            Resolved::Object(element) => self.object(element, selections)?,
            Resolved::List(items) => {
                self.out.push(b'[');
                for (index, item) in items.into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.value(item, selections)?;
                }
                self.out.push(b']');
            }
        }
        if self.out.len() > INTROSPECTION_BYTES_MAX {
            let bytes_max = INTROSPECTION_BYTES_MAX;
            return Err(IntrospectionError::TooLong { bytes_max });
        }
        Ok(())
    }

    /// `None`: there is no such field.
    fn resolve(&self, element: Element<'a>, field: &Field) -> Option<Resolved<'a>> {
        if field.name == "__typename" {
            return Some(Resolved::text(element.typename()));
        }
        match element {
            Element::Query => self.of_query(field),
            Element::Schema => self.of_schema(field),
            Element::Type(definition) => self.of_type(definition, field),
            Element::List(inner) => of_wrapper(field, "LIST", self.type_of(inner)),
            Element::NonNull(name) => of_wrapper(field, "NON_NULL", self.named(name)),
            Element::NonNullList(inner) => of_wrapper(field, "NON_NULL", Resolved::Object(Element::List(inner))),
            Element::Field(definition) => match field.name.as_str() {
                "name" => Some(Resolved::text(&definition.name)),
                "description" => Some(Resolved::nullable_text(definition.description.as_deref())),
                "args" => Some(self.input_values(definition.arguments.iter(), field)),
                "type" => Some(self.type_of(&definition.ty)),
                _ => self.of_deprecated(definition.directives.get("deprecated"), field),
            },
            Element::InputValue(definition) => match field.name.as_str() {
                "name" => Some(Resolved::text(&definition.name)),
                "description" => Some(Resolved::nullable_text(definition.description.as_deref())),
                "type" => Some(self.type_of(&definition.ty)),
                "defaultValue" => {
                    let default = definition.default_value.as_ref();
                    let default = default.map(|value| value.serialize().no_indent().to_string());
                    Some(default.map_or(Resolved::Null, |text| Resolved::Text(Cow::Owned(text))))
                }
                _ => self.of_deprecated(definition.directives.get("deprecated"), field),
            },
            Element::EnumValue(definition) => match field.name.as_str() {
                "name" => Some(Resolved::text(&definition.value)),
                "description" => Some(Resolved::nullable_text(definition.description.as_deref())),
                _ => self.of_deprecated(definition.directives.get("deprecated"), field),
            },
            Element::Directive(definition) => match field.name.as_str() {
                "name" => Some(Resolved::text(&definition.name)),
                "description" => Some(Resolved::nullable_text(definition.description.as_deref())),
                "isRepeatable" => Some(Resolved::Bool(definition.repeatable)),
                "args" => Some(self.input_values(definition.arguments.iter(), field)),
                "locations" => {
                    let locations = definition.locations.iter();
                    let locations = locations.map(|location| Resolved::text(location.name()));
                    Some(Resolved::List(locations.collect()))
                }
                _ => None,
            },
        }
    }

    fn of_query(&self, field: &Field) -> Option<Resolved<'a>> {
        match field.name.as_str() {
            "__schema" => Some(Resolved::Object(Element::Schema)),
            "__type" => {
                let name = self.argument(field, "name");
                Some(name.as_str().map_or(Resolved::Null, |name| self.named(name)))
            }
            _ => None,
        }
    }

    fn of_schema(&self, field: &Field) -> Option<Resolved<'a>> {
        let schema = self.schema.schema();
        let definition = &schema.schema_definition;
        let root_type = |name: Option<&'a str>| name.map_or(Resolved::Null, |name| self.named(name));
        Some(match field.name.as_str() {
            "description" => Resolved::nullable_text(definition.description.as_deref()),
            "types" => Resolved::objects(schema.types.values().map(Element::Type)),
            "queryType" => root_type(definition.query.as_ref().map(|name| name.as_str())),
            "mutationType" => root_type(definition.mutation.as_ref().map(|name| name.as_str())),
            "subscriptionType" => root_type(definition.subscription.as_ref().map(|name| name.as_str())),
            "directives" => {
                let directives = schema.directive_definitions.values();
                Resolved::objects(directives.map(|definition| Element::Directive(definition)))
            }
            _ => return None,
        })
    }

    fn of_type(&self, definition: &'a ExtendedType, field: &Field) -> Option<Resolved<'a>> {
        Some(match (field.name.as_str(), definition) {
            ("kind", _) => Resolved::text(kind(definition)),
            ("name", _) => Resolved::text(definition.name()),
            ("description", _) => Resolved::nullable_text(definition.description().map(|text| &**text)),
            ("fields", ExtendedType::Object(object)) => self.fields(object.fields.values(), field),
            ("fields", ExtendedType::Interface(interface)) => self.fields(interface.fields.values(), field),
            ("interfaces", ExtendedType::Object(object)) => self.types(object.implements_interfaces.iter()),
            ("interfaces", ExtendedType::Interface(interface)) => self.types(interface.implements_interfaces.iter()),
            ("possibleTypes", ExtendedType::Union(union)) => self.types(union.members.iter()),
            ("possibleTypes", ExtendedType::Interface(interface)) => {
                let implementers = self.schema.implementers().get(&interface.name);
                self.types(implementers.into_iter().flat_map(|implementers| &implementers.objects))
            }
            ("enumValues", ExtendedType::Enum(definition)) => {
                let is_shown = self.is_shown(field);
                let values = definition.values.values();
                let values = values.filter(|value| is_shown(&value.directives));
                Resolved::objects(values.map(|value| Element::EnumValue(value)))
            }
            ("inputFields", ExtendedType::InputObject(input)) => {
                self.input_values(input.fields.values().map(|field| &field.node), field)
            }
            ("specifiedByURL", ExtendedType::Scalar(scalar)) => {
                let directive = scalar.directives.get("specifiedBy");
                let url = directive.and_then(|directive| directive.specified_argument_by_name("url"));
                Resolved::nullable_text(url.and_then(|url| url.as_str()))
            }
            (name, _) if is_field_of_types(name) => Resolved::Null,
            _ => return None,
        })
    }

    fn of_deprecated(&self, deprecated: Option<&'a Node<Directive>>, field: &Field) -> Option<Resolved<'a>> {
        match field.name.as_str() {
            "isDeprecated" => Some(Resolved::Bool(deprecated.is_some())),
            "deprecationReason" => {
                let reason = |directive: &'a Node<Directive>| {
                    let reason = directive.argument_by_name("reason", self.schema.schema()).ok()?;
                    reason.as_str()
                };
                Some(Resolved::nullable_text(deprecated.and_then(reason)))
            }
            _ => None,
        }
    }

    fn fields(&self, definitions: impl Iterator<Item = &'a Component<FieldDefinition>>, field: &Field) -> Resolved<'a> {
        let is_shown = self.is_shown(field);
        let shown = definitions.filter(|definition| is_shown(&definition.directives));
        Resolved::objects(shown.map(|definition| Element::Field(definition)))
    }

    fn input_values(
        &self,
        definitions: impl Iterator<Item = &'a Node<InputValueDefinition>>,
        field: &Field,
    ) -> Resolved<'a> {
        let is_shown = self.is_shown(field);
        let shown = definitions.filter(|definition| is_shown(&definition.directives));
        Resolved::objects(shown.map(|definition| Element::InputValue(definition)))
    }

    /// Whether `field` shows what has these directives: `includeDeprecated` is false where it is not said.
    fn is_shown(&self, field: &Field) -> impl Fn(&DirectiveList) -> bool + use<> {
        let include_deprecated = self.argument(field, "includeDeprecated") == Value::Bool(true);
        move |directives| include_deprecated || !directives.has("deprecated")
    }

    fn types<T: AsRef<str> + 'a>(&self, names: impl Iterator<Item = &'a T>) -> Resolved<'a> {
        Resolved::List(names.map(|name| self.named(name.as_ref())).collect())
    }

    fn type_of(&self, of: &'a Type) -> Resolved<'a> {
        match of {
            Type::Named(name) => self.named(name),
            Type::List(inner) => Resolved::Object(Element::List(inner)),
            Type::NonNullNamed(name) => Resolved::Object(Element::NonNull(name)),
            Type::NonNullList(inner) => Resolved::Object(Element::NonNullList(inner)),
        }
    }

    fn named(&self, name: &str) -> Resolved<'a> {
        let definition = self.schema.schema().types.get(name);
        definition.map_or(Resolved::Null, |definition| Resolved::Object(Element::Type(definition)))
    }

    /// Null, where it is not given.
    fn argument(&self, field: &Field, name: &str) -> Value {
        let argument = field.arguments.iter().find(|argument| argument.name == name);
        match argument.map(|argument| &*argument.value) {
            Some(Literal::Variable(name)) => self.variables.get(name.as_str()).cloned().unwrap_or_default(),
            Some(Literal::String(text)) => Value::String(text.clone()),
            Some(Literal::Boolean(value)) => Value::Bool(*value),
            _ => Value::Null,
        }
    }
}

impl Element<'_> {
    fn typename(self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::Schema => "__Schema",
            Self::Type(_) | Self::List(_) | Self::NonNull(_) | Self::NonNullList(_) => "__Type",
            Self::Field(_) => "__Field",
            Self::InputValue(_) => "__InputValue",
            Self::EnumValue(_) => "__EnumValue",
            Self::Directive(_) => "__Directive",
        }
    }
}

/// Of a type that is made of another one.
fn of_wrapper<'a>(field: &Field, kind: &'static str, of_type: Resolved<'a>) -> Option<Resolved<'a>> {
    match field.name.as_str() {
        "kind" => Some(Resolved::text(kind)),
        "ofType" => Some(of_type),
        name => is_field_of_types(name).then_some(Resolved::Null),
    }
}

fn is_field_of_types(name: &str) -> bool {
    matches!(
        name,
        "kind"
            | "name"
            | "description"
            | "specifiedByURL"
            | "fields"
            | "interfaces"
            | "possibleTypes"
            | "enumValues"
            | "inputFields"
            | "ofType"
    )
}

fn kind(definition: &ExtendedType) -> &'static str {
    match definition {
        ExtendedType::Scalar(_) => "SCALAR",
        ExtendedType::Object(_) => "OBJECT",
        ExtendedType::Interface(_) => "INTERFACE",
        ExtendedType::Union(_) => "UNION",
        ExtendedType::Enum(_) => "ENUM",
        ExtendedType::InputObject(_) => "INPUT_OBJECT",
    }
}
