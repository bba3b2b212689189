//! Type references: the type of a field, argument or input field that subgraphs declare differently.
//!
//! An output may be promised less (`T!` and `T` give `T`; an object and its interface give the interface); an input
//! must be asked for more (`T` and `T!` give `T!`).

use apollo_compiler::ast::Type;
use apollo_compiler::{Name, Node};

use super::Merger;

/// How different types become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variance {
    /// The widest: fields.
    Output,
    /// The narrowest: arguments and input fields.
    Input,
}

/// Outcome of merging type references.
pub(super) struct MergedReference {
    pub(super) ty: Type,
    pub(super) agreement: Agreement,
}

/// How far sources agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    Same,
    Compatible,
    Incompatible,
}

impl Merger<'_> {
    /// Merges at least one reference.
    pub(super) fn merge_reference<'t>(
        &self,
        types: impl IntoIterator<Item = &'t Type>,
        variance: Variance,
    ) -> Option<MergedReference> {
        let mut types = types.into_iter();
        let mut chosen = types.next()?;
        let mut agreement = Agreement::Same;
        for ty in types {
            if ty == chosen {
                continue;
            }
            let (is_narrower, is_wider) = (self.is_subtype(chosen, ty), self.is_subtype(ty, chosen));
            if !is_narrower && !is_wider {
                agreement = Agreement::Incompatible;
                continue;
            }
            if agreement == Agreement::Same {
                agreement = Agreement::Compatible;
            }
            if (variance == Variance::Output && is_wider) || (variance == Variance::Input && is_narrower) {
                chosen = ty;
            }
        }
        Some(MergedReference {
            ty: chosen.clone(),
            agreement,
        })
    }

    /// Whether `narrow` may stand where `wide` is promised, and is not the same.
    pub(super) fn is_subtype(&self, wide: &Type, narrow: &Type) -> bool {
        match (wide, narrow) {
            _ if wide == narrow => false,
            (Type::NonNullNamed(wide), Type::NonNullNamed(narrow)) | (Type::Named(wide), Type::Named(narrow)) => {
                self.is_named_subtype(wide, narrow)
            }
            (Type::Named(wide), Type::NonNullNamed(narrow)) => wide == narrow || self.is_named_subtype(wide, narrow),
            (Type::List(wide), Type::List(narrow)) | (Type::NonNullList(wide), Type::NonNullList(narrow)) => {
                self.is_subtype(wide, narrow)
            }
            (Type::List(wide), Type::NonNullList(narrow)) => wide == narrow || self.is_subtype(wide, narrow),
            _ => false,
        }
    }

    fn is_named_subtype(&self, wide: &Name, narrow: &Name) -> bool {
        self.interfaces
            .get(narrow)
            .is_some_and(|interfaces| interfaces.contains(wide))
            || self.members.get(wide).is_some_and(|members| members.contains(narrow))
    }

    /// `[a] String!, [b] String` for messages.
    pub(super) fn describe_types<'t>(&self, types: impl IntoIterator<Item = (usize, &'t Node<Type>)>) -> String {
        self.describe(types.into_iter().map(|(index, ty)| (index, ty.to_string())))
    }

    /// `` `String` in `a`, `Int` in `b` ``: what each subgraph says.
    pub(super) fn describe(&self, values: impl IntoIterator<Item = (usize, String)>) -> String {
        let described: Vec<_> = values
            .into_iter()
            .map(|(index, value)| format!("`{value}` in `{}`", self.subgraphs[index].name))
            .collect();
        described.join(", ")
    }
}
