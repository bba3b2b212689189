//! `__schema` and `__type`: an operation for the router to run on the API schema, and what of it the client receives.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use apollo_compiler::ast::{Type, Value};
use apollo_compiler::executable::{ExecutableDocument, Field, Selection, SelectionSet};
use apollo_compiler::{Name, Node};
use federation::api_schema::ApiSchema;
use federation::operation::Operation;
use federation::query_plan::{BooleanCondition, FieldType, LeafType, ResponseField, ResponseShape, ResponseSource};
use indexmap::IndexMap;

use crate::normalize::{applied, is_introspection};
use crate::selection::Conditions;

/// What of an operation is introspection.
#[derive(Default)]
pub(crate) struct Introspection {
    /// To be run on the API schema.
    pub(crate) document: Option<String>,
    /// With their places in the client's order.
    pub(crate) fields: Vec<(u32, ResponseField)>,
}

/// Takes the introspection out of `operation`.
pub(crate) fn plan(operation: &Operation) -> Introspection {
    let mut writer = Writer {
        document: operation.document(),
        schema: operation.schema(),
        order: 0,
        variables: BTreeSet::new(),
    };
    let roots = writer.fields(&[(&operation.definition().selection_set, Arc::from([]))], true);
    let roots: Vec<_> = roots
        .into_iter()
        .filter(|(_, found)| is_introspection(&found[0].field.name))
        .collect();
    if roots.is_empty() {
        return Introspection::default();
    }
    let mut text = String::new();
    let mut fields = Vec::new();
    for (number, (response_name, found)) in roots.iter().enumerate() {
        // Names that begin with two underscores are no field of any subgraph, so that nothing stored clashes.
        let storage_name = if number == 0 {
            found[0].field.name.to_string()
        } else {
            format!("__introspection_{number}")
        };
        let storage_name = Name::new(&storage_name).expect("letters, digits and underscores are a name");
        writer.text(&mut text, &storage_name, found);
        for field in writer.response(response_name, &storage_name, found) {
            fields.push((found[0].order, field));
        }
    }
    let mut definitions = Vec::new();
    for variable in &operation.definition().variables {
        if writer.variables.contains(&variable.name) {
            let default = variable.default_value.as_ref();
            let default = default
                .map(|value| format!("={}", value.serialize().no_indent()))
                .unwrap_or_default();
            definitions.push(format!("${}:{}{default}", variable.name, variable.ty));
        }
    }
    let head = if definitions.is_empty() {
        String::new()
    } else {
        format!("query({})", definitions.join(","))
    };
    Introspection {
        document: Some(format!("{head}{{{text}}}")),
        fields,
    }
}

struct Found<'a> {
    order: u32,
    field: &'a Node<Field>,
    conditions: Arc<[BooleanCondition]>,
}

type Fields<'a> = IndexMap<&'a Name, Vec<Found<'a>>>;

type Selections<'a> = (&'a SelectionSet, Arc<[BooleanCondition]>);

struct Writer<'a> {
    document: &'a ExecutableDocument,
    schema: &'a ApiSchema,
    order: u32,
    variables: BTreeSet<Name>,
}

impl<'a> Writer<'a> {
    /// All types of introspection are objects, so that every fragment applies.
    fn fields(&mut self, selections: &[Selections<'a>], is_root: bool) -> Fields<'a> {
        let mut fields = Fields::default();
        let mut seen = BTreeSet::new();
        if is_root {
            self.order = 0;
        }
        for (selection_set, conditions) in selections {
            let conditions: Conditions = conditions.iter().cloned().collect();
            self.collect(selection_set, &conditions, &mut fields, &mut seen);
        }
        fields
    }

    fn collect(
        &mut self,
        selection_set: &'a SelectionSet,
        conditions: &Conditions,
        fields: &mut Fields<'a>,
        seen: &mut BTreeSet<(Name, Vec<BooleanCondition>)>,
    ) {
        for selection in &selection_set.selections {
            let Some(conditions) = applied(conditions, selection.directives()) else {
                continue;
            };
            match selection {
                Selection::Field(field) => {
                    let found = Found {
                        order: self.order,
                        field,
                        conditions: conditions.iter().cloned().collect(),
                    };
                    self.order += 1;
                    fields.entry(field.response_key()).or_default().push(found);
                }
                Selection::InlineFragment(fragment) => self.collect(&fragment.selection_set, &conditions, fields, seen),
                Selection::FragmentSpread(spread) => {
                    let visit = (spread.fragment_name.clone(), conditions.to_vec());
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                        && seen.insert(visit)
                    {
                        self.collect(&fragment.selection_set, &conditions, fields, seen);
                    }
                }
            }
        }
    }

    fn children(&mut self, found: &[Found<'a>]) -> Fields<'a> {
        let selections: Vec<Selections<'a>> = found
            .iter()
            .map(|found| (&found.field.selection_set, Arc::clone(&found.conditions)))
            .collect();
        let order = self.order;
        let fields = self.fields(&selections, false);
        self.order = order;
        fields
    }

    /// Everything is asked for, whatever the conditions: the answer is at hand, and the response leaves out.
    fn text(&mut self, text: &mut String, storage_name: &Name, found: &[Found<'a>]) {
        let field = found[0].field;
        if *storage_name != field.name {
            let _ = write!(text, "{storage_name}:");
        }
        text.push_str(&field.name);
        for (index, argument) in field.arguments.iter().enumerate() {
            let before = if index == 0 { "(" } else { "," };
            let _ = write!(
                text,
                "{before}{}:{}",
                argument.name,
                argument.value.serialize().no_indent()
            );
            if let Value::Variable(name) = argument.value.as_ref() {
                self.variables.insert(name.clone());
            }
        }
        if !field.arguments.is_empty() {
            text.push(')');
        }
        let children = self.children(found);
        if !children.is_empty() {
            text.push('{');
            for (response_name, found) in &children {
                self.text(text, response_name, found);
                text.push(' ');
            }
            text.push('}');
        }
    }

    fn response(&mut self, response_name: &Name, storage_name: &Name, found: &[Found<'a>]) -> Vec<ResponseField> {
        let children = self.children(found);
        let mut selection = ResponseShape::default();
        for (name, found) in &children {
            selection.fields.extend(self.response(name, name, found));
        }
        let selection = Arc::new(selection);
        let field_type = self.field_type(found[0].field.ty());
        let typename = found[0].field.name == "__typename";
        let mut seen: Vec<&[BooleanCondition]> = Vec::new();
        let mut fields = Vec::new();
        for found in found {
            if !seen.contains(&found.conditions.as_ref()) {
                seen.push(&found.conditions);
                fields.push(ResponseField {
                    response_name: response_name.clone(),
                    source: if typename {
                        ResponseSource::Typename
                    } else {
                        ResponseSource::Stored(storage_name.clone())
                    },
                    runtime_types: None,
                    conditions: found.conditions.to_vec(),
                    field_type: field_type.clone(),
                    selection: Arc::clone(&selection),
                });
            }
        }
        fields
    }

    fn field_type(&self, field_type: &Type) -> FieldType {
        match field_type {
            Type::Named(name) => self.named(name),
            Type::NonNullNamed(name) => FieldType::NonNull(Arc::new(self.named(name))),
            Type::List(inner) => FieldType::List(Arc::new(self.field_type(inner))),
            Type::NonNullList(inner) => FieldType::NonNull(Arc::new(FieldType::List(Arc::new(self.field_type(inner))))),
        }
    }

    fn named(&self, name: &Name) -> FieldType {
        match name.as_str() {
            "String" => FieldType::Leaf(LeafType::String),
            "Boolean" => FieldType::Leaf(LeafType::Boolean),
            _ => match self.schema.schema().get_enum(name) {
                Some(definition) => {
                    let mut values: Vec<Name> = definition.values.keys().cloned().collect();
                    values.sort_unstable();
                    FieldType::Leaf(LeafType::Enum {
                        name: name.clone(),
                        values: values.into(),
                    })
                }
                None => FieldType::Composite {
                    name: name.clone(),
                    possible_types: Arc::from([name.clone()]),
                },
            },
        }
    }
}
