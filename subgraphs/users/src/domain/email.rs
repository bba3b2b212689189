//! Email addresses.

use super::{Reason, Refusal};

/// An address that mail may reach: one `@`, a domain with a dot, at most 254 characters, in lower case.
///
/// Only a mail that arrives proves an address, so this does not try to be RFC 5322. Lower case, since an address in
/// two cases is one person in practice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmailAddress(String);

impl EmailAddress {
    pub(crate) fn parse(field: &str, text: &str) -> Result<EmailAddress, Refusal> {
        let address = text.trim().to_lowercase();
        let refused = || Refusal::of(field, Reason::EmailInvalid, "This is not an email address.");
        let (local, domain) = address.rsplit_once('@').ok_or_else(refused)?;
        let labels_are_fine = domain.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-') && !label.starts_with('-')
        });
        let local_is_fine = !local.is_empty()
            && local.len() <= 64
            && !local.contains(['@', '"', '<', '>', '(', ')', ',', ';', ':', '\\'])
            && !local.chars().any(|c| c.is_whitespace() || c.is_control());
        if address.len() > 254 || !domain.contains('.') || !labels_are_fine || !local_is_fine {
            return Err(refused());
        }
        Ok(EmailAddress(address))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised_or_refused() {
        for (text, expected) in [
            (" Ada@Example.COM ", Some("ada@example.com")),
            ("a.b+c@sub.example.co", Some("a.b+c@sub.example.co")),
            ("王@例子.中国", Some("王@例子.中国")),
            ("ada", None),
            ("ada@localhost", None),
            ("@example.com", None),
            ("a b@example.com", None),
            ("ada@example..com", None),
            ("ada@@example.com", None),
            ("ada@example.com\r\nBcc: x@example.com", None),
        ] {
            let parsed = EmailAddress::parse("email", text);
            assert_eq!(parsed.as_ref().ok().map(EmailAddress::as_str), expected, "{text}");
        }
        assert!(EmailAddress::parse("email", &format!("{}@example.com", "a".repeat(300))).is_err());
    }
}
