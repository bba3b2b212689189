//! `@override`: which definitions of a field another subgraph takes over, for good or by a label.

use rustc_hash::FxHashMap;

use super::Merger;
use super::fields::FieldMerge;
use crate::error::{ErrorCode, HintCode};
use crate::federation_spec::FederationDirective;

/// What overrides do to the definitions of one field, by subgraph.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    overridden: FxHashMap<usize, Overridden>,
    labels: FxHashMap<usize, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overridden {
    /// Still read by a key, a requirement or an interface of its subgraph.
    Used,
    Unused,
}

impl Overrides {
    /// Overridden in whatever way: no longer counts as a subgraph that resolves the field by itself.
    pub(super) fn is_overridden(&self, index: usize) -> bool {
        self.overridden.contains_key(&index)
    }

    /// Gone from the supergraph.
    pub(super) fn is_removed(&self, index: usize) -> bool {
        self.overridden.get(&index) == Some(&Overridden::Unused) && !self.labels.contains_key(&index)
    }

    pub(super) fn is_used(&self, index: usize) -> bool {
        self.overridden.get(&index) == Some(&Overridden::Used) && !self.labels.contains_key(&index)
    }

    pub(super) fn label(&self, index: usize) -> Option<&str> {
        self.labels.get(&index).map(String::as_str)
    }

    /// Whether the supergraph has to tell of an override.
    pub(super) fn any_kept(&self) -> bool {
        !self.labels.is_empty()
            || self
                .overridden
                .values()
                .any(|overridden| *overridden == Overridden::Used)
    }
}

/// One `@override` application.
struct Override<'f> {
    index: usize,
    from: &'f str,
    label: Option<&'f str>,
}

impl<'a> Merger<'a> {
    pub(super) fn collect_overrides(&mut self, field: &FieldMerge<'_, 'a>) -> Overrides {
        let mut overrides = Overrides::default();
        let applications: Vec<(usize, String, Option<String>)> = field
            .sources
            .iter()
            .filter_map(|(index, source)| {
                let subgraph = &self.subgraphs[*index];
                let from = subgraph.string_argument(&source.directives, FederationDirective::Override, "from")?;
                let label = subgraph.string_argument(&source.directives, FederationDirective::Override, "label");
                Some((*index, from, label))
            })
            .collect();
        let overriding: Vec<usize> = applications.iter().map(|(index, ..)| *index).collect();
        for (index, from, label) in &applications {
            let application = Override {
                index: *index,
                from,
                label: label.as_deref(),
            };
            self.apply_override(field, &application, &overriding, &mut overrides);
        }
        overrides
    }

    fn apply_override(
        &mut self,
        field: &FieldMerge<'_, 'a>,
        application: &Override<'_>,
        overriding: &[usize],
        overrides: &mut Overrides,
    ) {
        let place = field.place();
        let Override { index, from, label } = application;
        let span = [(*index, self.span_of(field, *index))];
        let name = &self.subgraphs[*index].name;
        if let Some((code, message)) = self.fault_of_place(field, *index) {
            return self.error(code, message, span);
        }
        let Some(source) = self.subgraphs.iter().position(|subgraph| subgraph.name == *from) else {
            let message = format!(
                "[{name}] `{place}` overrides subgraph `{from}`, which does not exist; `@override` can be removed, unless the name is misspelt"
            );
            return self.hint(HintCode::FromSubgraphDoesNotExist, message, span);
        };
        if source == *index {
            let message = format!("[{name}] `{place}` overrides its own subgraph; name the subgraph it is taken from");
            return self.error(ErrorCode::OverrideFromSelfError, message, span);
        }
        if overriding.contains(&source) {
            let message = format!(
                "[{name}] `{place}` overrides `{from}`, where the field has an `@override` as well; remove one of them"
            );
            let both = [span[0], (source, self.span_of(field, source))];
            return self.error(ErrorCode::OverrideSourceHasOverride, message, both);
        }
        if !field.sources.iter().any(|(own, _)| *own == source) {
            return self.override_absent_field(field, application, source);
        }
        if let Some(message) = self.collision(field, *index, source) {
            let of_source = field.sources.iter().find(|(own, _)| *own == source);
            let of_source = of_source.and_then(|(_, definition)| definition.location());
            let both = [span[0], (source, of_source)];
            return self.error(ErrorCode::OverrideCollisionWithAnotherDirective, message, both);
        }
        match label {
            Some(label) if is_valid_label(label) => {
                overrides.labels.insert(*index, (*label).to_owned());
                overrides.labels.insert(source, (*label).to_owned());
                let message = format!("`{place}` is moving from `{from}` to `{name}` by label `{label}`");
                self.hint(HintCode::OverrideMigrationInProgress, message, span);
            }
            Some(label) => {
                let message = format!(
                    "[{name}] `{place}` has override label {label:?}; it must be \"percent(0)\" to \"percent(100)\", or a name \
                     of letters, digits and `_-:./` that begins with a letter"
                );
                self.error(ErrorCode::OverrideLabelInvalid, message, span);
            }
            None => {}
        }
        self.mark_overridden(field, application, source, overrides);
    }

    fn span_of(&self, field: &FieldMerge<'_, 'a>, index: usize) -> Option<apollo_compiler::parser::SourceSpan> {
        let (_, source) = field.sources.iter().find(|(own, _)| *own == index)?;
        self.subgraphs[index]
            .applications(&source.directives, FederationDirective::Override)
            .next()?
            .location()
    }

    fn fault_of_place(&self, field: &FieldMerge<'_, 'a>, index: usize) -> Option<(ErrorCode, String)> {
        if !field.is_interface {
            return None;
        }
        let (_, definition) = field.types.iter().find(|(own, _)| *own == index)?;
        let (name, place) = (&self.subgraphs[index].name, field.place());
        Some(if definition.is_interface() {
            let message = format!(
                "[{name}] `{place}` is a field of an interface and cannot have `@override`; put it on the \
                 fields of the implementations"
            );
            (ErrorCode::OverrideOnInterface, message)
        } else {
            let message = format!(
                "[{name}] `{place}` is a field of an `@interfaceObject` and cannot have `@override`; \
                 remove it"
            );
            (ErrorCode::OverrideCollisionWithAnotherDirective, message)
        })
    }

    fn override_absent_field(&mut self, field: &FieldMerge<'_, 'a>, application: &Override<'_>, source: usize) {
        let place = field.place();
        let name = &self.subgraphs[application.index].name;
        let from = application.from;
        let span = [(application.index, self.span_of(field, application.index))];
        let provided = self.interface_objects_with_field(&field.coordinate, source);
        if provided.is_empty() {
            let message = format!("[{name}] `{place}` no longer exists in `{from}`; `@override` can be removed");
            self.hint(HintCode::OverrideDirectiveCanBeRemoved, message, span);
        } else {
            let message = format!(
                "[{name}] `{place}` overrides `{from}`, where an `@interfaceObject` provides it, which cannot be \
                 overridden; remove `@override`"
            );
            let types = &self.subgraphs[source].schema.types;
            let places = provided.iter().map(|(interface, _)| {
                (
                    source,
                    types.get(interface).and_then(|definition| definition.name().location()),
                )
            });
            let spans: Vec<_> = span.into_iter().chain(places).collect();
            self.error(ErrorCode::OverrideCollisionWithAnotherDirective, message, spans);
        }
    }

    fn collision(&self, field: &FieldMerge<'_, 'a>, index: usize, source: usize) -> Option<String> {
        let (place, name) = (field.place(), &self.subgraphs[index].name);
        let from = &self.subgraphs[source];
        let directive = if from.usage.requires(&field.coordinate).is_some() {
            "requires"
        } else if from.usage.provides(&field.coordinate).is_some() {
            "provides"
        } else if self.subgraphs[index].usage.is_external(&field.coordinate) {
            return Some(format!(
                "[{name}] `{place}` is `@external` and cannot take over the field from `{}`; remove one of the directives",
                from.name
            ));
        } else {
            return None;
        };
        Some(format!(
            "[{name}] `{place}` cannot be taken over from `{}`, where it has `@{directive}`; remove that first",
            from.name
        ))
    }

    fn mark_overridden(
        &mut self,
        field: &FieldMerge<'_, 'a>,
        application: &Override<'_>,
        source: usize,
        overrides: &mut Overrides,
    ) {
        let (place, from) = (field.place(), application.from);
        let name = &self.subgraphs[application.index].name;
        let usage = &self.subgraphs[source].usage;
        let span = field
            .sources
            .iter()
            .find(|(own, _)| *own == source)
            .and_then(|(_, definition)| definition.location());
        if usage.is_external(&field.coordinate) {
            let message = format!("[{name}] `{place}` is external in `{from}` already; `@override` can be removed");
            self.hint(
                HintCode::OverrideDirectiveCanBeRemoved,
                message,
                [(application.index, self.span_of(field, application.index))],
            );
            return;
        }
        let overridden = if usage.is_used(&field.coordinate) {
            Overridden::Used
        } else {
            Overridden::Unused
        };
        overrides.overridden.insert(source, overridden);
        if application.label.is_none() {
            let advice = match overridden {
                Overridden::Used => "it can be marked `@external` there",
                Overridden::Unused => "it can be removed there",
            };
            let message = format!("`{place}` of `{from}` is overridden by `{name}`; {advice}");
            self.hint(HintCode::OverriddenFieldCanBeRemoved, message, [(source, span)]);
        }
    }
}

/// `percent(0)` to `percent(100)` with up to eight decimals, or a label for a coprocessor.
fn is_valid_label(label: &str) -> bool {
    if let Some(percentage) = label.strip_prefix("percent(").and_then(|rest| rest.strip_suffix(')')) {
        let (whole, decimals) = percentage.split_once('.').unwrap_or((percentage, "0"));
        let digits = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        return (digits(whole, 2) && digits(decimals, 8)) || percentage == "100";
    }
    label.starts_with(|first: char| first.is_ascii_alphabetic())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-:./".contains(&byte))
}
