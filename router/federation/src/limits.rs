//! Bounds on what a client may ask, and the measuring of a document against them.
//!
//! Measuring runs on the syntax tree, before validation, because validating an operation that explodes is itself too
//! much work. Each fragment is measured once, however often it is spread, so the time is linear in the document.
//! Does not bound what subgraphs answer; `executor` does.

use apollo_compiler::Name;
use apollo_compiler::ast::{Definition, Document, FragmentDefinition, Selection};
use rustc_hash::FxHashMap;

use crate::error::{ErrorCode, Location, RequestError};

/// Bounds on one client document. Each is inclusive.
///
/// Whoever serves the public turns these down; whoever serves generated documents turns them up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest document in bytes. 256 KiB: ten times the longest in use that we know of.
    pub document_bytes_max: usize,
    /// Most tokens in a document. 20,000: the bytes above rarely hold more in documents that people write.
    pub tokens_max: usize,
    /// Deepest nesting of fields. 100: generated documents reach 60; the recursion of parser and validator stops at 128.
    pub depth_max: u64,
    /// Most aliased fields of one operation, counted where fragments are spread.
    pub aliases_max: u64,
    /// Most fields at the root of one operation, counted where fragments are spread.
    pub root_fields_max: u64,
    /// Most selections of all operations of a document, with every fragment standing where it is spread: bounds the work of
    /// validation, which looks at a fragment anew for each operation, and of planning. 100,000: a document of 20,000 tokens
    /// without fragments has fewer.
    pub height_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes_max: 256 * 1024,
            tokens_max: 20_000,
            depth_max: 100,
            aliases_max: 2_000,
            root_fields_max: 500,
            height_max: 100_000,
        }
    }
}

/// Size of a selection set, fragments included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Extent {
    depth: u64,
    aliases: u64,
    root_fields: u64,
    height: u64,
}

impl Extent {
    /// The extent of this and `other` standing side by side.
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            root_fields: self.root_fields.saturating_add(other.root_fields),
            height: self.height.saturating_add(other.height),
        }
    }

    /// One more selection around (or besides) what this measures.
    fn and_itself(mut self) -> Self {
        self.height = self.height.saturating_add(1);
        self
    }
}

struct Measure<'a> {
    fragments: FxHashMap<&'a Name, &'a FragmentDefinition>,
    /// `None` while the fragment is being measured: a circle, which validation reports, counts as nothing.
    measured: FxHashMap<&'a Name, Option<Extent>>,
}

impl<'a> Measure<'a> {
    fn of(document: &'a Document) -> Self {
        let fragments = document.definitions.iter().filter_map(|definition| match definition {
            Definition::FragmentDefinition(fragment) => Some((&fragment.name, &**fragment)),
            _ => None,
        });
        Self {
            fragments: fragments.collect(),
            measured: FxHashMap::default(),
        }
    }

    /// Recurses as deeply as the parser did for one definition, times the length of the longest chain of fragments.
    fn selections(&mut self, selections: &'a [Selection], depth_left: u64) -> Extent {
        selections.iter().fold(Extent::default(), |extent, selection| {
            extent.beside(self.selection(selection, depth_left))
        })
    }

    fn selection(&mut self, selection: &'a Selection, depth_left: u64) -> Extent {
        // Past the limit the verdict is known, and a long chain of fragments must not exhaust the stack.
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return Extent {
                depth: u64::MAX / 2,
                ..Extent::default()
            };
        };
        match selection {
            Selection::Field(field) => {
                let below = self.selections(&field.selection_set, depth_left);
                Extent {
                    depth: below.depth + 1,
                    aliases: below.aliases.saturating_add(u64::from(field.alias.is_some())),
                    root_fields: 1,
                    height: below.height,
                }
                .and_itself()
            }
            Selection::InlineFragment(inline) => self.selections(&inline.selection_set, depth_left).and_itself(),
            Selection::FragmentSpread(spread) => self.fragment(&spread.fragment_name, depth_left).and_itself(),
        }
    }

    fn fragment(&mut self, name: &'a Name, depth_left: u64) -> Extent {
        if let Some(extent) = self.measured.get(name) {
            return extent.unwrap_or_default();
        }
        let Some(fragment) = self.fragments.get(name).copied() else {
            return Extent::default(); // Unknown: validation reports it.
        };
        self.measured.insert(name, None);
        let extent = self.selections(&fragment.selection_set, depth_left);
        self.measured.insert(name, Some(extent));
        extent
    }
}

/// Measures every operation of `document` against `limits`.
///
/// # Errors
/// One error for each limit that an operation is beyond, at the operation; for the height of all together, at the operation
/// that is too much.
pub(crate) fn check(document: &Document, limits: &Limits) -> Result<(), Vec<RequestError>> {
    let mut measure = Measure::of(document);
    let (mut errors, mut height) = (Vec::new(), 0_u64);
    for definition in &document.definitions {
        if let Definition::OperationDefinition(operation) = definition {
            // Inline fragments and spreads nest as well: twice the depth lets each field stand in a fragment of its own.
            let extent = measure.selections(&operation.selection_set, limits.depth_max.saturating_mul(2) + 1);
            let mut faults = exceeded(extent, limits);
            let was_low = height <= limits.height_max;
            height = height.saturating_add(extent.height);
            if was_low && height > limits.height_max {
                let message = format!(
                    "the document has, with its fragments where they are spread, more than {} selections",
                    limits.height_max
                );
                faults.push((ErrorCode::MaxHeightLimit, message));
            }
            let location = Location::of(operation.location(), &document.sources);
            let faults = faults.into_iter();
            errors.extend(faults.map(|(code, message)| RequestError::new(code, message).at(location)));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The limits that one operation is beyond by itself.
fn exceeded(extent: Extent, limits: &Limits) -> Vec<(ErrorCode, String)> {
    let Extent {
        depth,
        aliases,
        root_fields,
        height: _,
    } = extent;
    [
        (
            depth,
            limits.depth_max,
            ErrorCode::MaxDepthLimit,
            "nests fields more deeply than",
            "levels",
        ),
        (
            aliases,
            limits.aliases_max,
            ErrorCode::MaxAliasesLimit,
            "has more than",
            "aliases",
        ),
        (
            root_fields,
            limits.root_fields_max,
            ErrorCode::MaxRootFieldsLimit,
            "has more than",
            "root fields",
        ),
    ]
    .into_iter()
    .filter(|(extent, limit, ..)| extent > limit)
    .map(|(_, limit, code, verb, noun)| (code, format!("the operation {verb} {limit} {noun}")))
    .collect()
}
