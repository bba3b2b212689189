//! One change: its code, its severity, where it is, and what it means.

use std::fmt;

use apollo_compiler::Name;
use apollo_compiler::coordinate::SchemaCoordinate;

/// How a change affects clients that were written for the old schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Some operation that was valid is refused, or its answer may hold what the old schema ruled out.
    Breaking,
    /// Operations stay valid, but may get values that they did not get before, or mean something else.
    Dangerous,
    /// No operation notices.
    Safe,
}

impl Severity {
    /// The severity as programs read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Breaking => "breaking",
            Self::Dangerous => "dangerous",
            Self::Safe => "safe",
        }
    }
}

/// Whether a breaking change can break an operation that is still valid after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// No: an operation that is still valid gets answers as before.
    OnValidity,
    /// Yes: what the operation is answered is of another type.
    OnAnswers,
}

/// Where a change is: `Product`, `Product.name`, `Query.product(id:)`, `@live`, or `schema`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Coordinate {
    /// The schema definition, which has no schema coordinate.
    Schema,
    /// GraphQL spec, "Schema Coordinates".
    Element(SchemaCoordinate),
}

impl From<SchemaCoordinate> for Coordinate {
    fn from(coordinate: SchemaCoordinate) -> Self {
        Self::Element(coordinate)
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema => formatter.write_str("schema"),
            Self::Element(coordinate) => coordinate.fmt(formatter),
        }
    }
}

/// One difference between two API schemas.
#[derive(Debug, Clone)]
pub struct SchemaChange {
    /// For programs.
    pub code: ChangeCode,
    /// How bad it is for clients.
    pub severity: Severity,
    /// Of the old schema, except for what is new.
    pub coordinate: Coordinate,
    /// What changed and what it means for clients, in one sentence.
    pub message: String,
    /// The other name concerned: the member of a union, the interface that is implemented, the location of a directive.
    pub(crate) other: Option<Name>,
    pub(crate) effect: Effect,
}

impl SchemaChange {
    pub(super) fn new(code: ChangeCode, severity: Severity, coordinate: Coordinate, message: String) -> Self {
        Self {
            code,
            severity,
            coordinate,
            message,
            other: None,
            effect: Effect::OnValidity,
        }
    }
}

macro_rules! change_codes {
    ($($(#[$meta:meta])* $variant:ident = $text:literal,)*) => {
        /// What kind of change it is; never renamed. The names follow graphql-js and GraphQL Inspector.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ChangeCode { $($(#[$meta])* #[doc = concat!("`", $text, "`")] $variant,)* }

        impl ChangeCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as programs read it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

change_codes! {
    ArgAddedOptional = "OPTIONAL_ARG_ADDED",
    ArgAddedRequired = "REQUIRED_ARG_ADDED",
    ArgDefaultValueChanged = "ARG_DEFAULT_VALUE_CHANGED",
    ArgRemoved = "ARG_REMOVED",
    ArgTypeChanged = "ARG_TYPE_CHANGED",
    DeprecationAdded = "DEPRECATION_ADDED",
    DeprecationReasonChanged = "DEPRECATION_REASON_CHANGED",
    DeprecationRemoved = "DEPRECATION_REMOVED",
    DescriptionChanged = "DESCRIPTION_CHANGED",
    DirectiveAdded = "DIRECTIVE_ADDED",
    DirectiveArgAddedOptional = "OPTIONAL_DIRECTIVE_ARG_ADDED",
    DirectiveArgAddedRequired = "REQUIRED_DIRECTIVE_ARG_ADDED",
    DirectiveArgDefaultValueChanged = "DIRECTIVE_ARG_DEFAULT_VALUE_CHANGED",
    DirectiveArgRemoved = "DIRECTIVE_ARG_REMOVED",
    DirectiveArgTypeChanged = "DIRECTIVE_ARG_TYPE_CHANGED",
    DirectiveLocationAdded = "DIRECTIVE_LOCATION_ADDED",
    DirectiveLocationRemoved = "DIRECTIVE_LOCATION_REMOVED",
    DirectiveRemoved = "DIRECTIVE_REMOVED",
    DirectiveRepeatableAdded = "DIRECTIVE_REPEATABLE_ADDED",
    DirectiveRepeatableRemoved = "DIRECTIVE_REPEATABLE_REMOVED",
    EnumValueAdded = "ENUM_VALUE_ADDED",
    EnumValueRemoved = "ENUM_VALUE_REMOVED",
    FieldAdded = "FIELD_ADDED",
    FieldRemoved = "FIELD_REMOVED",
    FieldTypeChanged = "FIELD_TYPE_CHANGED",
    ImplementedInterfaceAdded = "IMPLEMENTED_INTERFACE_ADDED",
    ImplementedInterfaceRemoved = "IMPLEMENTED_INTERFACE_REMOVED",
    InputFieldAddedOptional = "OPTIONAL_INPUT_FIELD_ADDED",
    InputFieldAddedRequired = "REQUIRED_INPUT_FIELD_ADDED",
    InputFieldDefaultValueChanged = "INPUT_FIELD_DEFAULT_VALUE_CHANGED",
    InputFieldRemoved = "INPUT_FIELD_REMOVED",
    InputFieldTypeChanged = "INPUT_FIELD_TYPE_CHANGED",
    OneOfAdded = "ONE_OF_ADDED",
    OneOfRemoved = "ONE_OF_REMOVED",
    SchemaMutationTypeChanged = "SCHEMA_MUTATION_TYPE_CHANGED",
    SchemaQueryTypeChanged = "SCHEMA_QUERY_TYPE_CHANGED",
    SchemaSubscriptionTypeChanged = "SCHEMA_SUBSCRIPTION_TYPE_CHANGED",
    SpecifiedByChanged = "SPECIFIED_BY_CHANGED",
    TypeAdded = "TYPE_ADDED",
    TypeKindChanged = "TYPE_KIND_CHANGED",
    TypeRemoved = "TYPE_REMOVED",
    UnionMemberAdded = "UNION_MEMBER_ADDED",
    UnionMemberRemoved = "UNION_MEMBER_REMOVED",
}

impl fmt::Display for ChangeCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
