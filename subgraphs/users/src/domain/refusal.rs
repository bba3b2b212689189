//! Why something was not done: mistakes that the caller can act on.

/// What kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    EmailInvalid,
    EmailTaken,
    PasswordTooShort,
    PasswordTooCommon,
    InvalidCredentials,
    TooManyAttempts,
    TokenInvalid,
    TokenExpired,
    NotFound,
    Required,
    Invalid,
    AddressLimitReached,
}

/// A mistake in the arguments, or a state in which the wish cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// For people, in English.
    pub(crate) message: String,
    /// Path in the arguments; empty when it is about the whole call.
    pub(crate) field: Vec<String>,
}

impl Refusal {
    /// Whether it is about a token that will never be good again.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.reason, Reason::TokenInvalid | Reason::TokenExpired)
    }

    /// A refusal of the whole call.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        Refusal {
            reason,
            message: message.into(),
            field: Vec::new(),
        }
    }

    /// A refusal because of the argument `field` (without the path to it, see [`Refusal::below`]).
    pub(crate) fn of(field: &str, reason: Reason, message: impl Into<String>) -> Refusal {
        Refusal {
            field: vec![field.to_owned()],
            ..Refusal::new(reason, message)
        }
    }

    /// The same refusal, of an argument inside the argument `parent`.
    pub(crate) fn below(mut self, parent: &str) -> Refusal {
        if !self.field.is_empty() {
            self.field.insert(0, parent.to_owned());
        }
        self
    }
}

/// Reads an optional text: blank is none.
pub(super) fn optional(
    field: &str,
    text: Option<String>,
    length_max: usize,
    refusals: &mut Vec<Refusal>,
) -> Option<String> {
    let text = text
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())?;
    if text.chars().count() > length_max || text.chars().any(char::is_control) {
        let message = format!("At most {length_max} characters on one line.");
        refusals.push(Refusal::of(field, Reason::Invalid, message));
    }
    Some(text)
}

/// Reads a text that must be there.
pub(super) fn required(field: &str, text: String, length_max: usize, refusals: &mut Vec<Refusal>) -> String {
    let text = optional(field, Some(text), length_max, refusals);
    if text.is_none() {
        refusals.push(Refusal::of(field, Reason::Required, "Must not be blank."));
    }
    text.unwrap_or_default()
}
