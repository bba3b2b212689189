//! The body of a request to a subgraph.

use apollo_compiler::Name;
use bytes::Bytes;
use serde_json::{Map, Value as JsonValue};

use crate::representation::Representations;

/// JSON of a GraphQL request: `{"query":…,"variables":{…}}`.
pub(super) struct Body {
    out: Vec<u8>,
    has_variables: bool,
}

impl Body {
    /// The document, and those of the client's `variables` that are called `used`.
    pub(super) fn new(document: &str, used: &[Name], variables: &Map<String, JsonValue>) -> Self {
        let mut body = Self {
            out: Vec::with_capacity(document.len() + 256),
            has_variables: false,
        };
        body.out.extend_from_slice(b"{\"query\":");
        body.json(document);
        for name in used {
            if let Some(value) = variables.get(name.as_str()) {
                body.variable(name);
                body.json(value);
            }
        }
        body
    }

    pub(super) fn representations(&mut self, name: &str, representations: &Representations) {
        self.variable(name);
        self.out.push(b'[');
        for (index, representation) in representations.keys().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(representation);
        }
        self.out.push(b']');
    }

    /// * `value`: JSON.
    pub(super) fn context(&mut self, name: &str, value: &[u8]) {
        self.variable(name);
        self.out.extend_from_slice(value);
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.out
            .extend_from_slice(if self.has_variables { b"}}" } else { b"}" });
        self.out.into()
    }

    fn variable(&mut self, name: &str) {
        self.out.extend_from_slice(if self.has_variables {
            b",\""
        } else {
            b",\"variables\":{\""
        });
        self.has_variables = true;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.out, value).expect("text and JSON values are JSON, and a Vec takes all bytes");
    }
}
