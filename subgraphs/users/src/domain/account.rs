//! Accounts and profiles.

use super::refusal::{optional, required};
use super::{Reason, Refusal};
use chrono::{DateTime, Utc};
use service::auth::Role;
use unicode_normalization::UnicodeNormalization as _;

/// An account. The hash of its password stays in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) profile: Profile,
    pub(crate) roles: Vec<Role>,
    pub(crate) default_shipping_address_id: Option<String>,
    pub(crate) default_billing_address_id: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What people say about themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) display_name: String,
    pub(crate) phone: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) avatar_url: Option<String>,
}

/// A change of a profile: `None` leaves a value as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProfileChange {
    pub(crate) display_name: Option<String>,
    pub(crate) phone: Option<Option<String>>,
    pub(crate) locale: Option<Option<String>>,
    pub(crate) avatar_url: Option<Option<String>>,
    pub(crate) default_shipping_address_id: Option<Option<String>>,
    pub(crate) default_billing_address_id: Option<Option<String>>,
}

impl Profile {
    /// Checks the profile of a new account.
    pub(crate) fn new(display_name: String, locale: Option<String>) -> Result<Profile, Vec<Refusal>> {
        Profile {
            display_name,
            phone: None,
            locale,
            avatar_url: None,
        }
        .checked()
    }

    /// The profile with `change` applied and checked.
    pub(crate) fn changed(self, change: &ProfileChange) -> Result<Profile, Vec<Refusal>> {
        let changed = Profile {
            display_name: change.display_name.clone().unwrap_or(self.display_name),
            phone: change.phone.clone().unwrap_or(self.phone),
            locale: change.locale.clone().unwrap_or(self.locale),
            avatar_url: change.avatar_url.clone().unwrap_or(self.avatar_url),
        };
        changed.checked()
    }

    fn checked(self) -> Result<Profile, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let profile = Profile {
            display_name: required("displayName", self.display_name, 80, &mut refusals),
            phone: optional("phone", self.phone, 32, &mut refusals),
            locale: optional("locale", self.locale, 35, &mut refusals),
            avatar_url: optional("avatarUrl", self.avatar_url, 500, &mut refusals),
        };
        if profile.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            refusals.push(Refusal::of(
                "phone",
                Reason::Invalid,
                "A telephone number such as +49 451 123456.",
            ));
        }
        if profile.locale.as_deref().is_some_and(|locale| !is_language_tag(locale)) {
            refusals.push(Refusal::of(
                "locale",
                Reason::Invalid,
                "A language tag (BCP 47) such as en or zh-CN.",
            ));
        }
        if profile
            .avatar_url
            .as_deref()
            .is_some_and(|url| !url.starts_with("https://"))
        {
            refusals.push(Refusal::of(
                "avatarUrl",
                Reason::Invalid,
                "An address that begins with https://.",
            ));
        }
        if refusals.is_empty() {
            Ok(profile)
        } else {
            Err(refusals)
        }
    }
}

pub(super) fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (4..=15).contains(&digits) && text.chars().all(|c| c.is_ascii_digit() || " +-()./".contains(c))
}

/// A name as it is looked for: without case and accents, so that `Örjan` is found by `ö` and by `orj`.
pub(crate) fn folded(name: &str) -> String {
    // Accents of Latin letters. Marks of other scripts (such as the voicing of kana) belong to the letter.
    let is_kept = |character: &char| !('\u{300}'..='\u{36f}').contains(character);
    let lower = name.chars().flat_map(char::to_lowercase);
    lower.nfkd().filter(is_kept).nfc().collect()
}

fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.chars().all(|c| c.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded() {
        for (name, expected) in [
            ("Örjan Åkesson", "orjan akesson"),
            ("O\u{308}rjan", "orjan"),
            ("İpek", "ipek"),
            ("ΆΝΝΑ", "αννα"),
            ("ガラス", "ガラス"),
            ("王伟", "王伟"),
        ] {
            assert_eq!(folded(name), expected, "{name}");
        }
    }
}
