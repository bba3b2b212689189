//! Global ids: `ord_01kaq3v5z8e6r9s2m4n7p0q1rt`, a prefix that tells the type and a UUIDv7 that sorts by time.
//!
//! 26 characters of lower-case Crockford base32 hold the 128 bits. Ids are opaque to clients.

use crate::seed::{mix, opening};
use uuid::{NoContext, Timestamp, Uuid};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

/// Makes a new id with `prefix` (without the underscore).
#[must_use]
pub fn new(prefix: &str) -> String {
    format(prefix, Uuid::now_v7().as_u128())
}

/// The id of row number `index` of the seed data: the same in every database and every run.
///
/// The time part is the shop's opening plus `index` seconds, so that seeded rows sort by index and before new ones.
#[must_use]
pub fn seeded(prefix: &str, index: u64) -> String {
    let seconds = u64::try_from(opening().timestamp())
        .unwrap_or_default()
        .wrapping_add(index);
    let time = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0)).as_u128();
    let salt = prefix
        .bytes()
        .fold(0_u64, |salt, byte| salt.wrapping_mul(31).wrapping_add(u64::from(byte)));
    // Keep 48 bits of time, the version and the variant; the 74 random bits come from the index.
    let random = (u128::from(mix(index, salt)) << 64) | u128::from(mix(index, salt.wrapping_add(1)));
    let fixed: u128 = 0xffff_ffff_ffff_f000_c000_0000_0000_0000;
    format(prefix, (time & fixed) | (random & !fixed))
}

/// Whether `text` is an id with `prefix`: exact length, alphabet and case, and no bits beyond 128.
#[must_use]
pub fn is(prefix: &str, text: &str) -> bool {
    let Some(digits) = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) else {
        return false;
    };
    digits.len() == DIGITS && digits.as_bytes()[0] <= b'7' && digits.bytes().all(|digit| ALPHABET.contains(&digit))
}

fn format(prefix: &str, bits: u128) -> String {
    let digits = (0..DIGITS).rev().map(|position| {
        let digit = (bits >> (position * 5)) & 31;
        char::from(ALPHABET[usize::try_from(digit).expect("five bits")])
    });
    let mut id = String::with_capacity(prefix.len() + 1 + DIGITS);
    id.push_str(prefix);
    id.push('_');
    id.extend(digits);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_well_formed_and_sorted_by_time() {
        let ids: Vec<String> = (0..100).map(|_| new("ord")).collect();
        assert!(ids.iter().all(|id| is("ord", id)), "{ids:?}");
        assert!(ids.is_sorted(), "{ids:?}");
    }

    #[test]
    fn seeded_ids_never_change() {
        expect_test::expect![[r#"["usr_01ke6jq300ec1t1d0fv6tdxdcm", "usr_01ke6jq3z8f168ebvmpmjv4k7c"]"#]]
            .assert_eq(&format!("{:?}", [seeded("usr", 0), seeded("usr", 1)]));
        assert!((0..100).all(|index| is("usr", &seeded("usr", index))));
        assert!(seeded("usr", 999) < new("usr"));
    }

    #[test]
    fn only_exact_ids_are_ids() {
        let id = seeded("usr", 0);
        for (text, expected) in [
            (id.as_str(), true),
            ("", false),
            ("usr_", false),
            (&id[1..], false),
            (&id.to_uppercase(), false),
            (&format!("{id}0"), false),
            (&id.replace("usr_", "ord_"), false),
            ("usr_81ke6qf6004v7vk7bc4e3d9p3r", false),
            ("usr_01ke6qf6004v7vk7bc4e3d9p3é", false),
        ] {
            assert_eq!(is("usr", text), expected, "{text}");
        }
    }
}
