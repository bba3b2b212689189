//! What federation's directives say about the fields of one subgraph: external, provided, shareable, used in a key.
//!
//! Computed once per subgraph from its field sets. Field sets that do not parse are kept as such and otherwise left
//! out; `validate` reports them.

use apollo_compiler::ast::{Directive, FieldDefinition};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::{Component, ComponentOrigin, DirectiveList, ExtendedType};
use apollo_compiler::{Name, Node};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::federation_spec::FederationDirective;
use crate::field_set::{Coordinate, FieldSet, InvalidFieldSet};
use crate::subgraph::SubgraphSchema;

/// Fields of an object or interface type.
pub(crate) type Fields = apollo_compiler::collections::IndexMap<Name, Component<FieldDefinition>>;

/// One application of `@key`, `@requires` or `@provides`.
#[derive(Debug)]
pub(crate) struct AppliedFieldSet {
    pub(crate) directive: FederationDirective,
    /// The type that has the directive, or whose field has it.
    pub(crate) parent: Name,
    /// The field that has the directive; `None` for `@key`.
    pub(crate) field: Option<Name>,
    /// `fields` as written; `None` when it is not a string.
    pub(crate) text: Option<String>,
    /// The selection, or why there is none. `None` without a `text`, or when the field of a `@provides` is a leaf.
    pub(crate) parsed: Option<Result<FieldSet, InvalidFieldSet>>,
    /// `resolvable` of a `@key`; true otherwise.
    pub(crate) is_resolvable: bool,
    /// Whether a `@key` stands on `extend type`, or on a type with `@extends`.
    pub(crate) is_on_extension: bool,
    pub(crate) span: Option<SourceSpan>,
}

impl AppliedFieldSet {
    /// The selection, if there is a valid one.
    pub(crate) fn field_set(&self) -> Option<&FieldSet> {
        self.parsed.as_ref()?.as_ref().ok()
    }
}

/// What is known about the fields of one subgraph.
#[derive(Debug, Default)]
pub(crate) struct FieldUsage {
    pub(crate) field_sets: Vec<AppliedFieldSet>,
    /// Positions in `field_sets` of the keys of each type, in the order of the document.
    keys: FxHashMap<Name, Vec<usize>>,
    /// Positions in `field_sets` of `@requires` and `@provides`.
    requires: FxHashMap<Coordinate, usize>,
    provides: FxHashMap<Coordinate, usize>,
    external: FxHashSet<Coordinate>,
    /// Key fields of an extension: marked external out of habit, but resolved here.
    fake_external: FxHashSet<Coordinate>,
    provided: FxHashSet<Coordinate>,
    shareable: FxHashSet<Coordinate>,
    used: FxHashSet<Coordinate>,
}

impl FieldUsage {
    pub(crate) fn of(subgraph: &SubgraphSchema) -> Self {
        let mut usage = Self::default();
        let types: Vec<&ExtendedType> = subgraph.own_types().collect();
        for definition in &types {
            usage.collect_field_sets(subgraph, definition);
        }
        usage.index();
        for definition in &types {
            if let Some(fields) = fields_of(definition) {
                usage.collect_marked(subgraph, definition, fields);
            }
        }
        usage.collect_from_field_sets(subgraph);
        usage.collect_interface_implementations(subgraph);
        usage
    }

    /// Keys of a type whose field set is valid.
    pub(crate) fn keys<'u>(&'u self, type_name: &str) -> impl Iterator<Item = &'u AppliedFieldSet> {
        let positions = self.keys.get(type_name).map_or(&[] as &[usize], Vec::as_slice);
        positions.iter().map(|position| &self.field_sets[*position])
    }

    pub(crate) fn has_key(&self, type_name: &str) -> bool {
        self.keys.contains_key(type_name)
    }

    pub(crate) fn requires(&self, coordinate: &Coordinate) -> Option<&AppliedFieldSet> {
        self.requires
            .get(coordinate)
            .map(|position| &self.field_sets[*position])
    }

    pub(crate) fn provides(&self, coordinate: &Coordinate) -> Option<&AppliedFieldSet> {
        self.provides
            .get(coordinate)
            .map(|position| &self.field_sets[*position])
    }

    /// Whether the subgraph says that another one resolves this field.
    pub(crate) fn is_external(&self, coordinate: &Coordinate) -> bool {
        self.external.contains(coordinate) && !self.fake_external.contains(coordinate)
    }

    /// Whether it is marked external although it is a key field of an extension, so that the mark means nothing.
    pub(crate) fn is_fake_external(&self, coordinate: &Coordinate) -> bool {
        self.external.contains(coordinate) && self.fake_external.contains(coordinate)
    }

    /// External and provided on no path: never resolved here.
    pub(crate) fn is_fully_external(&self, coordinate: &Coordinate) -> bool {
        self.is_external(coordinate) && !self.provided.contains(coordinate)
    }

    pub(crate) fn is_shareable(&self, coordinate: &Coordinate) -> bool {
        self.shareable.contains(coordinate)
    }

    /// Whether a field set, an interface or a context selection of this subgraph needs the field.
    pub(crate) fn is_used(&self, coordinate: &Coordinate) -> bool {
        self.used.contains(coordinate)
    }

    fn collect_field_sets(&mut self, subgraph: &SubgraphSchema, definition: &ExtendedType) {
        let name = definition.name();
        if let Some(key) = subgraph.directives.get(FederationDirective::Key) {
            let is_extended = subgraph.has(definition.directives(), FederationDirective::Extends);
            let place = Place {
                parent: name,
                field: None,
                target: Some(name),
            };
            for component in definition
                .directives()
                .iter()
                .filter(|component| component.name == *key)
            {
                let mut applied = read(subgraph, FederationDirective::Key, &place, component);
                applied.is_on_extension = is_extended || component.origin.extension_id().is_some();
                self.field_sets.push(applied);
            }
        }
        let Some(fields) = fields_of(definition) else { return };
        for field in fields.values().filter(|field| !field.directives.is_empty()) {
            self.collect_field_sets_of_field(subgraph, name, field);
        }
    }

    fn collect_field_sets_of_field(&mut self, subgraph: &SubgraphSchema, parent: &Name, field: &FieldDefinition) {
        let composite = subgraph
            .schema
            .types
            .get(field.ty.inner_named_type())
            .filter(|ty| is_composite(ty));
        for (directive, target) in [
            (FederationDirective::Requires, Some(parent)),
            (FederationDirective::Provides, composite.map(ExtendedType::name)),
        ] {
            let place = Place {
                parent,
                field: Some(&field.name),
                target,
            };
            for application in subgraph.applications(&field.directives, directive) {
                self.field_sets.push(read(subgraph, directive, &place, application));
            }
        }
    }

    fn index(&mut self) {
        for (position, applied) in self.field_sets.iter().enumerate() {
            if applied.field_set().is_none() {
                continue;
            }
            match (applied.directive, &applied.field) {
                (FederationDirective::Requires, Some(field)) => {
                    self.requires.insert((applied.parent.clone(), field.clone()), position);
                }
                (FederationDirective::Provides, Some(field)) => {
                    self.provides.insert((applied.parent.clone(), field.clone()), position);
                }
                _ => self.keys.entry(applied.parent.clone()).or_default().push(position),
            }
        }
    }

    /// `@external` and `@shareable` on fields, or on the declaration that holds them.
    fn collect_marked(&mut self, subgraph: &SubgraphSchema, definition: &ExtendedType, fields: &Fields) {
        let directives = definition.directives();
        let is_external = origins(subgraph, directives, FederationDirective::External);
        let is_shareable = origins(subgraph, directives, FederationDirective::Shareable);
        for field in fields.values() {
            let coordinate = || (definition.name().clone(), field.name.clone());
            if is_external.contains(&field.origin) || subgraph.has(&field.directives, FederationDirective::External) {
                self.external.insert(coordinate());
            }
            if is_shareable.contains(&field.origin) || subgraph.has(&field.directives, FederationDirective::Shareable) {
                self.shareable.insert(coordinate());
            }
        }
    }

    fn collect_from_field_sets(&mut self, subgraph: &SubgraphSchema) {
        for applied in &self.field_sets {
            let field_set = match &applied.parsed {
                Some(Ok(field_set)) => field_set,
                Some(Err(invalid)) => {
                    self.used.extend(invalid.coordinates(&subgraph.schema));
                    continue;
                }
                None => continue,
            };
            let coordinates = field_set.coordinates(&subgraph.schema);
            match applied.directive {
                FederationDirective::Key => {
                    self.shareable.extend(coordinates.iter().cloned());
                    if applied.is_on_extension {
                        self.fake_external.extend(coordinates.iter().cloned());
                    }
                }
                FederationDirective::Provides => {
                    self.provided.extend(coordinates.iter().cloned());
                    self.shareable.extend(coordinates.iter().cloned());
                }
                _ => {}
            }
            self.used.extend(coordinates);
        }
    }

    /// A field of an interface may be asked of any of its implementations.
    fn collect_interface_implementations(&mut self, subgraph: &SubgraphSchema) {
        for object in subgraph.own_types().filter_map(ExtendedType::as_object) {
            let interfaces = object.implements_interfaces.iter();
            for interface in interfaces.filter_map(|interface| subgraph.schema.get_interface(interface)) {
                let fields = interface.fields.keys();
                self.used
                    .extend(fields.map(|field| (object.name.clone(), field.clone())));
            }
        }
    }

    /// Marks more fields as used: those that a context selection reads.
    pub(crate) fn add_used(&mut self, coordinates: impl IntoIterator<Item = Coordinate>) {
        self.used.extend(coordinates);
    }
}

/// Fields of an object or interface.
pub(crate) fn fields_of(definition: &ExtendedType) -> Option<&Fields> {
    match definition {
        ExtendedType::Object(object) => Some(&object.fields),
        ExtendedType::Interface(interface) => Some(&interface.fields),
        _ => None,
    }
}

/// Whether something can be selected of a type.
pub(crate) fn is_composite(definition: &ExtendedType) -> bool {
    definition.is_object() || definition.is_interface() || definition.is_union()
}

/// Declarations (`type` or one `extend type`) on which a directive stands.
fn origins(
    subgraph: &SubgraphSchema,
    directives: &DirectiveList,
    directive: FederationDirective,
) -> Vec<ComponentOrigin> {
    let Some(name) = subgraph.directives.get(directive) else {
        return Vec::new();
    };
    directives
        .iter()
        .filter(|component| component.name == *name)
        .map(|component| component.origin.clone())
        .collect()
}

/// Where a field set stands and what it selects from.
struct Place<'a> {
    parent: &'a Name,
    field: Option<&'a Name>,
    target: Option<&'a Name>,
}

fn read(
    subgraph: &SubgraphSchema,
    directive: FederationDirective,
    place: &Place<'_>,
    application: &Node<Directive>,
) -> AppliedFieldSet {
    let text = crate::link::string_argument(application, "fields");
    let parsed = match (place.target, &text) {
        (Some(target), Some(text)) => Some(FieldSet::parse(&subgraph.schema, target, text)),
        _ => None,
    };
    let resolvable = application
        .specified_argument_by_name("resolvable")
        .and_then(|value| value.to_bool());
    AppliedFieldSet {
        directive,
        parent: place.parent.clone(),
        field: place.field.cloned(),
        text,
        parsed,
        is_resolvable: resolvable.unwrap_or(true),
        is_on_extension: false,
        span: application.location(),
    }
}
