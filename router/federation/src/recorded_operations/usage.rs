//! What one operation uses of a schema, and where: the elements it names, those that it leaves out, the types that it may
//! be answered, and the types whose values its variables hold.

use apollo_compiler::ast::{Argument, DirectiveLocation, InputValueDefinition, OperationType, Type, Value};
use apollo_compiler::coordinate::{
    DirectiveCoordinate, FieldArgumentCoordinate, SchemaCoordinate, TypeAttributeCoordinate, TypeCoordinate,
};
use apollo_compiler::executable::{DirectiveList, Field, Operation, Selection, SelectionSet};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::{ExtendedType, Schema};
use apollo_compiler::{ExecutableDocument, Name, Node};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::schema_changes::{ChangeCode, Coordinate, Effect, SchemaChange};

/// A way in which an operation uses a schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Use {
    /// Selects, gives, applies or names it.
    Names(SchemaCoordinate),
    /// Applies the directive at a location of this name.
    AppliesAt(DirectiveCoordinate, Name),
    /// Applies the directive a second time at one location.
    Repeats(DirectiveCoordinate),
    /// Leaves out an argument or input field, so that its default applies.
    LeavesOut(SchemaCoordinate),
    /// Selects a field whose value is of this type, or a list of such.
    Receives(Name),
    /// Has a variable that holds values of this type, at whatever depth.
    HoldsInVariable(Name),
    /// Writes a value of this input object type that `@oneOf` would refuse.
    WritesNotOneOf(Name),
    /// Begins at the root type of such operations.
    BeginsAt(OperationType),
}

/// Everything that one operation uses, with the places where it does.
#[derive(Debug, Default)]
pub(super) struct Usage {
    spans: FxHashMap<Use, Vec<SourceSpan>>,
}

impl Usage {
    /// * `document`: holds one operation with its fragments, valid in `schema`.
    pub(super) fn of(document: &ExecutableDocument, schema: &Schema) -> Self {
        let mut collector = Collector {
            document,
            schema,
            usage: Self::default(),
            fragments: FxHashSet::default(),
            optional_variables: FxHashSet::default(),
        };
        for operation in document.operations.iter() {
            collector.operation(operation);
        }
        collector.usage
    }

    /// Where the operation meets `change`: first where validation decides whether it breaks, then where it breaks (if
    /// the change is a breaking one) whether or not it is still valid.
    pub(super) fn meets(&self, change: &SchemaChange) -> (Vec<SourceSpan>, Vec<SourceSpan>) {
        let coordinate = match &change.coordinate {
            Coordinate::Schema => return (self.at_root(change.code), Vec::new()),
            Coordinate::Element(coordinate) => coordinate,
        };
        match coordinate {
            SchemaCoordinate::Type(own) => self.meets_type(change, &own.ty),
            SchemaCoordinate::TypeAttribute(own) => self.meets_attribute(change, own),
            SchemaCoordinate::FieldArgument(own) => {
                let field = own.field_coordinate().into();
                (self.input(change.code, coordinate, &field), Vec::new())
            }
            SchemaCoordinate::Directive(own) => (self.directive(change, own), Vec::new()),
            SchemaCoordinate::DirectiveArgument(own) => {
                let directive = own.directive_coordinate().into();
                (self.input(change.code, coordinate, &directive), Vec::new())
            }
        }
    }

    fn at_root(&self, code: ChangeCode) -> Vec<SourceSpan> {
        let operation_type = match code {
            ChangeCode::SchemaQueryTypeChanged => OperationType::Query,
            ChangeCode::SchemaMutationTypeChanged => OperationType::Mutation,
            ChangeCode::SchemaSubscriptionTypeChanged => OperationType::Subscription,
            _ => return Vec::new(),
        };
        self.at(&[Use::BeginsAt(operation_type)])
    }

    /// Of an argument: what matters is whether it is given or left out, or, when it is new, that its `parent` is used.
    fn input(&self, code: ChangeCode, own: &SchemaCoordinate, parent: &SchemaCoordinate) -> Vec<SourceSpan> {
        use ChangeCode as C;
        match code {
            C::ArgAddedOptional | C::ArgAddedRequired | C::DirectiveArgAddedOptional | C::DirectiveArgAddedRequired => {
                self.names(parent)
            }
            C::ArgDefaultValueChanged | C::DirectiveArgDefaultValueChanged => self.at(&[Use::LeavesOut(own.clone())]),
            C::ArgTypeChanged | C::DirectiveArgTypeChanged => {
                self.at(&[Use::Names(own.clone()), Use::LeavesOut(own.clone())])
            }
            _ => self.names(own),
        }
    }

    fn directive(&self, change: &SchemaChange, own: &DirectiveCoordinate) -> Vec<SourceSpan> {
        use ChangeCode as C;
        match (change.code, &change.other) {
            (C::DirectiveAdded | C::DirectiveLocationAdded | C::DirectiveRepeatableAdded, _) => Vec::new(),
            (C::DirectiveLocationRemoved, Some(location)) => self.at(&[Use::AppliesAt(own.clone(), location.clone())]),
            (C::DirectiveRepeatableRemoved, _) => self.at(&[Use::Repeats(own.clone())]),
            _ => self.names(&own.clone().into()),
        }
    }

    fn meets_type(&self, change: &SchemaChange, name: &Name) -> (Vec<SourceSpan>, Vec<SourceSpan>) {
        use ChangeCode as C;
        let of_type = |name: &Name| self.at(&[Use::Receives(name.clone()), Use::Names(type_coordinate(name))]);
        let other = change.other.as_ref();
        let both = |first: &Name| match other {
            Some(second) if !of_type(first).is_empty() => of_type(second),
            _ => Vec::new(),
        };
        let variables = self.at(&[Use::HoldsInVariable(name.clone())]);
        match change.code {
            C::TypeAdded => (Vec::new(), Vec::new()),
            C::TypeKindChanged => (Vec::new(), [of_type(name), variables].concat()),
            C::UnionMemberAdded => (of_type(name), Vec::new()),
            C::ImplementedInterfaceAdded => (other.map(of_type).unwrap_or_default(), Vec::new()),
            C::UnionMemberRemoved | C::ImplementedInterfaceRemoved => (both(name), Vec::new()),
            C::OneOfAdded => {
                let literals = self.at(&[Use::WritesNotOneOf(name.clone())]);
                (Vec::new(), [literals, variables].concat())
            }
            _ => ([of_type(name), variables].concat(), Vec::new()),
        }
    }

    /// Of a field, an input field or an enum value.
    fn meets_attribute(
        &self,
        change: &SchemaChange,
        own: &TypeAttributeCoordinate,
    ) -> (Vec<SourceSpan>, Vec<SourceSpan>) {
        use ChangeCode as C;
        let named = self.names(&own.clone().into());
        let left_out = || self.at(&[Use::LeavesOut(own.clone().into())]);
        // What variables hold is not known before they come, so that the worst is assumed of a breaking change.
        let variables = || self.at(&[Use::HoldsInVariable(own.ty.clone())]);
        match change.code {
            C::FieldAdded => (Vec::new(), Vec::new()),
            C::FieldTypeChanged if change.effect == Effect::OnAnswers => (Vec::new(), named),
            C::EnumValueAdded => (self.at(&[Use::Receives(own.ty.clone())]), Vec::new()),
            C::EnumValueRemoved | C::InputFieldRemoved => (named, variables()),
            C::InputFieldAddedOptional | C::InputFieldAddedRequired => {
                (self.names(&type_coordinate(&own.ty)), variables())
            }
            C::InputFieldTypeChanged => ([named, left_out()].concat(), variables()),
            C::InputFieldDefaultValueChanged => (left_out(), variables()),
            _ => (named, Vec::new()),
        }
    }

    fn names(&self, coordinate: &SchemaCoordinate) -> Vec<SourceSpan> {
        self.at(&[Use::Names(coordinate.clone())])
    }

    fn at(&self, uses: &[Use]) -> Vec<SourceSpan> {
        let mut spans: Vec<SourceSpan> = Vec::new();
        for span in uses.iter().filter_map(|one| self.spans.get(one)).flatten() {
            if !spans.contains(span) {
                spans.push(*span);
            }
        }
        spans
    }

    fn add(&mut self, one: Use, span: Option<SourceSpan>) {
        if let Some(span) = span {
            let spans = self.spans.entry(one).or_default();
            if spans.last() != Some(&span) {
                spans.push(span);
            }
        }
    }
}

struct Collector<'a> {
    document: &'a ExecutableDocument,
    schema: &'a Schema,
    usage: Usage,
    /// Read already.
    fragments: FxHashSet<&'a Name>,
    /// Variables that may be absent and have no default.
    optional_variables: FxHashSet<&'a Name>,
}

impl<'a> Collector<'a> {
    fn operation(&mut self, operation: &'a Node<Operation>) {
        let start = operation
            .name
            .as_ref()
            .map_or_else(|| operation.location(), |name| name.location());
        self.usage.add(Use::BeginsAt(operation.operation_type), start);
        for variable in &operation.variables {
            if !variable.ty.is_non_null() && variable.default_value.is_none() {
                self.optional_variables.insert(&variable.name);
            }
            self.variable_type(variable.ty.inner_named_type(), variable.location());
            if let Some(default_value) = &variable.default_value {
                self.value(default_value, &variable.ty);
            }
            self.directives(&variable.directives, DirectiveLocation::VariableDefinition);
        }
        self.directives(&operation.directives, operation.operation_type.into());
        self.selection_set(&operation.selection_set);
    }

    /// Every type that values of input type `name` are made of.
    fn variable_type(&mut self, name: &'a Name, span: Option<SourceSpan>) {
        let mut known = FxHashSet::default();
        let mut to_read = vec![name];
        while let Some(name) = to_read.pop() {
            if !known.insert(name) {
                continue;
            }
            self.usage.add(Use::HoldsInVariable(name.clone()), span);
            if let Some(input_object) = self.schema.get_input_object(name) {
                to_read.extend(input_object.fields.values().map(|field| field.ty.inner_named_type()));
            }
        }
    }

    fn selection_set(&mut self, selection_set: &'a SelectionSet) {
        for selection in &selection_set.selections {
            match selection {
                Selection::Field(field) => self.field(&selection_set.ty, field),
                Selection::InlineFragment(inline) => {
                    if let Some(condition) = &inline.type_condition {
                        self.usage
                            .add(Use::Names(type_coordinate(condition)), condition.location());
                    }
                    self.directives(&inline.directives, DirectiveLocation::InlineFragment);
                    self.selection_set(&inline.selection_set);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives, DirectiveLocation::FragmentSpread);
                    let Some(fragment) = self.document.fragments.get(&spread.fragment_name) else {
                        continue;
                    };
                    if self.fragments.insert(&fragment.name) {
                        let condition = fragment.type_condition();
                        self.usage
                            .add(Use::Names(type_coordinate(condition)), condition.location());
                        self.directives(&fragment.directives, DirectiveLocation::FragmentDefinition);
                        self.selection_set(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn field(&mut self, parent: &Name, field: &'a Node<Field>) {
        let own = TypeAttributeCoordinate {
            ty: parent.clone(),
            attribute: field.name.clone(),
        };
        let span = field.name.location();
        let received = field.ty().inner_named_type().clone();
        self.usage.add(Use::Receives(received), span);
        let argument = |name: &Name| -> SchemaCoordinate {
            FieldArgumentCoordinate {
                ty: own.ty.clone(),
                field: own.attribute.clone(),
                argument: name.clone(),
            }
            .into()
        };
        self.arguments(&argument, &field.definition.arguments, &field.arguments, span);
        self.usage.add(Use::Names(own.into()), span);
        self.directives(&field.directives, DirectiveLocation::Field);
        self.selection_set(&field.selection_set);
    }

    fn directives(&mut self, directives: &'a DirectiveList, location: DirectiveLocation) {
        let location = Name::new_unchecked(location.name());
        for (index, directive) in directives.iter().enumerate() {
            let own = DirectiveCoordinate {
                directive: directive.name.clone(),
            };
            let span = directive.location();
            if let Some(definition) = self.schema.directive_definitions.get(&directive.name) {
                let argument = |name: &Name| own.with_argument(name.clone()).into();
                self.arguments(&argument, &definition.arguments, &directive.arguments, span);
            }
            if directives
                .iter()
                .take(index)
                .any(|earlier| earlier.name == directive.name)
            {
                self.usage.add(Use::Repeats(own.clone()), span);
            }
            self.usage.add(Use::AppliesAt(own.clone(), location.clone()), span);
            self.usage.add(Use::Names(own.into()), span);
        }
    }

    /// * `span`: of what the arguments belong to, for those that are left out.
    fn arguments(
        &mut self,
        coordinate: &dyn Fn(&Name) -> SchemaCoordinate,
        definitions: &[Node<InputValueDefinition>],
        given: &'a [Node<Argument>],
        span: Option<SourceSpan>,
    ) {
        for definition in definitions {
            let own = coordinate(&definition.name);
            let Some(argument) = given.iter().find(|argument| argument.name == definition.name) else {
                self.usage.add(Use::LeavesOut(own), span);
                continue;
            };
            if self.may_be_absent(&argument.value) {
                self.usage.add(Use::LeavesOut(own.clone()), argument.location());
            }
            self.usage.add(Use::Names(own), argument.location());
            self.value(&argument.value, &definition.ty);
        }
    }

    fn may_be_absent(&self, value: &Value) -> bool {
        matches!(value, Value::Variable(name) if self.optional_variables.contains(name))
    }

    /// A value written in the document, where one of type `ty` is expected.
    fn value(&mut self, value: &Node<Value>, ty: &Type) {
        let name = ty.inner_named_type();
        match &**value {
            Value::List(items) => {
                for item in items {
                    self.value(item, ty.item_type());
                }
            }
            Value::Enum(enum_value) if self.schema.get_enum(name).is_some() => {
                let own = type_attribute(name, enum_value);
                self.usage.add(Use::Names(own), value.location());
                self.usage.add(Use::Names(type_coordinate(name)), value.location());
            }
            Value::Object(fields) => self.object(value, fields, name),
            _ => {}
        }
    }

    fn object(&mut self, value: &Node<Value>, fields: &[(Name, Node<Value>)], type_name: &Name) {
        let Some(ExtendedType::InputObject(definition)) = self.schema.types.get(type_name) else {
            return; // A value of a custom scalar.
        };
        let span = value.location();
        self.usage.add(Use::Names(type_coordinate(type_name)), span);
        if !matches!(fields, [(_, only)] if !only.is_null()) {
            self.usage.add(Use::WritesNotOneOf(type_name.clone()), span);
        }
        for field in definition.fields.values() {
            let own = type_attribute(type_name, &field.name);
            let Some((_, given)) = fields.iter().find(|(name, _)| *name == field.name) else {
                self.usage.add(Use::LeavesOut(own), span);
                continue;
            };
            if self.may_be_absent(given) {
                self.usage.add(Use::LeavesOut(own.clone()), given.location());
            }
            self.usage.add(Use::Names(own), given.location());
            self.value(given, &field.ty);
        }
    }
}

fn type_coordinate(name: &Name) -> SchemaCoordinate {
    TypeCoordinate { ty: name.clone() }.into()
}

fn type_attribute(name: &Name, attribute: &Name) -> SchemaCoordinate {
    TypeAttributeCoordinate {
        ty: name.clone(),
        attribute: attribute.clone(),
    }
    .into()
}
