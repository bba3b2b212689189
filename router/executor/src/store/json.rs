//! JSON into stored values and back.
//!
//! Reads only what has been checked to be JSON (see `subgraph_response`): it finds where values begin and end, and
//! leaves the checking of numbers, escapes and UTF-8 to that one place.

use bytes::Bytes;
use memchr::memchr2;

use super::{Object, ObjectId, Store, Text, Value};

/// Deepest nesting that is read. 200: twice the deepest operation, and far from the end of a stack.
const DEPTH_MAX: u32 = 200;

/// Why bytes cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it nests more deeply than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("it is longer than can be stored")]
    TooLong,
    #[error("it is no JSON")]
    Malformed,
}

impl Store {
    /// Reads one JSON value into the store; its objects hang on nothing yet.
    ///
    /// # Errors
    /// [`ReadError`]; nothing of the value is used then.
    pub(crate) fn read(&mut self, json: &Bytes) -> Result<Value, ReadError> {
        // All answers together stay below 4 GiB, so that places and object numbers fit in 32 bits.
        let stored: usize = self.sources.iter().map(Bytes::len).sum();
        if stored + json.len() > u32::MAX as usize {
            return Err(ReadError::TooLong);
        }
        let source = u32::try_from(self.sources.len()).map_err(|_| ReadError::TooLong)?;
        self.sources.push(json.clone());
        Reader {
            json,
            at: 0,
            source,
            store: self,
        }
        .value(DEPTH_MAX)
    }

    /// Appends `value` to `out` as JSON.
    pub(crate) fn write(&self, value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Null | Value::Failed => out.extend_from_slice(b"null"),
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Boolean(false) => out.extend_from_slice(b"false"),
            Value::Number(text) => out.extend_from_slice(self.bytes(*text)),
            Value::String(text) => self.write_string(*text, out),
            Value::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write(item, out);
                }
                out.push(b']');
            }
            Value::Object(object) => {
                out.push(b'{');
                for (index, (name, value)) in self.object(*object).fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write_string(*name, out);
                    out.push(b':');
                    self.write(value, out);
                }
                out.push(b'}');
            }
        }
    }

    /// Appends a stored string with its quotes.
    pub(crate) fn write_string(&self, text: Text, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.bytes(text));
        out.push(b'"');
    }
}

struct Reader<'a> {
    json: &'a Bytes,
    at: usize,
    source: u32,
    store: &'a mut Store,
}

impl Reader<'_> {
    fn value(&mut self, depth_left: u32) -> Result<Value, ReadError> {
        self.skip_space();
        match self.peek()? {
            b'{' => self
                .object(depth_left.checked_sub(1).ok_or(ReadError::TooDeep)?)
                .map(Value::Object),
            b'[' => self.list(depth_left.checked_sub(1).ok_or(ReadError::TooDeep)?),
            b'"' => self.string().map(Value::String),
            b'n' => self.word(b"null", Value::Null),
            b't' => self.word(b"true", Value::Boolean(true)),
            b'f' => self.word(b"false", Value::Boolean(false)),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth_left: u32) -> Result<ObjectId, ReadError> {
        let mut object = Object::default();
        self.at += 1;
        self.skip_space();
        while self.peek()? != b'}' {
            let name = self.field_name()?;
            self.skip_space();
            self.expect(b':')?;
            let value = self.value(depth_left)?;
            object.fields.push((name, value));
            self.skip_space();
            if self.peek()? == b',' {
                self.at += 1;
                self.skip_space();
            }
        }
        self.at += 1;
        Ok(self.store.add(object))
    }

    fn list(&mut self, depth_left: u32) -> Result<Value, ReadError> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        while self.peek()? != b']' {
            items.push(self.value(depth_left)?);
            self.skip_space();
            if self.peek()? == b',' {
                self.at += 1;
                self.skip_space();
            }
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    /// Names are compared as bytes, so one that was written with escapes is written anew, without those it can do without.
    fn field_name(&mut self) -> Result<Text, ReadError> {
        let start = self.at;
        let text = self.string()?;
        if !self.store.bytes(text).contains(&b'\\') {
            return Ok(text);
        }
        let name: String = serde_json::from_slice(&self.json[start..self.at]).map_err(|_| ReadError::Malformed)?;
        let written = serde_json::to_vec(&name).map_err(|_| ReadError::Malformed)?;
        let source = u32::try_from(self.store.sources.len()).map_err(|_| ReadError::TooLong)?;
        let end = u32::try_from(written.len() - 1).map_err(|_| ReadError::TooLong)?;
        self.store.sources.push(written.into());
        Ok(Text { source, start: 1, end })
    }

    fn string(&mut self) -> Result<Text, ReadError> {
        self.expect(b'"')?;
        let start = self.at;
        // Strings are most of an answer, and most bytes of them are neither of these two.
        loop {
            let rest = self.json.get(self.at..).ok_or(ReadError::Malformed)?;
            self.at += memchr2(b'"', b'\\', rest).ok_or(ReadError::Malformed)?;
            if self.json[self.at] == b'"' {
                break;
            }
            self.at += 2;
        }
        let text = self.text(start);
        self.at += 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<Value, ReadError> {
        let start = self.at;
        while self
            .json
            .get(self.at)
            .is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        {
            self.at += 1;
        }
        if self.at == start {
            return Err(ReadError::Malformed);
        }
        Ok(Value::Number(self.text(start)))
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, ReadError> {
        if !self.json[self.at..].starts_with(word) {
            return Err(ReadError::Malformed);
        }
        self.at += word.len();
        Ok(value)
    }

    /// What was read since `start`.
    fn text(&self, start: usize) -> Text {
        let place = |at: usize| u32::try_from(at).expect("`Store::read` refuses sources of 4 GiB");
        Text {
            source: self.source,
            start: place(start),
            end: place(self.at),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        if self.peek()? != byte {
            return Err(ReadError::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Result<u8, ReadError> {
        self.json.get(self.at).copied().ok_or(ReadError::Malformed)
    }

    fn skip_space(&mut self) {
        while self
            .json
            .get(self.at)
            .is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        {
            self.at += 1;
        }
    }
}
