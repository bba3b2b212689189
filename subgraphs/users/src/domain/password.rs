//! Which passwords are good enough (NIST SP 800-63B: length and a list of common ones, no rules about characters).

use super::{Reason, Refusal};
use std::fmt;

const LENGTH_MIN: usize = 8;
const LENGTH_MAX: usize = 256;

/// The most used passwords of eight and more characters, and what is easily guessed about this shop.
const COMMON: &[&str] = &[
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "87654321",
    "11111111",
    "00000000",
    "88888888",
    "12341234",
    "11223344",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "qwertyui",
    "qwertyuiop",
    "qwerty123",
    "qwerty12",
    "asdfghjk",
    "asdfghjkl",
    "zxcvbnm1",
    "password",
    "password1",
    "password12",
    "password123",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "iloveyou",
    "iloveyou1",
    "princess",
    "sunshine",
    "football",
    "baseball",
    "superman",
    "starwars",
    "trustno1",
    "welcome1",
    "letmein1",
    "monkey12",
    "dragon12",
    "michelle",
    "jennifer",
    "computer",
    "internet",
    "whatever",
    "abcd1234",
    "abc12345",
    "a1234567",
    "a12345678",
    "aa123456",
    "woaini1314",
    "5201314520",
    "changeme",
    "changeit",
    "hansahansa",
    "hansa1234",
    "hansa123",
    "secret123",
    "testtest",
    "test1234",
];

/// A password that may be set. Never shown.
#[derive(Clone)]
pub(crate) struct Password(String);

impl Password {
    /// Checks a password that is to be set for the account with the address `email`.
    pub(crate) fn parse(field: &str, text: String, email: &str) -> Result<Password, Refusal> {
        let length = text.chars().count();
        let lower = text.to_lowercase();
        let repeats = lower
            .chars()
            .next()
            .is_some_and(|first| lower.chars().all(|c| c == first));
        let names_the_account = lower == email || email.split('@').next() == Some(lower.as_str());
        if length < LENGTH_MIN {
            let message = format!("A password has at least {LENGTH_MIN} characters.");
            return Err(Refusal::of(field, Reason::PasswordTooShort, message));
        }
        if length > LENGTH_MAX {
            let message = format!("A password has at most {LENGTH_MAX} characters.");
            return Err(Refusal::of(field, Reason::Invalid, message));
        }
        if repeats || names_the_account || COMMON.contains(&lower.as_str()) {
            let message = "This password is easily guessed; choose another one.";
            return Err(Refusal::of(field, Reason::PasswordTooCommon, message));
        }
        Ok(Password(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        for (text, expected) in [
            ("correct horse", None),
            ("七个字符的密码呀", None),
            ("seven77", Some(Reason::PasswordTooShort)),
            ("Password123", Some(Reason::PasswordTooCommon)),
            ("zzzzzzzzzz", Some(Reason::PasswordTooCommon)),
            ("ada.lovelace", Some(Reason::PasswordTooCommon)),
        ] {
            let parsed = Password::parse("password", text.to_owned(), "ada.lovelace@example.com");
            assert_eq!(parsed.err().map(|refusal| refusal.reason), expected, "{text}");
        }
        assert!(Password::parse("password", "x y".repeat(100), "a@example.com").is_err());
    }
}
