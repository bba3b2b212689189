//! Gives root types their usual names: `schema { query: RootQuery }` becomes `type Query`, so that root types of all
//! subgraphs merge.
//!
//! Works on the document, before types are looked up by name.

use apollo_compiler::ast::{Definition, Document, FieldDefinition, OperationType};
use apollo_compiler::{Name, Node};
use indexmap::IndexMap;

use super::definitions::renamed_type;
use crate::error::ErrorCode;

/// A root type cannot get its usual name because another type has it.
pub(super) struct RootNameTaken {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) name: Name,
}

/// Renames root types in the whole document.
pub(super) fn rename_root_types(document: &mut Document) -> Result<(), Vec<RootNameTaken>> {
    let roots = declared_roots(document);
    let mut renames: IndexMap<Name, Name> = IndexMap::new();
    let mut errors = Vec::new();
    for (operation, declared) in &roots {
        let usual = operation.default_type_name();
        if *declared == usual {
            continue;
        }
        if defines_type(document, &usual) {
            errors.push(taken(*operation, declared));
        } else {
            renames.insert(declared.clone(), usual);
        }
    }
    // Without a `schema` definition every type of a usual name is a root type already.
    if !errors.is_empty() {
        return Err(errors);
    }
    if !renames.is_empty() {
        Renamer { renames }.document(document);
    }
    Ok(())
}

fn taken(operation: OperationType, declared: &Name) -> RootNameTaken {
    let usual = operation.default_type_name();
    let code = match operation {
        OperationType::Query => ErrorCode::RootQueryUsed,
        OperationType::Mutation => ErrorCode::RootMutationUsed,
        OperationType::Subscription => ErrorCode::RootSubscriptionUsed,
    };
    let message = format!(
        "`{declared}` is the root type of {operation} operations, but another type is called `{usual}`, the name that root type \
         has in the supergraph; rename the other type"
    );
    RootNameTaken {
        code,
        message,
        name: declared.clone(),
    }
}

fn declared_roots(document: &Document) -> Vec<(OperationType, Name)> {
    let operations = document.definitions.iter().flat_map(|definition| match definition {
        Definition::SchemaDefinition(schema) => schema.root_operations.as_slice(),
        Definition::SchemaExtension(schema) => schema.root_operations.as_slice(),
        _ => &[],
    });
    operations.map(|operation| (operation.0, operation.1.clone())).collect()
}

fn defines_type(document: &Document, name: &str) -> bool {
    document.definitions.iter().any(|definition| match definition {
        Definition::DirectiveDefinition(_) => false,
        other => other.name().is_some_and(|own| own == name),
    })
}

struct Renamer {
    renames: IndexMap<Name, Name>,
}

impl Renamer {
    fn document(&self, document: &mut Document) {
        for definition in &mut document.definitions {
            self.definition(definition);
        }
    }

    fn definition(&self, definition: &mut Definition) {
        match definition {
            Definition::SchemaDefinition(schema) => self.roots(&mut schema.make_mut().root_operations),
            Definition::SchemaExtension(schema) => self.roots(&mut schema.make_mut().root_operations),
            Definition::ObjectTypeDefinition(object) => {
                let object = object.make_mut();
                self.name(&mut object.name);
                self.fields(&mut object.fields);
            }
            Definition::ObjectTypeExtension(object) => {
                let object = object.make_mut();
                self.name(&mut object.name);
                self.fields(&mut object.fields);
            }
            Definition::InterfaceTypeDefinition(interface) => self.fields(&mut interface.make_mut().fields),
            Definition::InterfaceTypeExtension(interface) => self.fields(&mut interface.make_mut().fields),
            Definition::UnionTypeDefinition(union) => self.names(&mut union.make_mut().members),
            Definition::UnionTypeExtension(union) => self.names(&mut union.make_mut().members),
            _ => {}
        }
    }

    fn roots(&self, roots: &mut [Node<(OperationType, Name)>]) {
        for root in roots {
            self.name(&mut root.make_mut().1);
        }
    }

    fn names(&self, names: &mut [Name]) {
        for name in names {
            self.name(name);
        }
    }

    fn fields(&self, fields: &mut [Node<FieldDefinition>]) {
        for field in fields {
            if let Some(name) = self.renames.get(field.ty.inner_named_type()) {
                let renamed = renamed_type(&field.ty, name);
                field.make_mut().ty = renamed;
            }
        }
    }

    fn name(&self, name: &mut Name) {
        // The place is lost: a name's span must be as long as the name.
        if let Some(renamed) = self.renames.get(name) {
            *name = renamed.clone();
        }
    }
}
