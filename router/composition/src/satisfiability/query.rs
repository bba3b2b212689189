//! A query that leads to a place, as text that can be pasted into a client.

use std::fmt::Write;

use apollo_compiler::ast::FieldDefinition;
use federation::query_plan::OperationKind;
use rustc_hash::FxHashSet;

/// One step of a query.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    Root(OperationKind),
    Field(&'a FieldDefinition),
    TypeCondition(&'a str),
    /// What can be asked of an object of any type.
    Typename,
}

/// Steps of all queries, each of which knows the one before.
#[derive(Debug, Default)]
pub(super) struct Steps<'a> {
    steps: Vec<(Part<'a>, Option<StepId>)>,
}

/// Index of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepId(u32);

impl<'a> Steps<'a> {
    pub(super) fn push(&mut self, part: Part<'a>, before: Option<StepId>) -> StepId {
        self.steps.push((part, before));
        StepId(self.steps.len() as u32 - 1)
    }

    /// The query that ends with `rest` after the step `last`: `query ($id: ID!) { user(id: $id) { name } }`.
    ///
    /// Required arguments are variables, so that the query is valid and whoever pastes it is asked for them.
    pub(super) fn query(&self, last: StepId, rest: &[Part<'a>]) -> String {
        let mut parts: Vec<Part<'a>> = rest.iter().rev().copied().collect();
        let mut current = Some(last);
        while let Some(StepId(index)) = current {
            let (part, before) = self.steps[index as usize];
            parts.push(part);
            current = before;
        }
        parts.reverse();
        let mut variables = Variables::default();
        let mut selections = String::new();
        let mut keyword = "query";
        let mut depth = 0;
        for part in parts {
            match part {
                Part::Root(OperationKind::Query) => continue,
                Part::Root(OperationKind::Mutation) => {
                    keyword = "mutation";
                    continue;
                }
                Part::Root(OperationKind::Subscription) => {
                    keyword = "subscription";
                    continue;
                }
                Part::Field(field) => {
                    selections.push_str("{ ");
                    selections.push_str(&field.name);
                    selections.push_str(&variables.arguments(field));
                }
                Part::TypeCondition(name) => {
                    selections.push_str("{ ... on ");
                    selections.push_str(name);
                }
                Part::Typename => selections.push_str("{ __typename"),
            }
            selections.push(' ');
            depth += 1;
        }
        selections.push_str(&vec!["}"; depth].join(" "));
        match (variables.declarations.is_empty(), keyword) {
            (true, "query") => selections,
            (true, _) => format!("{keyword} {selections}"),
            (false, _) => format!("{keyword} ({}) {selections}", variables.declarations.join(", ")),
        }
    }
}

/// Variables of one query, with names of their own.
#[derive(Debug, Default)]
struct Variables {
    declarations: Vec<String>,
    names: FxHashSet<String>,
}

impl Variables {
    /// `(id: $id)`, or nothing when no argument is required.
    fn arguments(&mut self, field: &FieldDefinition) -> String {
        let mut text = String::new();
        for argument in field.arguments.iter().filter(|argument| argument.is_required()) {
            let mut name = argument.name.to_string();
            let mut number = 1;
            while !self.names.insert(name.clone()) {
                number += 1;
                name = format!("{}{number}", argument.name);
            }
            self.declarations.push(format!("${name}: {}", argument.ty));
            text.push_str(if text.is_empty() { "(" } else { ", " });
            write!(text, "{}: ${name}", argument.name).expect("a string grows");
        }
        if !text.is_empty() {
            text.push(')');
        }
        text
    }
}
