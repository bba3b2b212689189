//! Access requirements of interfaces: asking an interface for a field must need no less than asking its implementations.
//!
//! A field that an `@interfaceObject` guards is guarded in all implementations; an interface and its fields ask for all
//! that any implementation asks for.

use apollo_compiler::ast::Directive;
use apollo_compiler::schema::{Component, ExtendedType};
use apollo_compiler::{Name, Node};

use super::Merger;
use super::directives::{ComposedKind, combine};
use crate::error::HintCode;
use crate::federation_spec::FederationDirective;
use crate::field_usage::fields_of;
use crate::supergraph_rules::place_of;
use crate::validate::ACCESS_DIRECTIVES;

impl Merger<'_> {
    pub(super) fn spread_access_requirements(&mut self) {
        let interfaces: Vec<Name> = self
            .schema
            .types
            .values()
            .filter_map(|definition| definition.as_interface().map(|interface| interface.name.clone()))
            .collect();
        for directive in ACCESS_DIRECTIVES {
            let Some(name) = self.composed.name_of(directive).cloned() else {
                continue;
            };
            let access = Access { directive, name };
            for interface in &interfaces {
                let objects = self.implementations(interface);
                self.spread_downwards(&access, interface, &objects);
                self.spread_upwards(&access, interface, &objects);
            }
        }
    }

    fn spread_downwards(&mut self, access: &Access, interface: &Name, objects: &[Name]) {
        let Some(ExtendedType::Interface(definition)) = self.schema.types.get(interface).cloned() else {
            return;
        };
        for field in definition.fields.values() {
            let Some(required) = access.of(field.directives.iter()) else {
                continue;
            };
            for object in objects {
                let own = self.field_requirement(access, object, &field.name);
                self.set_field_requirement(
                    access,
                    (object, &field.name),
                    own.into_iter().chain([required.clone()]).collect(),
                );
            }
        }
    }

    fn spread_upwards(&mut self, access: &Access, interface: &Name, objects: &[Name]) {
        let Some(ExtendedType::Interface(definition)) = self.schema.types.get(interface).cloned() else {
            return;
        };
        for field in definition.fields.keys() {
            let required = objects
                .iter()
                .filter_map(|object| self.field_requirement(access, object, field))
                .collect();
            self.set_field_requirement(access, (interface, field), required);
        }
        let of_types = objects.iter().filter_map(|object| {
            let definition = self.schema.types.get(object)?;
            access.of(definition.directives().iter().map(|component| &component.node))
        });
        let Some((required, are_different)) = access.all_of(of_types.collect()) else {
            return;
        };
        if are_different {
            self.hint_combined(access, interface, interface);
        }
        if let Some(ExtendedType::Interface(definition)) = self.schema.types.get_mut(interface) {
            definition.make_mut().directives.push(Component::from(required));
        }
    }

    fn field_requirement(&self, access: &Access, type_name: &Name, field: &Name) -> Option<Node<Directive>> {
        access.of(fields_of(self.schema.types.get(type_name)?)?
            .get(field)?
            .directives
            .iter())
    }

    fn hint_combined(&mut self, access: &Access, type_name: &Name, place: &str) {
        let message = format!(
            "`{place}` asks for all that the `@{}` of the interface and its implementations ask for, which differ",
            access.name
        );
        let sources = self.sources.get(type_name).into_iter().flatten();
        let spans: Vec<_> = sources
            .map(|(index, definition)| (*index, place_of(definition)))
            .collect();
        self.hint(HintCode::MergedNonRepeatableDirectiveArguments, message, spans);
    }

    fn set_field_requirement(
        &mut self,
        access: &Access,
        (type_name, field): (&Name, &Name),
        required: Vec<Node<Directive>>,
    ) {
        let Some((required, are_different)) = access.all_of(required) else {
            return;
        };
        if are_different {
            self.hint_combined(access, type_name, &format!("{type_name}.{field}"));
        }
        let fields = match self.schema.types.get_mut(type_name) {
            Some(ExtendedType::Object(object)) => &mut object.make_mut().fields,
            Some(ExtendedType::Interface(interface)) => &mut interface.make_mut().fields,
            _ => return,
        };
        if let Some(field) = fields.get_mut(field) {
            let directives = &mut field.make_mut().directives;
            directives.0.retain(|own| own.name != access.name);
            directives.push(required);
        }
    }
}

/// One access directive and its name in the supergraph.
struct Access {
    directive: FederationDirective,
    name: Name,
}

impl Access {
    fn of<'d>(&self, mut directives: impl Iterator<Item = &'d Node<Directive>>) -> Option<Node<Directive>> {
        directives.find(|directive| directive.name == self.name).cloned()
    }

    /// One requirement that includes all, and whether they differ; `None` if there is none.
    fn all_of(&self, required: Vec<Node<Directive>>) -> Option<(Node<Directive>, bool)> {
        let mut different: Vec<Node<Directive>> = Vec::new();
        for directive in required {
            if !different.contains(&directive) {
                different.push(directive);
            }
        }
        let first = different.first()?.clone();
        let all: Vec<&Directive> = different.iter().map(|directive| &**directive).collect();
        match all.as_slice() {
            [_] => Some((first, false)),
            // Without arguments (`@authenticated`) one is like another.
            all => match combine(ComposedKind::Federation(self.directive), &self.name, all) {
                Some(combined) => Some((combined, true)),
                None => Some((first, false)),
            },
        }
    }
}
