//! Types, values, directives and descriptions: what definitions are made of.

use apollo_compiler::Node;
use apollo_compiler::ast::{Argument, Directive, DirectiveList, FloatValue, IntValue, Type, Value};

use super::tokens::Kind;
use super::{DEPTH_MAX, Reader};

impl Reader<'_> {
    pub(super) fn type_reference(&mut self, depth: usize) -> Option<Type> {
        if depth > DEPTH_MAX {
            return None;
        }
        if !self.takes(b'[')? {
            let name = self.name()?;
            return Some(match self.takes(b'!')? {
                true => Type::NonNullNamed(name),
                false => Type::Named(name),
            });
        }
        let item = Box::new(self.type_reference(depth + 1)?);
        self.punctuator(b']')?;
        Some(match self.takes(b'!')? {
            true => Type::NonNullList(item),
            false => Type::List(item),
        })
    }

    pub(super) fn description(&mut self) -> Option<Option<Node<str>>> {
        if !matches!(self.tokens.kind, Kind::String | Kind::BlockString) {
            return Some(None);
        }
        let start = self.tokens.start;
        let text = self.string()?;
        let handle = self.handles.of_node(start..self.tokens.end_of_last)?;
        Some(Some(Node::new_str_parsed(&text, handle)))
    }

    fn string(&mut self) -> Option<String> {
        let text = self.tokens.text();
        let value = match self.tokens.kind {
            Kind::String => text[1..text.len() - 1].to_owned(),
            Kind::BlockString => block_string(&text[3..text.len() - 3]),
            _ => return None,
        };
        self.tokens.advance()?;
        Some(value)
    }

    pub(super) fn directives(&mut self) -> Option<DirectiveList> {
        let mut directives = Vec::new();
        loop {
            let start = self.tokens.start;
            if !self.takes(b'@')? {
                return Some(DirectiveList(directives));
            }
            let name = self.name()?;
            let arguments = self.list((b'(', b')'), |reader| {
                let name = reader.name()?;
                reader.punctuator(b':')?;
                let value = Node::new(reader.value(0)?);
                Some(Node::new(Argument { name, value }))
            })?;
            directives.push(self.node(start, Directive { name, arguments })?);
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        let text = self.tokens.text();
        Some(match self.tokens.kind {
            Kind::String | Kind::BlockString => Value::String(self.string()?),
            Kind::Int => self.taken(Value::Int(IntValue::new_parsed(text)))?,
            Kind::Float => self.taken(Value::Float(FloatValue::new_parsed(text)))?,
            Kind::Name => match text {
                "true" | "false" => self.taken(Value::Boolean(text == "true"))?,
                "null" => self.taken(Value::Null)?,
                _ => Value::Enum(self.name()?),
            },
            Kind::Punctuator(b'[') => {
                self.tokens.advance()?;
                let mut values = Vec::new();
                while !self.takes(b']')? {
                    values.push(Node::new(self.value(depth + 1)?));
                }
                Value::List(values)
            }
            Kind::Punctuator(b'{') => {
                self.tokens.advance()?;
                let mut fields = Vec::new();
                while !self.takes(b'}')? {
                    let name = self.name()?;
                    self.punctuator(b':')?;
                    fields.push((name, Node::new(self.value(depth + 1)?)));
                }
                Value::Object(fields)
            }
            _ => return None,
        })
    }

    /// A value of one token.
    fn taken(&mut self, value: Value) -> Option<Value> {
        self.tokens.advance()?;
        Some(value)
    }
}

/// What a block string says (GraphQL spec, "BlockStringValue()"); `raw` has neither escapes nor carriage returns.
fn block_string(raw: &str) -> String {
    let is_blank = |line: &str| line.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
    let indent_of = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let rest = raw.split('\n').skip(1).filter(|line| !is_blank(line));
    let indent = rest.map(indent_of).min().unwrap_or(0);
    let lines = raw.split('\n').enumerate().map(|(index, line)| match index {
        0 => line,
        _ => &line[indent.min(line.len())..],
    });
    let mut lines: Vec<&str> = lines.skip_while(|line| is_blank(line)).collect();
    while lines.last().is_some_and(|line| is_blank(line)) {
        lines.pop();
    }
    lines.join("\n")
}
