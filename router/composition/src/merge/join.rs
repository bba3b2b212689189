//! Join directives (join spec v0.5): which subgraph has which part of the supergraph.

use apollo_compiler::ast::{Argument, Directive, Value};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Node, name};

use super::Merger;
use crate::field_usage::AppliedFieldSet;
use crate::validate::{ContextArgument, ValidSubgraph};

/// Builds a directive argument by argument; absent values are left out.
pub(super) struct DirectiveBuilder {
    directive: Directive,
}

impl DirectiveBuilder {
    pub(super) fn new(name: Name) -> Self {
        Self {
            directive: Directive {
                name,
                arguments: Vec::new(),
            },
        }
    }

    pub(super) fn argument(mut self, name: Name, value: Value) -> Self {
        self.directive.arguments.push(Node::new(Argument {
            name,
            value: Node::new(value),
        }));
        self
    }

    pub(super) fn string(self, name: Name, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.argument(name, Value::String(value.into())),
            None => self,
        }
    }

    /// Leaves out what is the default.
    pub(super) fn boolean_unless(self, name: Name, value: bool, default: bool) -> Self {
        if value == default {
            self
        } else {
            self.argument(name, Value::Boolean(value))
        }
    }

    pub(super) fn graph(self, graph: &Name) -> Self {
        self.argument(name!("graph"), Value::Enum(graph.clone()))
    }

    pub(super) fn build(self) -> Node<Directive> {
        Node::new(self.directive)
    }
}

/// What `@join__field` says of one subgraph's definition of a field.
#[derive(Debug, Default)]
pub(super) struct JoinField<'a> {
    pub(super) requires: Option<&'a str>,
    pub(super) provides: Option<&'a str>,
    pub(super) ty: Option<String>,
    pub(super) is_external: bool,
    pub(super) override_from: Option<String>,
    pub(super) is_used_overridden: bool,
    pub(super) override_label: Option<&'a str>,
    pub(super) context_arguments: &'a [ContextArgument],
}

impl Merger<'_> {
    /// One `@join__type` per key, or one without.
    pub(super) fn join_type(&self, index: usize, definition: &ExtendedType) -> Vec<Node<Directive>> {
        let subgraph = &self.subgraphs[index];
        let is_interface_object = subgraph.is_interface_object(definition);
        let join = || DirectiveBuilder::new(name!("join__type")).graph(&subgraph.graph);
        let keys: Vec<_> = subgraph.usage.keys(definition.name()).collect();
        if keys.is_empty() {
            return vec![
                join()
                    .boolean_unless(name!("isInterfaceObject"), is_interface_object, false)
                    .build(),
            ];
        }
        let key_directive = |key: &AppliedFieldSet| {
            join()
                .string(name!("key"), key.text.clone())
                .boolean_unless(name!("extension"), key.is_on_extension, false)
                .boolean_unless(name!("resolvable"), key.is_resolvable, true)
                .boolean_unless(name!("isInterfaceObject"), is_interface_object, false)
                .build()
        };
        keys.into_iter().map(key_directive).collect()
    }

    pub(super) fn join_implements(&self, index: usize, interface: &Name) -> Node<Directive> {
        DirectiveBuilder::new(name!("join__implements"))
            .graph(&self.subgraphs[index].graph)
            .string(name!("interface"), Some(interface.as_str()))
            .build()
    }

    pub(super) fn join_union_member(&self, index: usize, member: &Name) -> Node<Directive> {
        DirectiveBuilder::new(name!("join__unionMember"))
            .graph(&self.subgraphs[index].graph)
            .string(name!("member"), Some(member.as_str()))
            .build()
    }

    pub(super) fn join_enum_value(&self, index: usize) -> Node<Directive> {
        DirectiveBuilder::new(name!("join__enumValue"))
            .graph(&self.subgraphs[index].graph)
            .build()
    }

    pub(super) fn join_field(&self, index: usize, join: JoinField<'_>) -> Node<Directive> {
        let subgraph = &self.subgraphs[index];
        let mut builder = DirectiveBuilder::new(name!("join__field"))
            .graph(&subgraph.graph)
            .string(name!("requires"), join.requires)
            .string(name!("provides"), join.provides)
            .string(name!("type"), join.ty)
            .boolean_unless(name!("external"), join.is_external, false)
            .string(name!("override"), join.override_from)
            .boolean_unless(name!("usedOverridden"), join.is_used_overridden, false)
            .string(name!("overrideLabel"), join.override_label);
        if !join.context_arguments.is_empty() {
            let values = join
                .context_arguments
                .iter()
                .map(|argument| context_argument(subgraph, argument));
            builder = builder.argument(name!("contextArguments"), Value::List(values.collect()));
        }
        builder.build()
    }

    /// `@join__field` of a field that comes from no subgraph's definition of the type: an `@interfaceObject` adds it.
    pub(super) fn join_field_of_no_subgraph() -> Node<Directive> {
        DirectiveBuilder::new(name!("join__field")).build()
    }
}

fn context_argument(subgraph: &ValidSubgraph, argument: &ContextArgument) -> Node<Value> {
    let string = |value: String| Node::new(Value::String(value));
    Node::new(Value::Object(vec![
        (
            name!("context"),
            string(format!("{}__{}", subgraph.name, argument.context)),
        ),
        (name!("name"), string(argument.name.to_string())),
        (name!("type"), string(argument.ty.clone())),
        (name!("selection"), string(argument.selection.clone())),
    ]))
}
