//! What composition says: errors and hints, each with a stable code, a sentence for people, and places.
//!
//! The codes are those of the Federation error reference, so that scripts and documentation written for other
//! composers keep working. The sentences are our own.

use std::fmt;
use std::ops::Range;

use apollo_compiler::ast::Value;
use apollo_compiler::parser::SourceFile;

/// A place in the SDL of one subgraph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLocation {
    /// Name of the subgraph.
    pub subgraph: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
    /// How many of them are meant; `None` when they are on several lines.
    pub length: Option<u32>,
}

impl SourceLocation {
    /// Translates bytes of the SDL of `subgraph`.
    pub(crate) fn of_bytes(subgraph: &str, source: &SourceFile, bytes: Range<usize>) -> Option<Self> {
        let start = source.get_line_column(bytes.start)?;
        let end = source.get_line_column_range(bytes).map(|range| range.end);
        let length = end
            .filter(|end| end.line == start.line)
            .map(|end| end.column.saturating_sub(start.column));
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Self {
            subgraph: subgraph.to_owned(),
            line: number(start.line),
            column: number(start.column),
            length: length.map(number),
        })
    }
}

/// One reason why the subgraphs do not compose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CompositionError {
    /// Code of the Federation error reference.
    pub code: ErrorCode,
    /// What is wrong and how to mend it; names the subgraph, the type and the field.
    pub message: String,
    /// Every place concerned, the first being where to look first. Empty when no place can be named.
    pub locations: Vec<SourceLocation>,
}

impl CompositionError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            locations: Vec::new(),
        }
    }

    pub(crate) fn at(mut self, locations: impl IntoIterator<Item = SourceLocation>) -> Self {
        self.locations.extend(locations);
        self
    }
}

/// Something worth knowing about subgraphs that do compose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Code of the Federation hint reference.
    pub code: HintCode,
    /// What was noticed, in one sentence.
    pub message: String,
    /// Every place concerned.
    pub locations: Vec<SourceLocation>,
}

/// A value as a sentence can hold it.
pub(crate) fn on_one_line(value: &Value) -> String {
    value.serialize().no_indent().to_string()
}

macro_rules! codes {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$inner])* #[doc = concat!("`", $text, "`")] $variant,)* }

        impl $name {
            /// The code as scripts know it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Codes of the Federation error reference.
    ErrorCode {
        AuthRequirementsAppliedOnInterface = "AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE",
        CacheTagEntityNotResolvable = "CACHE_TAG_ENTITY_NOT_RESOLVABLE",
        CacheTagFormatArgumentUnknown = "CACHE_TAG_FORMAT_ARGUMENT_UNKNOWN",
        CacheTagInvalidFormat = "CACHE_TAG_INVALID_FORMAT",
        CacheTagInvalidFormatArgumentOnEntity = "CACHE_TAG_INVALID_FORMAT_ARGUMENT_ON_ENTITY",
        CacheTagInvalidFormatArgumentOnRootField = "CACHE_TAG_INVALID_FORMAT_ARGUMENT_ON_ROOT_FIELD",
        CacheTagInvalidFormatFieldSetOnEntity = "CACHE_TAG_INVALID_FORMAT_FIELD_SET_ON_ENTITY",
        CacheTagNotOnRootField = "CACHE_TAG_NOT_ON_ROOT_FIELD",
        ContextNameContainsUnderscore = "CONTEXT_NAME_CONTAINS_UNDERSCORE",
        ContextNameInvalid = "CONTEXT_NAME_INVALID",
        ContextNoResolvableKey = "CONTEXT_NO_RESOLVABLE_KEY",
        ContextNotSet = "CONTEXT_NOT_SET",
        ContextSelectionInvalid = "CONTEXT_INVALID_SELECTION",
        NoContextInSelection = "NO_CONTEXT_IN_SELECTION",
        NoSelectionForContext = "NO_SELECTION_FOR_CONTEXT",
        ContextualArgumentNotContextualInAllSubgraphs = "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS",
        CostAppliedToInterfaceField = "COST_APPLIED_TO_INTERFACE_FIELD",
        DefaultValueUsesInaccessible = "DEFAULT_VALUE_USES_INACCESSIBLE",
        DirectiveCompositionError = "DIRECTIVE_COMPOSITION_ERROR",
        DirectiveDefinitionInvalid = "DIRECTIVE_DEFINITION_INVALID",
        DisallowedInaccessible = "DISALLOWED_INACCESSIBLE",
        EmptyMergedEnumType = "EMPTY_MERGED_ENUM_TYPE",
        EmptyMergedInputType = "EMPTY_MERGED_INPUT_TYPE",
        EnumValueMismatch = "ENUM_VALUE_MISMATCH",
        ExtensionWithNoBase = "EXTENSION_WITH_NO_BASE",
        ExternalArgumentDefaultMismatch = "EXTERNAL_ARGUMENT_DEFAULT_MISMATCH",
        ExternalArgumentMissing = "EXTERNAL_ARGUMENT_MISSING",
        ExternalArgumentTypeMismatch = "EXTERNAL_ARGUMENT_TYPE_MISMATCH",
        ExternalCollisionWithAnotherDirective = "EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE",
        ExternalMissingOnBase = "EXTERNAL_MISSING_ON_BASE",
        ExternalOnInterface = "EXTERNAL_ON_INTERFACE",
        ExternalTypeMismatch = "EXTERNAL_TYPE_MISMATCH",
        ExternalUnused = "EXTERNAL_UNUSED",
        FieldArgumentDefaultMismatch = "FIELD_ARGUMENT_DEFAULT_MISMATCH",
        FieldArgumentTypeMismatch = "FIELD_ARGUMENT_TYPE_MISMATCH",
        FieldTypeMismatch = "FIELD_TYPE_MISMATCH",
        ImplementedByInaccessible = "IMPLEMENTED_BY_INACCESSIBLE",
        InputFieldDefaultMismatch = "INPUT_FIELD_DEFAULT_MISMATCH",
        InterfaceFieldNoImplem = "INTERFACE_FIELD_NO_IMPLEM",
        InterfaceKeyMissingImplementationType = "INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE",
        InterfaceKeyNotOnImplementation = "INTERFACE_KEY_NOT_ON_IMPLEMENTATION",
        InterfaceObjectUsageError = "INTERFACE_OBJECT_USAGE_ERROR",
        InvalidFieldSharing = "INVALID_FIELD_SHARING",
        InvalidGraphql = "INVALID_GRAPHQL",
        InvalidLinkDirectiveUsage = "INVALID_LINK_DIRECTIVE_USAGE",
        InvalidLinkIdentifier = "INVALID_LINK_IDENTIFIER",
        InvalidShareableUsage = "INVALID_SHAREABLE_USAGE",
        InvalidSubgraphName = "INVALID_SUBGRAPH_NAME",
        KeyDirectiveInFieldsArg = "KEY_DIRECTIVE_IN_FIELDS_ARG",
        KeyFieldsHasArgs = "KEY_FIELDS_HAS_ARGS",
        KeyFieldsSelectInvalidType = "KEY_FIELDS_SELECT_INVALID_TYPE",
        KeyInvalidFields = "KEY_INVALID_FIELDS",
        KeyInvalidFieldsType = "KEY_INVALID_FIELDS_TYPE",
        KeyUnsupportedOnInterface = "KEY_UNSUPPORTED_ON_INTERFACE",
        LinkImportNameMismatch = "LINK_IMPORT_NAME_MISMATCH",
        ListSizeAppliedToNonList = "LIST_SIZE_APPLIED_TO_NON_LIST",
        ListSizeInvalidAssumedSize = "LIST_SIZE_INVALID_ASSUMED_SIZE",
        ListSizeInvalidSizedField = "LIST_SIZE_INVALID_SIZED_FIELD",
        ListSizeInvalidSlicingArgument = "LIST_SIZE_INVALID_SLICING_ARGUMENT",
        MergedDirectiveApplicationOnExternal = "MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL",
        MissingTransitiveAuthRequirements = "MISSING_TRANSITIVE_AUTH_REQUIREMENTS",
        NoQueries = "NO_QUERIES",
        OnlyInaccessibleChildren = "ONLY_INACCESSIBLE_CHILDREN",
        OverrideCollisionWithAnotherDirective = "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE",
        OverrideFromSelfError = "OVERRIDE_FROM_SELF_ERROR",
        OverrideLabelInvalid = "OVERRIDE_LABEL_INVALID",
        OverrideOnInterface = "OVERRIDE_ON_INTERFACE",
        OverrideSourceHasOverride = "OVERRIDE_SOURCE_HAS_OVERRIDE",
        ProvidesDirectiveInFieldsArg = "PROVIDES_DIRECTIVE_IN_FIELDS_ARG",
        ProvidesFieldsHasArgs = "PROVIDES_FIELDS_HAS_ARGS",
        ProvidesFieldsMissingExternal = "PROVIDES_FIELDS_MISSING_EXTERNAL",
        ProvidesInvalidFields = "PROVIDES_INVALID_FIELDS",
        ProvidesInvalidFieldsType = "PROVIDES_INVALID_FIELDS_TYPE",
        ProvidesOnNonObjectField = "PROVIDES_ON_NON_OBJECT_FIELD",
        ProvidesUnsupportedOnInterface = "PROVIDES_UNSUPPORTED_ON_INTERFACE",
        QueryRootTypeInaccessible = "QUERY_ROOT_TYPE_INACCESSIBLE",
        ReferencedInaccessible = "REFERENCED_INACCESSIBLE",
        RequiredArgumentMissingInSomeSubgraph = "REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH",
        RequiredInaccessible = "REQUIRED_INACCESSIBLE",
        RequiredInputFieldMissingInSomeSubgraph = "REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH",
        RequiresDirectiveInFieldsArg = "REQUIRES_DIRECTIVE_IN_FIELDS_ARG",
        RequiresFieldsMissingExternal = "REQUIRES_FIELDS_MISSING_EXTERNAL",
        RequiresInvalidFields = "REQUIRES_INVALID_FIELDS",
        RequiresInvalidFieldsType = "REQUIRES_INVALID_FIELDS_TYPE",
        RequiresUnsupportedOnInterface = "REQUIRES_UNSUPPORTED_ON_INTERFACE",
        RootMutationUsed = "ROOT_MUTATION_USED",
        RootQueryUsed = "ROOT_QUERY_USED",
        RootSubscriptionUsed = "ROOT_SUBSCRIPTION_USED",
        SatisfiabilityError = "SATISFIABILITY_ERROR",
        ShareableHasMismatchedRuntimeTypes = "SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES",
        TypeDefinitionInvalid = "TYPE_DEFINITION_INVALID",
        TypeKindMismatch = "TYPE_KIND_MISMATCH",
        TypeWithOnlyUnusedExternal = "TYPE_WITH_ONLY_UNUSED_EXTERNAL",
        UnknownFederationLinkVersion = "UNKNOWN_FEDERATION_LINK_VERSION",
        UnknownLinkVersion = "UNKNOWN_LINK_VERSION",
        UnsupportedFeature = "UNSUPPORTED_FEATURE",
    }
}

codes! {
    /// Codes of the Federation hint reference.
    HintCode {
        ContextualArgumentNotContextualInAllSubgraphs = "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS",
        DirectiveCompositionInfo = "DIRECTIVE_COMPOSITION_INFO",
        DirectiveCompositionWarn = "DIRECTIVE_COMPOSITION_WARN",
        FromSubgraphDoesNotExist = "FROM_SUBGRAPH_DOES_NOT_EXIST",
        ImplicitlyUpgradedFederationVersion = "IMPLICITLY_UPGRADED_FEDERATION_VERSION",
        InconsistentArgumentPresence = "INCONSISTENT_ARGUMENT_PRESENCE",
        InconsistentButCompatibleArgumentType = "INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE",
        InconsistentButCompatibleFieldType = "INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE",
        InconsistentDefaultValuePresence = "INCONSISTENT_DEFAULT_VALUE_PRESENCE",
        InconsistentDescription = "INCONSISTENT_DESCRIPTION",
        InconsistentEntity = "INCONSISTENT_ENTITY",
        InconsistentEnumValueForInputEnum = "INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM",
        InconsistentEnumValueForOutputEnum = "INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM",
        InconsistentExecutableDirectiveLocations = "INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS",
        InconsistentExecutableDirectivePresence = "INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE",
        InconsistentExecutableDirectiveRepeatable = "INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE",
        InconsistentInputObjectField = "INCONSISTENT_INPUT_OBJECT_FIELD",
        InconsistentInterfaceValueTypeField = "INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD",
        InconsistentNonRepeatableDirectiveArguments = "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS",
        InconsistentObjectValueTypeField = "INCONSISTENT_OBJECT_VALUE_TYPE_FIELD",
        InconsistentRuntimeTypesForShareableReturn = "INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN",
        InconsistentUnionMember = "INCONSISTENT_UNION_MEMBER",
        MergedNonRepeatableDirectiveArguments = "MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS",
        NoExecutableDirectiveIntersection = "NO_EXECUTABLE_DIRECTIVE_INTERSECTION",
        OverriddenFieldCanBeRemoved = "OVERRIDDEN_FIELD_CAN_BE_REMOVED",
        OverrideDirectiveCanBeRemoved = "OVERRIDE_DIRECTIVE_CAN_BE_REMOVED",
        OverrideMigrationInProgress = "OVERRIDE_MIGRATION_IN_PROGRESS",
        UnusedEnumType = "UNUSED_ENUM_TYPE",
    }
}
