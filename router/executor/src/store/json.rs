//! JSON into stored values and back.
//!
//! The only place where bytes from outside are checked to be JSON and UTF-8. One pass checks, finds where values begin
//! and end, and builds the tree. Stricter than JSON where it leaves open what a text means: no name may stand twice in an
//! object, and no string may hold one half of a surrogate pair.

use bytes::Bytes;
use memchr::memchr2;

use super::shapes::ShapeId;
use super::{List, Object, ObjectId, Store, Text, VALUES_MAX, Value, number};

/// Deepest nesting that is read. 200: twice the deepest operation, and far from the end of a stack.
const DEPTH_MAX: u32 = 200;

/// Some editors and servers put it before their text; it means nothing (RFC 8259, "Character Encoding").
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// Why bytes cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it nests more deeply than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("it is longer than can be stored")]
    TooLong,
    #[error("it has more than {VALUES_MAX} values")]
    TooManyValues,
    #[error("it is empty")]
    Empty,
    #[error("it is not JSON, at byte {at}")]
    NotJson { at: usize },
    #[error("it is not UTF-8, at byte {at}")]
    NotUtf8 { at: usize },
    #[error("it has a string with half a surrogate pair, at byte {at}")]
    LoneSurrogate { at: usize },
    #[error("it has an object with two fields of one name, before byte {at}")]
    NameTwice { at: usize },
}

impl Store {
    /// Reads one JSON value into the store; its objects hang on nothing yet.
    ///
    /// # Errors
    /// [`ReadError`]; the store is as before then, but for names it has learnt.
    pub(crate) fn read(&mut self, json: &Bytes) -> Result<Value, ReadError> {
        // All answers together stay below 4 GiB, so that places fit in 32 bits.
        if self.source_bytes + json.len() > u32::MAX as usize {
            return Err(ReadError::TooLong);
        }
        if let Err(error) = std::str::from_utf8(json) {
            let at = error.valid_up_to();
            return Err(ReadError::NotUtf8 { at });
        }
        let source = number(self.sources.len());
        self.sources.push(json.clone());
        self.source_bytes += json.len();
        // Most values take more bytes of JSON than this.
        self.values.reserve(json.len() / 32);
        let lengths = (self.values.len(), self.objects.len(), self.lists.len());
        let read = Reader::new(json, source, self).document();
        if read.is_err() {
            self.sources.truncate(source as usize);
            self.values.truncate(lengths.0);
            self.objects.truncate(lengths.1);
            self.lists.truncate(lengths.2);
        }
        read
    }

    /// Appends `value` to `out` as JSON.
    pub(crate) fn write(&self, value: Value, out: &mut Vec<u8>) {
        match value {
            Value::Null | Value::Failed(_) => out.extend_from_slice(b"null"),
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Boolean(false) => out.extend_from_slice(b"false"),
            Value::Number(text) => out.extend_from_slice(self.bytes(text)),
            Value::String(text) => write_string(self.bytes(text), out),
            Value::List(list) => {
                out.push(b'[');
                for (index, item) in self.items(list).iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write(*item, out);
                }
                out.push(b']');
            }
            Value::Object(object) => {
                out.push(b'{');
                for (index, (name, value)) in self.fields(object).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(name, out);
                    out.push(b':');
                    self.write(value, out);
                }
                out.push(b'}');
            }
        }
    }

    /// Names, as they stand between quotes, and values of all fields.
    fn fields(&self, object: ObjectId) -> impl Iterator<Item = (&[u8], Value)> {
        let names = self.shapes.names(self.object(object).shape).iter();
        let names = names.map(|name| self.shapes.name(*name));
        names.zip(self.values[self.range_of(object)].iter().copied())
    }
}

/// Appends what stands between the quotes of a JSON string, and the quotes.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
    source: u32,
    store: &'a mut Store,
    /// Values of the objects and lists that are not complete yet.
    open: Vec<Value>,
}

impl<'a> Reader<'a> {
    fn new(json: &'a [u8], source: u32, store: &'a mut Store) -> Self {
        Self {
            json,
            at: 0,
            source,
            store,
            open: Vec::with_capacity(64),
        }
    }

    fn document(mut self) -> Result<Value, ReadError> {
        if self.json.starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
        }
        self.skip_space();
        if self.at == self.json.len() {
            return Err(ReadError::Empty);
        }
        let value = self.value(DEPTH_MAX)?;
        self.skip_space();
        if self.at == self.json.len() {
            Ok(value)
        } else {
            Err(self.not_json())
        }
    }

    fn value(&mut self, depth_left: u32) -> Result<Value, ReadError> {
        match self.peek() {
            Some(b'{') => self.object(depth_left.checked_sub(1).ok_or(ReadError::TooDeep)?),
            Some(b'[') => self.list(depth_left.checked_sub(1).ok_or(ReadError::TooDeep)?),
            Some(b'"') => self.string().map(Value::String),
            Some(b'n') => self.word(b"null", Value::Null),
            Some(b't') => self.word(b"true", Value::Boolean(true)),
            Some(b'f') => self.word(b"false", Value::Boolean(false)),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth_left: u32) -> Result<Value, ReadError> {
        let mut shape = ShapeId::EMPTY;
        let first = self.open.len();
        self.at += 1;
        self.skip_space();
        if self.peek() != Some(b'}') {
            loop {
                shape = self.field_name(shape)?;
                self.skip_space();
                self.expect(b':')?;
                self.skip_space();
                let value = self.value(depth_left)?;
                self.open.push(value);
                if !self.goes_on(b'}')? {
                    break;
                }
            }
        }
        self.at += 1;
        if !self.store.shapes.complete(shape) {
            return Err(ReadError::NameTwice { at: self.at });
        }
        let start = self.close(first)?;
        Ok(Value::Object(self.store.add(Object {
            shape,
            start,
            failed: None,
            shared: false,
        })))
    }

    fn list(&mut self, depth_left: u32) -> Result<Value, ReadError> {
        let first = self.open.len();
        self.at += 1;
        self.skip_space();
        if self.peek() != Some(b']') {
            loop {
                let value = self.value(depth_left)?;
                self.open.push(value);
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        self.at += 1;
        let length = number(self.open.len() - first);
        let start = self.close(first)?;
        Ok(Value::List(self.store.add_list(List {
            start,
            length,
            shared: false,
        })))
    }

    /// After a field or an item: whether there is another one, which then comes next, or `end`.
    fn goes_on(&mut self, end: u8) -> Result<bool, ReadError> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(byte) if byte == end => Ok(false),
            _ => Err(self.not_json()),
        }
    }

    /// Moves the values of an object or list that is complete to where they stay.
    fn close(&mut self, first: usize) -> Result<u32, ReadError> {
        let store = &mut *self.store;
        // Objects and lists count as well, because an answer may have nothing but empty ones; so do names.
        let known = store.values.len() + store.objects.len() + store.lists.len() + 4 * store.shapes.len();
        if known + self.open.len() > VALUES_MAX {
            return Err(ReadError::TooManyValues);
        }
        let start = number(store.values.len());
        store.values.extend_from_slice(&self.open[first..]);
        self.open.truncate(first);
        Ok(start)
    }

    fn field_name(&mut self, shape: ShapeId) -> Result<ShapeId, ReadError> {
        if let Some((next, name)) = self.store.shapes.guess(shape)
            && let Some([b'"', rest @ ..]) = self.json.get(self.at..)
            && rest.starts_with(name)
            && rest.get(name.len()) == Some(&b'"')
        {
            self.at += name.len() + 2;
            return Ok(next);
        }
        let start = self.at;
        let text = self.string()?;
        let name = &self.json[text.start as usize..text.end as usize];
        if !name.contains(&b'\\') {
            return Ok(self.store.shapes.with(shape, name));
        }
        // Names are compared as bytes, so one with escapes is written anew, without those it can do without.
        let not_json = ReadError::NotJson { at: start };
        let name: String = serde_json::from_slice(&self.json[start..self.at]).map_err(|_| not_json)?;
        let quoted = serde_json::to_vec(&name).map_err(|_| not_json)?;
        Ok(self.store.shapes.with(shape, &quoted[1..quoted.len() - 1]))
    }

    fn string(&mut self) -> Result<Text, ReadError> {
        self.expect(b'"')?;
        let start = self.at;
        // Strings are most of an answer, and most bytes of them are neither of these two.
        loop {
            let rest = &self.json[self.at..];
            let length = memchr2(b'"', b'\\', rest).ok_or(ReadError::NotJson { at: self.json.len() })?;
            // Without a way out of the loop, so that many bytes are compared at once.
            if rest[..length].iter().fold(false, |found, byte| found | (*byte < b' ')) {
                return Err(self.not_json());
            }
            self.at += length;
            if self.json[self.at] == b'"' {
                break;
            }
            self.escape()?;
        }
        let text = self.text(start);
        self.at += 1;
        Ok(text)
    }

    /// `\n`, or `\u` and four digits, or two of the latter.
    fn escape(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        match self.json.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                return Ok(());
            }
            Some(b'u') => {}
            _ => return Err(self.not_json()),
        }
        let is_paired = match self.code_unit()? {
            0xD800..0xDC00 => self.json[self.at..].starts_with(b"\\u") && matches!(self.code_unit()?, 0xDC00..0xE000),
            0xDC00..0xE000 => false,
            _ => true,
        };
        if is_paired {
            Ok(())
        } else {
            Err(ReadError::LoneSurrogate { at: start })
        }
    }

    /// The number in `\u00e9`, which begins here.
    fn code_unit(&mut self) -> Result<u16, ReadError> {
        let digits = self.json.get(self.at + 2..self.at + 6).unwrap_or_default();
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.not_json())?;
        self.at += 6;
        Ok(unit)
    }

    /// `-0.5e+9`
    fn number(&mut self) -> Result<Value, ReadError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(self.text(start)))
    }

    /// At least one.
    fn digits(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.not_json()) }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, ReadError> {
        if !self.json[self.at..].starts_with(word) {
            return Err(self.not_json());
        }
        self.at += word.len();
        Ok(value)
    }

    /// What was read since `start`.
    fn text(&self, start: usize) -> Text {
        Text {
            source: self.source,
            start: number(start),
            end: number(self.at),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        if self.peek() != Some(byte) {
            return Err(self.not_json());
        }
        self.at += 1;
        Ok(())
    }

    fn not_json(&self) -> ReadError {
        ReadError::NotJson { at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }
}
