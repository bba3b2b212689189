//! Turns Federation 1 subgraphs into Federation 2 subgraphs that mean the same.
//!
//! Federation 1 let much pass that Federation 2 refuses: `@external` where nothing is external, value types without
//! `@shareable`, directives without effect. What had no effect is taken away, what was implied is written out. What
//! can be told only with the other subgraphs in view is decided on all of them as they were written.

use apollo_compiler::ast::{Directive, FieldDefinition, Value};
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::{Component, ComponentOrigin, DirectiveList, ExtendedType};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Node, Schema, name};
use rustc_hash::FxHashSet;

use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::{FederationDirective, NEWEST_VERSION};
use crate::field_set::Coordinate;
use crate::field_usage::{FieldUsage, fields_of, is_composite};
use crate::subgraph::SubgraphSchema;
use crate::validate::validate;

/// Upgrades those of `subgraphs` that are of Federation 1.
///
/// # Errors
/// Extensions of types that no subgraph defines, and Federation 2 features that cannot be mixed with Federation 1.
pub(crate) fn upgrade(subgraphs: Vec<SubgraphSchema>) -> Result<Vec<SubgraphSchema>, Vec<CompositionError>> {
    if subgraphs.iter().all(SubgraphSchema::is_federation_2) {
        return Ok(subgraphs);
    }
    let errors = check(&subgraphs);
    if !errors.is_empty() {
        // What is wrong with single subgraphs comes before what they are to each other, as when one cannot be read.
        let own = errors_of_federation_2(subgraphs);
        return Err(if own.is_empty() { errors } else { own });
    }
    let originals: Vec<Original> = subgraphs.into_iter().map(Original::new).collect();
    let upgraded = originals.iter().enumerate().map(|(index, original)| {
        if original.subgraph.is_federation_2() {
            return Ok(original.subgraph.clone());
        }
        Upgrade {
            originals: &originals,
            index,
            subgraph: original.subgraph.clone(),
        }
        .run()
    });
    crate::each(upgraded)
}

fn errors_of_federation_2(subgraphs: Vec<SubgraphSchema>) -> Vec<CompositionError> {
    let checked = subgraphs.into_iter().filter(SubgraphSchema::is_federation_2);
    let errors = checked.filter_map(|subgraph| validate(subgraph, name!("join__Graph")).err());
    errors.flatten().collect()
}

/// A subgraph as it was written.
struct Original {
    subgraph: SubgraphSchema,
    usage: FieldUsage,
}

impl Original {
    fn new(mut subgraph: SubgraphSchema) -> Self {
        if !subgraph.is_federation_2() {
            edit(&mut subgraph, |subgraph, schema| {
                write_fields_as_strings(subgraph, schema);
            });
        }
        let usage = FieldUsage::of(&subgraph);
        Self { subgraph, usage }
    }
}

fn check(subgraphs: &[SubgraphSchema]) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    let interface_object = subgraphs.iter().find_map(|subgraph| {
        let definition = subgraph
            .own_types()
            .find(|definition| subgraph.is_interface_object(definition))?;
        Some((subgraph, definition))
    });
    if let Some((subgraph, definition)) = interface_object {
        let message = format!(
            "`{}` is an `@interfaceObject`, which needs every subgraph to be of Federation 2; add a `@link` to federation to \
             the others",
            definition.name()
        );
        errors.push(subgraph.error(ErrorCode::InterfaceObjectUsageError, definition.location(), &message));
    }
    for subgraph in subgraphs.iter().filter(|subgraph| !subgraph.is_federation_2()) {
        let orphans = subgraph.own_types().filter(|definition| {
            is_federation_1_extension(subgraph, definition)
                && !is_root(definition.name())
                && !subgraphs.iter().any(|other| {
                    other.name != subgraph.name
                        && other
                            .schema
                            .types
                            .get(definition.name())
                            .is_some_and(|found| !is_declared_by_extension(found))
                })
        });
        errors.extend(orphans.map(|definition| {
            let message = format!(
                "`{}` is extended here, but no subgraph defines it; write `type` instead of `extend type` in one of them",
                definition.name()
            );
            subgraph.error(ErrorCode::ExtensionWithNoBase, definition.name().location(), &message)
        }));
    }
    errors
}

fn is_root(name: &str) -> bool {
    matches!(name, "Query" | "Mutation" | "Subscription")
}

/// Only `extend type`, never `type`.
fn is_declared_by_extension(definition: &ExtendedType) -> bool {
    let mut origins = definition.iter_origins().peekable();
    origins.peek().is_some() && origins.all(|origin| origin.extension_id().is_some())
}

/// An extension in the sense of Federation 1: of a type that another subgraph owns.
fn is_federation_1_extension(subgraph: &SubgraphSchema, definition: &ExtendedType) -> bool {
    (definition.is_object() || definition.is_interface())
        && (is_declared_by_extension(definition) || subgraph.has(definition.directives(), FederationDirective::Extends))
}

/// Runs `change` on the schema of a subgraph.
fn edit(subgraph: &mut SubgraphSchema, change: impl FnOnce(&SubgraphSchema, &mut Schema)) {
    let mut schema = subgraph.schema.clone().into_inner();
    change(subgraph, &mut schema);
    subgraph.schema = Valid::assume_valid(schema);
}

struct Upgrade<'a> {
    originals: &'a [Original],
    index: usize,
    subgraph: SubgraphSchema,
}

impl Upgrade<'_> {
    fn run(mut self) -> Result<SubgraphSchema, Vec<CompositionError>> {
        self.remove_meaningless_externals();
        self.remove_inactive_field_sets();
        self.remove_unused_externals()?;
        self.forget_extensions();
        self.add_shareable();
        self.remove_tags_on_externals();
        self.subgraph.version = Some(NEWEST_VERSION);
        Ok(self.subgraph)
    }

    fn others(&self) -> impl Iterator<Item = &Original> {
        let own = self.index;
        self.originals
            .iter()
            .enumerate()
            .filter(move |(index, _)| *index != own)
            .map(|(_, original)| original)
    }

    /// Changes every field of object and interface types.
    fn edit_fields(&mut self, mut change: impl FnMut(&SubgraphSchema, &ExtendedType, &mut FieldDefinition)) {
        edit(&mut self.subgraph, |subgraph, schema| {
            for definition in subgraph
                .own_types()
                .filter(|definition| fields_of(definition).is_some())
            {
                let fields = match schema.types.get_mut(definition.name()) {
                    Some(ExtendedType::Object(object)) => &mut object.make_mut().fields,
                    Some(ExtendedType::Interface(interface)) => &mut interface.make_mut().fields,
                    _ => continue,
                };
                for field in fields.values_mut() {
                    change(subgraph, definition, field.make_mut());
                }
            }
        });
    }

    /// On interfaces, on whole types, and on key fields of extensions Federation 1 did not look at `@external`; on
    /// interfaces it looked at no directive of its own.
    fn remove_meaningless_externals(&mut self) {
        let not_external = self.key_fields_of_extensions();
        self.edit_fields(|subgraph, definition, field| {
            let coordinate = (definition.name().clone(), field.name.clone());
            if definition.is_interface() {
                for directive in [
                    FederationDirective::External,
                    FederationDirective::Requires,
                    FederationDirective::Provides,
                ] {
                    remove(subgraph, &mut field.directives.0, directive);
                }
            } else if not_external.contains(&coordinate) {
                remove(subgraph, &mut field.directives.0, FederationDirective::External);
            }
            let target = subgraph.schema.types.get(field.ty.inner_named_type());
            if !target.is_some_and(is_composite) {
                remove(subgraph, &mut field.directives.0, FederationDirective::Provides);
            }
        });
        edit(&mut self.subgraph, |subgraph, schema| {
            for definition in schema.types.values_mut() {
                match definition {
                    ExtendedType::Object(object) => {
                        remove_component(
                            subgraph,
                            &mut object.make_mut().directives,
                            FederationDirective::External,
                        );
                    }
                    ExtendedType::Interface(interface) => {
                        remove_component(subgraph, &mut interface.make_mut().directives, FederationDirective::Key);
                    }
                    _ => {}
                }
            }
        });
    }

    /// Key fields of an extension are resolved by it; without a key of its own, by the first key of the type's owner.
    fn key_fields_of_extensions(&self) -> FxHashSet<Coordinate> {
        let usage = &self.originals[self.index].usage;
        let mut found = FxHashSet::default();
        for definition in self.subgraph.own_types() {
            if !is_federation_1_extension(&self.subgraph, definition) {
                continue;
            }
            let name = definition.name();
            if usage.has_key(name) {
                let own = usage
                    .keys(name)
                    .filter_map(|key| Some((&self.subgraph, key.field_set()?)));
                own.for_each(|(subgraph, fields)| found.extend(fields.coordinates(&subgraph.schema)));
            } else {
                for other in self.others() {
                    let first = other.usage.keys(name).next().and_then(|key| key.field_set());
                    found.extend(
                        first
                            .into_iter()
                            .flat_map(|fields| fields.coordinates(&other.subgraph.schema)),
                    );
                }
            }
        }
        found
    }

    /// In `@requires` and `@provides` only external fields had an effect.
    fn remove_inactive_field_sets(&mut self) {
        let usage = FieldUsage::of(&self.subgraph);
        self.edit_fields(|subgraph, definition, field| {
            let coordinate = (definition.name().clone(), field.name.clone());
            for (directive, applied) in [
                (FederationDirective::Requires, usage.requires(&coordinate)),
                (FederationDirective::Provides, usage.provides(&coordinate)),
            ] {
                let Some(field_set) = applied.and_then(|applied| applied.field_set()) else {
                    continue;
                };
                let active = external_only(&usage, &field_set.selection);
                if active.selections.is_empty() {
                    remove(subgraph, &mut field.directives.0, directive);
                } else if active != field_set.selection {
                    let text = selection_text(&active);
                    replace_fields(subgraph, &mut field.directives.0, directive, &text);
                }
            }
        });
    }

    fn remove_unused_externals(&mut self) -> Result<(), Vec<CompositionError>> {
        let usage = FieldUsage::of(&self.subgraph);
        let mut emptied = Vec::new();
        edit(&mut self.subgraph, |_, schema| {
            for definition in schema.types.values_mut() {
                let ExtendedType::Object(object) = definition else {
                    continue;
                };
                let is_unused = |name: &Name, field: &Name| {
                    let coordinate = (name.clone(), field.clone());
                    usage.is_external(&coordinate) && !usage.is_used(&coordinate)
                };
                if !object.fields.keys().any(|field| is_unused(&object.name, field)) {
                    continue;
                }
                let name = object.name.clone();
                let object = object.make_mut();
                object.fields.retain(|field, _| !is_unused(&name, field));
                if object.fields.is_empty() {
                    emptied.push(name);
                }
            }
        });
        let errors: Vec<_> = emptied
            .into_iter()
            .filter_map(|name| self.remove_empty_type(&name))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn remove_empty_type(&mut self, name: &Name) -> Option<CompositionError> {
        let is_referenced = self.subgraph.own_types().any(|definition| {
            let is_member = definition
                .as_union()
                .is_some_and(|union| union.members.contains(name.as_str()));
            let mut fields = fields_of(definition).into_iter().flat_map(|fields| fields.values());
            is_member || fields.any(|field| field.ty.inner_named_type() == name)
        });
        if is_referenced {
            let message =
                format!("`{name}` has only `@external` fields that nothing uses; remove it and what refers to it");
            let span = self.subgraph.schema.types.get(name).and_then(ExtendedType::location);
            return Some(
                self.subgraph
                    .error(ErrorCode::TypeWithOnlyUnusedExternal, span, &message),
            );
        }
        edit(&mut self.subgraph, |_, schema| {
            schema.types.shift_remove(name);
        });
        None
    }

    /// `extend type` of a type that another subgraph defines is a definition like any other in Federation 2.
    fn forget_extensions(&mut self) {
        edit(&mut self.subgraph, |subgraph, schema| {
            for definition in subgraph
                .own_types()
                .filter(|definition| is_declared_by_extension(definition))
            {
                match schema.types.get_mut(definition.name()) {
                    Some(ExtendedType::Object(object)) => {
                        let object = object.make_mut();
                        object
                            .directives
                            .iter_mut()
                            .for_each(|directive| directive.origin = ComponentOrigin::Definition);
                        object
                            .fields
                            .values_mut()
                            .for_each(|field| field.origin = ComponentOrigin::Definition);
                    }
                    Some(ExtendedType::Interface(interface)) => {
                        let interface = interface.make_mut();
                        interface
                            .directives
                            .iter_mut()
                            .for_each(|directive| directive.origin = ComponentOrigin::Definition);
                        interface
                            .fields
                            .values_mut()
                            .for_each(|field| field.origin = ComponentOrigin::Definition);
                    }
                    _ => {}
                }
            }
        });
    }

    /// Value types could be shared by anybody, and so could fields of entities that several subgraphs resolve.
    fn add_shareable(&mut self) {
        let shared: FxHashSet<Coordinate> = self.fields_to_share().into_iter().collect();
        let shareable = name!("federation__shareable");
        self.subgraph
            .directives
            .set(FederationDirective::Shareable, shareable.clone());
        self.edit_fields(|_, definition, field| {
            if shared.contains(&(definition.name().clone(), field.name.clone())) {
                field.directives.push(Directive {
                    name: shareable.clone(),
                    arguments: Vec::new(),
                });
            }
        });
    }

    fn fields_to_share(&self) -> Vec<Coordinate> {
        let usage = &self.originals[self.index].usage;
        let mut shared = Vec::new();
        for definition in self.subgraph.own_types() {
            let Some(object) = definition.as_object() else { continue };
            let is_value_type = !usage.has_key(&object.name) && !is_root(&object.name);
            let is_elsewhere = self
                .others()
                .any(|other| other.subgraph.schema.types.contains_key(&object.name));
            for field in object.fields.keys() {
                let coordinate = (object.name.clone(), field.clone());
                let is_shared = match is_value_type {
                    true => is_elsewhere,
                    false => !usage.is_shareable(&coordinate) && self.is_resolved_elsewhere(&coordinate),
                };
                if is_shared {
                    shared.push(coordinate);
                }
            }
        }
        shared
    }

    fn is_resolved_elsewhere(&self, coordinate: &Coordinate) -> bool {
        self.others().any(|other| {
            let fields = other.subgraph.schema.types.get(&coordinate.0).and_then(fields_of);
            fields.is_some_and(|fields| fields.contains_key(&coordinate.1))
                && !other.usage.is_fully_external(coordinate)
        })
    }

    /// A tag on an external field counts where the field is resolved; repeating it was allowed.
    fn remove_tags_on_externals(&mut self) {
        let usage = FieldUsage::of(&self.subgraph);
        let originals = self.originals;
        let own = self.index;
        self.edit_fields(|subgraph, definition, field| {
            let coordinate = (definition.name().clone(), field.name.clone());
            if !usage.is_external(&coordinate) {
                return;
            }
            let is_repeated = |tag: &Directive| {
                originals
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| *index != own)
                    .any(|(_, other)| {
                        let fields = other.subgraph.schema.types.get(&coordinate.0).and_then(fields_of);
                        let same = fields.and_then(|fields| fields.get(&coordinate.1));
                        same.is_some_and(|field| {
                            let mut tags = other.subgraph.applications(&field.directives, FederationDirective::Tag);
                            tags.any(|other| other.arguments == tag.arguments)
                        })
                    })
            };
            let tag_name = subgraph.directives.get(FederationDirective::Tag).cloned();
            field
                .directives
                .0
                .retain(|directive| Some(&directive.name) != tag_name.as_ref() || !is_repeated(directive));
        });
    }
}

fn remove(subgraph: &SubgraphSchema, directives: &mut Vec<Node<Directive>>, directive: FederationDirective) {
    if let Some(name) = subgraph.directives.get(directive) {
        directives.retain(|own| own.name != *name);
    }
}

fn remove_component(subgraph: &SubgraphSchema, directives: &mut DirectiveList, directive: FederationDirective) {
    if let Some(name) = subgraph.directives.get(directive) {
        directives.retain(|own| own.name != *name);
    }
}

fn replace_fields(
    subgraph: &SubgraphSchema,
    directives: &mut [Node<Directive>],
    directive: FederationDirective,
    text: &str,
) {
    let Some(name) = subgraph.directives.get(directive) else {
        return;
    };
    for own in directives.iter_mut().filter(|own| own.name == *name) {
        set_fields(own, text);
    }
}

fn set_fields(directive: &mut Node<Directive>, text: &str) {
    for argument in directive
        .make_mut()
        .arguments
        .iter_mut()
        .filter(|argument| argument.name == "fields")
    {
        argument.make_mut().value = Node::new(Value::String(text.to_owned()));
    }
}

/// `fields: ["id", "sku"]` and `fields: id` were understood.
fn write_fields_as_strings(subgraph: &SubgraphSchema, schema: &mut Schema) {
    let is_key = |directive: &Component<Directive>| {
        subgraph
            .directives
            .get(FederationDirective::Key)
            .is_some_and(|name| directive.name == *name)
    };
    for definition in schema.types.values_mut() {
        if definition.is_built_in() {
            continue;
        }
        let (directives, fields) = match definition {
            ExtendedType::Object(object) => {
                let object = object.make_mut();
                (&mut object.directives, &mut object.fields)
            }
            ExtendedType::Interface(interface) => {
                let interface = interface.make_mut();
                (&mut interface.directives, &mut interface.fields)
            }
            _ => continue,
        };
        for directive in directives.iter_mut().filter(|directive| is_key(directive)) {
            if let Some(text) = fields_text(directive) {
                set_fields(&mut directive.node, &text);
            }
        }
        for field in fields.values_mut().filter(|field| !field.directives.is_empty()) {
            for directive in &mut field.make_mut().directives.0 {
                if let Some(text) = fields_text(directive) {
                    set_fields(directive, &text);
                }
            }
        }
    }
}

fn fields_text(directive: &Directive) -> Option<String> {
    match &**directive.specified_argument_by_name("fields")? {
        Value::Enum(name) => Some(name.to_string()),
        Value::List(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.as_str()).collect();
            Some(texts?.join(" "))
        }
        _ => None,
    }
}

/// The selection without leaves that are not external.
fn external_only(usage: &FieldUsage, selection: &SelectionSet) -> SelectionSet {
    let keep = |item: &Selection| match item {
        Selection::Field(field) if usage.is_external(&(selection.ty.clone(), field.name.clone())) => Some(item.clone()),
        Selection::Field(field) => {
            let mut field = field.clone();
            let nested = external_only(usage, &field.selection_set);
            (!nested.selections.is_empty()).then(|| {
                field.make_mut().selection_set = nested;
                Selection::Field(field)
            })
        }
        Selection::InlineFragment(fragment) => {
            let mut fragment = fragment.clone();
            let nested = external_only(usage, &fragment.selection_set);
            (!nested.selections.is_empty()).then(|| {
                fragment.make_mut().selection_set = nested;
                Selection::InlineFragment(fragment)
            })
        }
        Selection::FragmentSpread(_) => None,
    };
    SelectionSet {
        ty: selection.ty.clone(),
        selections: selection.selections.iter().filter_map(keep).collect(),
    }
}

/// `id dims { h }`, without outer braces.
fn selection_text(selection: &SelectionSet) -> String {
    let items: Vec<_> = selection
        .selections
        .iter()
        .map(|item| item.serialize().no_indent().to_string())
        .collect();
    items.join(" ")
}
