//! Reads SDL straight into a document: what apollo-compiler's parser gives for it, in a fifth of the time.
//!
//! That parser makes a lossless tree first and walks it. This one takes what subgraphs consist of: definitions and
//! extensions, in strings without escapes. For anything else it gives nothing, least of all a message: whoever calls
//! asks apollo-compiler's parser instead, so that people read one parser's messages.

mod definitions;
mod places;
#[cfg(test)]
mod tests;
mod tokens;
mod values;

use std::ops::Range;

use apollo_compiler::ast::Document;
use apollo_compiler::{Name, Node};
use rustc_hash::FxHashMap;

use places::Handles;
pub(crate) use places::Places;
use tokens::{Kind, Tokens};

/// Deepest nesting of lists and objects that is read here; the limit for what is valid is the other parser's.
const DEPTH_MAX: usize = 32;

/// Reads a document; `path` names it in messages. `None`: it is not valid, or needs the other parser.
pub(crate) fn read(text: &str, path: &str) -> Option<(Document, Places)> {
    let mut reader = Reader {
        tokens: Tokens::new(text)?,
        handles: Handles::default(),
        names: FxHashMap::default(),
    };
    let mut document = Document::new();
    while reader.tokens.kind != Kind::End {
        document.definitions.push(reader.definition()?);
    }
    let places = Places::read(text, path, reader.handles)?;
    (!document.definitions.is_empty()).then_some((document, places))
}

/// Where the reader is. Its methods are in the files of what they read; all give `None` for what is not taken here.
struct Reader<'t> {
    tokens: Tokens<'t>,
    handles: Handles,
    /// Names so far: most are said again and again.
    names: FxHashMap<&'t str, Name>,
}

impl<'t> Reader<'t> {
    fn punctuator(&mut self, punctuator: u8) -> Option<()> {
        self.takes(punctuator)?.then_some(())
    }

    /// Takes a punctuator if it is next.
    fn takes(&mut self, punctuator: u8) -> Option<bool> {
        let is_next = self.tokens.kind == Kind::Punctuator(punctuator);
        if is_next {
            self.tokens.advance()?;
        }
        Some(is_next)
    }

    /// Takes a keyword if it is next.
    fn takes_keyword(&mut self, keyword: &str) -> Option<bool> {
        let is_next = self.tokens.kind == Kind::Name && self.tokens.text() == keyword;
        if is_next {
            self.tokens.advance()?;
        }
        Some(is_next)
    }

    /// A name that nobody asks the place of: of a type or directive that is used.
    fn name(&mut self) -> Option<Name> {
        if self.tokens.kind != Kind::Name {
            return None;
        }
        let text = self.tokens.text();
        self.tokens.advance()?;
        let name = self.names.entry(text).or_insert_with(|| Name::new_unchecked(text));
        Some(name.clone())
    }

    /// The name of something that is defined here.
    fn placed_name(&mut self) -> Option<Name> {
        let start = self.tokens.start;
        let name = self.name()?;
        let handle = self.handles.of_name(start, name.len())?;
        Some(name.with_location(handle))
    }

    /// A node from `start` up to the token before the next.
    fn node<T>(&mut self, start: usize, value: T) -> Option<Node<T>> {
        let handle = self.handles.of_node(start..self.tokens.end_of_last)?;
        Some(Node::new_parsed(value, handle))
    }

    /// Items between `open` and `close`, of which there must be one; none at all without `open`.
    fn list<T>(&mut self, (open, close): (u8, u8), mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        if !self.takes(open)? {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if self.takes(close)? {
                items.shrink_to_fit();
                return Some(items);
            }
        }
    }

    /// Names with `separator` in between and perhaps in front.
    fn separated<T>(&mut self, separator: u8, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.takes(separator)?;
        loop {
            items.push(item(self)?);
            if !self.takes(separator)? {
                return Some(items);
            }
        }
    }
}

/// Bytes of a text.
type Bytes = Range<u32>;
