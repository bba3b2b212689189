//! Definitions and extensions of types, directives and the schema.

use apollo_compiler::ast::{
    Definition, DirectiveDefinition, DirectiveLocation, EnumTypeDefinition, EnumTypeExtension, EnumValueDefinition,
    FieldDefinition, InputObjectTypeDefinition, InputObjectTypeExtension, InputValueDefinition,
    InterfaceTypeDefinition, InterfaceTypeExtension, ObjectTypeDefinition, ObjectTypeExtension, OperationType,
    ScalarTypeDefinition, ScalarTypeExtension, SchemaDefinition, SchemaExtension, UnionTypeDefinition,
    UnionTypeExtension,
};
use apollo_compiler::{Name, Node};

use super::Reader;
use super::tokens::Kind;

const BRACES: (u8, u8) = (b'{', b'}');
const PARENTHESES: (u8, u8) = (b'(', b')');

type Description = Option<Node<str>>;

impl<'t> Reader<'t> {
    pub(super) fn definition(&mut self) -> Option<Definition> {
        use Definition as D;
        let start = self.tokens.start;
        let description = self.description()?;
        Some(match self.keyword()? {
            "extend" if description.is_none() => return self.extension(start),
            "schema" => {
                let definition = self.schema(description)?;
                D::SchemaDefinition(self.node(start, definition)?)
            }
            "scalar" => {
                let definition = self.scalar(description)?;
                D::ScalarTypeDefinition(self.node(start, definition)?)
            }
            "type" => {
                let definition = self.object(description)?;
                D::ObjectTypeDefinition(self.node(start, definition)?)
            }
            "interface" => {
                let definition = self.interface(description)?;
                D::InterfaceTypeDefinition(self.node(start, definition)?)
            }
            "union" => {
                let definition = self.union(description)?;
                D::UnionTypeDefinition(self.node(start, definition)?)
            }
            "enum" => {
                let definition = self.enumeration(description)?;
                D::EnumTypeDefinition(self.node(start, definition)?)
            }
            "input" => {
                let definition = self.input_object(description)?;
                D::InputObjectTypeDefinition(self.node(start, definition)?)
            }
            "directive" => {
                let definition = self.directive_definition(description)?;
                D::DirectiveDefinition(self.node(start, definition)?)
            }
            _ => return None,
        })
    }

    /// What follows `extend`: parts of a definition, of which there must be one.
    fn extension(&mut self, start: usize) -> Option<Definition> {
        use Definition as D;
        Some(match self.keyword()? {
            "schema" => {
                let extension = schema_extension(self.schema(None)?)?;
                D::SchemaExtension(self.node(start, extension)?)
            }
            "scalar" => {
                let extension = scalar_extension(self.scalar(None)?)?;
                D::ScalarTypeExtension(self.node(start, extension)?)
            }
            "type" => {
                let extension = object_extension(self.object(None)?)?;
                D::ObjectTypeExtension(self.node(start, extension)?)
            }
            "interface" => {
                let extension = interface_extension(self.interface(None)?)?;
                D::InterfaceTypeExtension(self.node(start, extension)?)
            }
            "union" => {
                let extension = union_extension(self.union(None)?)?;
                D::UnionTypeExtension(self.node(start, extension)?)
            }
            "enum" => {
                let extension = enum_extension(self.enumeration(None)?)?;
                D::EnumTypeExtension(self.node(start, extension)?)
            }
            "input" => {
                let extension = input_object_extension(self.input_object(None)?)?;
                D::InputObjectTypeExtension(self.node(start, extension)?)
            }
            _ => return None,
        })
    }

    fn keyword(&mut self) -> Option<&'t str> {
        let text = self.tokens.text();
        let is_name = self.tokens.kind == Kind::Name;
        self.tokens.advance()?;
        is_name.then_some(text)
    }

    fn schema(&mut self, description: Description) -> Option<SchemaDefinition> {
        Some(SchemaDefinition {
            description,
            directives: self.directives()?,
            root_operations: self.list(BRACES, Self::root_operation)?,
        })
    }

    fn root_operation(&mut self) -> Option<Node<(OperationType, Name)>> {
        let start = self.tokens.start;
        let operation = match self.keyword()? {
            "query" => OperationType::Query,
            "mutation" => OperationType::Mutation,
            "subscription" => OperationType::Subscription,
            _ => return None,
        };
        self.punctuator(b':')?;
        let root = (operation, self.placed_name()?);
        self.node(start, root)
    }

    fn scalar(&mut self, description: Description) -> Option<ScalarTypeDefinition> {
        Some(ScalarTypeDefinition {
            description,
            name: self.placed_name()?,
            directives: self.directives()?,
        })
    }

    fn object(&mut self, description: Description) -> Option<ObjectTypeDefinition> {
        Some(ObjectTypeDefinition {
            description,
            name: self.placed_name()?,
            implements_interfaces: self.interfaces()?,
            directives: self.directives()?,
            fields: self.list(BRACES, Self::field)?,
        })
    }

    fn interface(&mut self, description: Description) -> Option<InterfaceTypeDefinition> {
        Some(InterfaceTypeDefinition {
            description,
            name: self.placed_name()?,
            implements_interfaces: self.interfaces()?,
            directives: self.directives()?,
            fields: self.list(BRACES, Self::field)?,
        })
    }

    fn interfaces(&mut self) -> Option<Vec<Name>> {
        match self.takes_keyword("implements")? {
            true => self.separated(b'&', Self::placed_name),
            false => Some(Vec::new()),
        }
    }

    fn union(&mut self, description: Description) -> Option<UnionTypeDefinition> {
        Some(UnionTypeDefinition {
            description,
            name: self.placed_name()?,
            directives: self.directives()?,
            members: match self.takes(b'=')? {
                true => self.separated(b'|', Self::placed_name)?,
                false => Vec::new(),
            },
        })
    }

    fn enumeration(&mut self, description: Description) -> Option<EnumTypeDefinition> {
        Some(EnumTypeDefinition {
            description,
            name: self.placed_name()?,
            directives: self.directives()?,
            values: self.list(BRACES, Self::enum_value)?,
        })
    }

    fn enum_value(&mut self) -> Option<Node<EnumValueDefinition>> {
        let start = self.tokens.start;
        let description = self.description()?;
        let value = self.placed_name()?;
        if matches!(value.as_str(), "true" | "false" | "null") {
            return None;
        }
        let directives = self.directives()?;
        self.node(
            start,
            EnumValueDefinition {
                description,
                value,
                directives,
            },
        )
    }

    fn input_object(&mut self, description: Description) -> Option<InputObjectTypeDefinition> {
        Some(InputObjectTypeDefinition {
            description,
            name: self.placed_name()?,
            directives: self.directives()?,
            fields: self.list(BRACES, Self::input_value)?,
        })
    }

    fn directive_definition(&mut self, description: Description) -> Option<DirectiveDefinition> {
        self.punctuator(b'@')?;
        Some(DirectiveDefinition {
            description,
            name: self.placed_name()?,
            arguments: self.list(PARENTHESES, Self::input_value)?,
            repeatable: self.takes_keyword("repeatable")?,
            locations: match self.takes_keyword("on")? {
                true => self.separated(b'|', Self::directive_location)?,
                false => return None,
            },
        })
    }

    fn directive_location(&mut self) -> Option<DirectiveLocation> {
        use DirectiveLocation as L;
        const ALL: [L; 19] = [
            L::Query,
            L::Mutation,
            L::Subscription,
            L::Field,
            L::FragmentDefinition,
            L::FragmentSpread,
            L::InlineFragment,
            L::VariableDefinition,
            L::Schema,
            L::Scalar,
            L::Object,
            L::FieldDefinition,
            L::ArgumentDefinition,
            L::Interface,
            L::Union,
            L::Enum,
            L::EnumValue,
            L::InputObject,
            L::InputFieldDefinition,
        ];
        let written = self.keyword()?;
        ALL.into_iter().find(|location| location.name() == written)
    }

    fn field(&mut self) -> Option<Node<FieldDefinition>> {
        let start = self.tokens.start;
        let description = self.description()?;
        let name = self.placed_name()?;
        let arguments = self.list(PARENTHESES, Self::input_value)?;
        self.punctuator(b':')?;
        let field = FieldDefinition {
            description,
            name,
            arguments,
            ty: self.type_reference(0)?,
            directives: self.directives()?,
        };
        self.node(start, field)
    }

    fn input_value(&mut self) -> Option<Node<InputValueDefinition>> {
        let start = self.tokens.start;
        let description = self.description()?;
        let name = self.placed_name()?;
        self.punctuator(b':')?;
        let input_value = InputValueDefinition {
            description,
            name,
            ty: Node::new(self.type_reference(0)?),
            default_value: match self.takes(b'=')? {
                true => Some(Node::new(self.value(0)?)),
                false => None,
            },
            directives: self.directives()?,
        };
        self.node(start, input_value)
    }
}

fn schema_extension(own: SchemaDefinition) -> Option<SchemaExtension> {
    let adds = !own.directives.is_empty() || !own.root_operations.is_empty();
    adds.then_some(SchemaExtension {
        directives: own.directives,
        root_operations: own.root_operations,
    })
}

fn scalar_extension(own: ScalarTypeDefinition) -> Option<ScalarTypeExtension> {
    let adds = !own.directives.is_empty();
    adds.then_some(ScalarTypeExtension {
        name: own.name,
        directives: own.directives,
    })
}

fn object_extension(own: ObjectTypeDefinition) -> Option<ObjectTypeExtension> {
    let adds = !own.implements_interfaces.is_empty() || !own.directives.is_empty() || !own.fields.is_empty();
    adds.then_some(ObjectTypeExtension {
        name: own.name,
        implements_interfaces: own.implements_interfaces,
        directives: own.directives,
        fields: own.fields,
    })
}

fn interface_extension(own: InterfaceTypeDefinition) -> Option<InterfaceTypeExtension> {
    let adds = !own.implements_interfaces.is_empty() || !own.directives.is_empty() || !own.fields.is_empty();
    adds.then_some(InterfaceTypeExtension {
        name: own.name,
        implements_interfaces: own.implements_interfaces,
        directives: own.directives,
        fields: own.fields,
    })
}

fn union_extension(own: UnionTypeDefinition) -> Option<UnionTypeExtension> {
    let adds = !own.directives.is_empty() || !own.members.is_empty();
    adds.then_some(UnionTypeExtension {
        name: own.name,
        directives: own.directives,
        members: own.members,
    })
}

fn enum_extension(own: EnumTypeDefinition) -> Option<EnumTypeExtension> {
    let adds = !own.directives.is_empty() || !own.values.is_empty();
    adds.then_some(EnumTypeExtension {
        name: own.name,
        directives: own.directives,
        values: own.values,
    })
}

fn input_object_extension(own: InputObjectTypeDefinition) -> Option<InputObjectTypeExtension> {
    let adds = !own.directives.is_empty() || !own.fields.is_empty();
    adds.then_some(InputObjectTypeExtension {
        name: own.name,
        directives: own.directives,
        fields: own.fields,
    })
}
