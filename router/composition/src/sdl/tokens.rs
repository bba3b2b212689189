//! Tokens of SDL, one at a time (GraphQL spec, "Lexical Tokens").

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Punctuator(u8),
    Int,
    Float,
    String,
    BlockString,
    End,
}

/// A text and the token that is next in it.
pub(super) struct Tokens<'t> {
    source: &'t str,
    pub(super) kind: Kind,
    /// First byte of the token.
    pub(super) start: usize,
    /// Where the token ends.
    end: usize,
    /// Where the token before it ended.
    pub(super) end_of_last: usize,
}

impl<'t> Tokens<'t> {
    /// Stands at the first token of `source`; `None` if it is none, as always where a token is read.
    pub(super) fn new(source: &'t str) -> Option<Self> {
        let mut tokens = Self {
            source,
            kind: Kind::End,
            start: 0,
            end: 0,
            end_of_last: 0,
        };
        tokens.advance()?;
        Some(tokens)
    }

    /// The token as written.
    pub(super) fn text(&self) -> &'t str {
        &self.source[self.start..self.end]
    }

    /// Goes to the token behind this one.
    pub(super) fn advance(&mut self) -> Option<()> {
        self.end_of_last = self.end;
        self.start = self.behind_ignored();
        let Some(first) = self.byte(self.start) else {
            (self.kind, self.end) = (Kind::End, self.start);
            return Some(());
        };
        (self.kind, self.end) = match first {
            b'!' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                (Kind::Punctuator(first), self.start + 1)
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => (Kind::Name, self.behind(self.start, is_of_name)),
            b'-' | b'0'..=b'9' => self.number()?,
            b'"' => self.string()?,
            _ => return None,
        };
        Some(())
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.source.as_bytes().get(at).copied()
    }

    /// The first byte at or behind `from` that is not `of` a kind.
    fn behind(&self, from: usize, of: fn(u8) -> bool) -> usize {
        let rest = &self.source.as_bytes()[from..];
        from + rest.iter().position(|byte| !of(*byte)).unwrap_or(rest.len())
    }

    fn behind_ignored(&self) -> usize {
        let mut at = self.end;
        loop {
            at = self.behind(at, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b','));
            if self.byte(at) != Some(b'#') {
                return at;
            }
            at = self.behind(at, |byte| !matches!(byte, b'\n' | b'\r'));
        }
    }

    fn number(&self) -> Option<(Kind, usize)> {
        let first_digit = self.start + usize::from(self.byte(self.start) == Some(b'-'));
        let mut end = self.digits(first_digit)?;
        if self.byte(first_digit) == Some(b'0') && end > first_digit + 1 {
            return None;
        }
        let mut kind = Kind::Int;
        if self.byte(end) == Some(b'.') {
            (kind, end) = (Kind::Float, self.digits(end + 1)?);
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            (kind, end) = (Kind::Float, self.digits(end + 1 + sign)?);
        }
        let is_followed = self.byte(end).is_some_and(|next| is_of_name(next) || next == b'.');
        (!is_followed).then_some((kind, end))
    }

    /// Where digits end of which there is one at least.
    fn digits(&self, from: usize) -> Option<usize> {
        self.byte(from).filter(u8::is_ascii_digit)?;
        Some(self.behind(from, |byte| byte.is_ascii_digit()))
    }

    /// A string without escapes, which are as rare as they are many.
    fn string(&self) -> Option<(Kind, usize)> {
        let rest = &self.source[self.start..];
        let (kind, quotes) = match rest.strip_prefix("\"\"\"") {
            Some(_) => (Kind::BlockString, "\"\"\""),
            None => (Kind::String, "\""),
        };
        let length = rest[quotes.len()..].find(quotes)?;
        let content = &rest[quotes.len()..quotes.len() + length];
        let is_taken = match kind {
            Kind::BlockString => !content.contains(['\\', '\r']),
            _ => !content.contains(['\\', '\r', '\n']),
        };
        is_taken.then_some((kind, self.start + length + 2 * quotes.len()))
    }
}

fn is_of_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}
