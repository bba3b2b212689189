//! Where the nodes of a document stand in its text.
//!
//! apollo-compiler alone can make spans, and makes them while it parses. A document that is read here has *handles* in
//! their place: spans of texts made for the purpose, the rulers, which stand for entries of a table. A node's handle is one
//! of the many spans from one mark of a ruler to another; a name's is as long as the name, as it must be, so that
//! there are no more of them than marks.

use std::ops::Range;
use std::sync::{Arc, RwLock};

use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::parser::{FileId, Parser, SourceFile, SourceMap, SourceSpan};

use super::Bytes;
use crate::error::SourceLocation;

/// Marks of a ruler. Making one takes an eighth of a millisecond; a subgraph of 500 types needs some fifteen, once per
/// process.
const MARKS: usize = 512;
/// Spans from one mark of a ruler to the same or a later one.
const PAIRS: usize = MARKS * (MARKS + 1) / 2;
/// Longest name that has a place.
const NAME_MAX: usize = 128;

/// The span of each mark, one byte long.
type Ruler = Arc<[SourceSpan]>;

/// Most rulers of a kind; 5 MiB. A document that needs more is left to the other parser.
const RULERS_MAX: usize = 512;

/// Rulers of one kind, which all documents share.
struct Rulers(RwLock<Vec<Ruler>>);

static NODE_RULERS: Rulers = Rulers(RwLock::new(Vec::new()));
static NAME_RULERS: Rulers = Rulers(RwLock::new(Vec::new()));

impl Rulers {
    fn get(&self, index: usize) -> Option<Ruler> {
        if let Some(known) = self.0.read().ok()?.get(index) {
            return Some(Arc::clone(known));
        }
        let mut rulers = self.0.write().ok()?;
        while rulers.len() <= index && index < RULERS_MAX {
            rulers.push(make_ruler()?);
        }
        rulers.get(index).map(Arc::clone)
    }
}

/// Every character of the text is a fault of its own, and so has a span.
fn make_ruler() -> Option<Ruler> {
    let text = "^".repeat(MARKS + NAME_MAX);
    let faulty = Parser::new().parse_ast(text, "ruler.graphql").err()?;
    let faults = faulty.errors.iter().filter_map(|fault| fault.error.location());
    let marks: Ruler = faults.filter(|span| span.node_len() == 1).collect();
    (marks.len() == MARKS + NAME_MAX).then_some(marks)
}

/// Handles given so far, and what they stand for.
#[derive(Default)]
pub(super) struct Handles {
    nodes: Vec<Bytes>,
    names: Vec<u32>,
    /// From which mark to which the last node's handle was.
    pair: (usize, usize),
    node_rulers: Vec<Ruler>,
    name_rulers: Vec<Ruler>,
}

impl Handles {
    /// `None` when a text is too long.
    pub(super) fn of_node(&mut self, bytes: Range<usize>) -> Option<SourceSpan> {
        let index = self.nodes.len();
        if index.is_multiple_of(PAIRS) {
            self.node_rulers.push(NODE_RULERS.get(self.node_rulers.len())?);
            self.pair = (0, 0);
        } else if self.pair.0 == self.pair.1 {
            self.pair = (0, self.pair.1 + 1);
        } else {
            self.pair.0 += 1;
        }
        self.nodes
            .push(u32::try_from(bytes.start).ok()?..u32::try_from(bytes.end).ok()?);
        let ruler = self.node_rulers.last()?;
        SourceSpan::recompose(Some(ruler[self.pair.0]), Some(ruler[self.pair.1]))
    }

    /// `None` when the name, or the text, is too long.
    pub(super) fn of_name(&mut self, start: usize, length: usize) -> Option<SourceSpan> {
        let mark = self.names.len() % MARKS;
        if mark == 0 {
            self.name_rulers.push(NAME_RULERS.get(self.name_rulers.len())?);
        }
        self.names.push(u32::try_from(start).ok()?);
        let ruler = self.name_rulers.last()?;
        SourceSpan::recompose(Some(ruler[mark]), Some(*ruler.get(mark + length - 1)?))
    }
}

/// Translates the spans of one document.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// Spans are of its text.
    Parsed(SourceMap),
    /// Spans are handles.
    Read(Arc<Table>),
}

/// What handles of one document stand for.
#[derive(Debug)]
pub(crate) struct Table {
    source: Arc<SourceFile>,
    nodes: Vec<Bytes>,
    names: Vec<u32>,
    /// The rulers of nodes and of names.
    node_files: Vec<FileId>,
    name_files: Vec<FileId>,
}

impl Places {
    pub(super) fn read(text: &str, path: &str, handles: Handles) -> Option<Self> {
        // For lines and columns as apollo-compiler counts them.
        let stopped = Parser::new().token_limit(0).parse_ast(text, path).err()?;
        let source = Arc::clone(stopped.partial.sources.values().next()?);
        let files = |rulers: Vec<Ruler>| rulers.iter().map(|ruler| ruler[0].file_id()).collect();
        Some(Self::Read(Arc::new(Table {
            source,
            nodes: handles.nodes,
            names: handles.names,
            node_files: files(handles.node_rulers),
            name_files: files(handles.name_rulers),
        })))
    }

    /// Where a span of the document is; `None` for what composition made up itself.
    pub(crate) fn locate(&self, subgraph: &str, span: Option<SourceSpan>) -> Option<SourceLocation> {
        let span = span?;
        match self {
            Self::Parsed(sources) => {
                let source = sources.get(&span.file_id())?;
                SourceLocation::of_bytes(subgraph, source, span.offset()..span.end_offset())
            }
            Self::Read(table) => SourceLocation::of_bytes(subgraph, &table.source, table.bytes(span)?),
        }
    }
}

impl Table {
    /// What a handle stands for.
    fn bytes(&self, handle: SourceSpan) -> Option<Range<usize>> {
        let position = |files: &[FileId]| files.iter().position(|file| *file == handle.file_id());
        if let Some(ruler) = position(&self.node_files) {
            let last = handle.end_offset() - 1;
            let bytes = self
                .nodes
                .get(ruler * PAIRS + last * (last + 1) / 2 + handle.offset())?;
            return Some(bytes.start as usize..bytes.end as usize);
        }
        let ruler = position(&self.name_files)?;
        let start = *self.names.get(ruler * MARKS + handle.offset())? as usize;
        Some(start..start + handle.node_len())
    }
}
