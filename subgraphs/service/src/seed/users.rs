//! The demo shop's people: one administrator, one of support, and customers.

use super::{mix, opening, pick};
use crate::auth::Role;
use crate::id;
use chrono::{DateTime, Duration, Utc};

/// Number of accounts.
pub const COUNT: u64 = 100;
/// Index of the administrator, `admin@hansa.example`.
pub const ADMIN: u64 = 0;
/// Index of the person of support, `support@hansa.example`.
pub const SUPPORT: u64 = 1;
/// Index of the customer of the README, `ada@hansa.example`.
pub const DEMO: u64 = 2;
/// Password of every demo account.
pub const PASSWORD: &str = "demo-password-1";

/// An account of the demo shop.
#[derive(Clone, Debug)]
pub struct SeedUser {
    /// `usr_…`.
    pub id: String,
    /// Lower case, below `hansa.example`.
    pub email: String,
    /// Name shown in the shop.
    pub display_name: String,
    /// `CUSTOMER` and more.
    pub roles: Vec<Role>,
    /// BCP 47 language tag.
    pub locale: &'static str,
    /// Telephone number.
    pub phone: String,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// Home first; some have a second one.
    pub addresses: Vec<SeedAddress>,
}

/// An address of the demo shop.
#[derive(Clone, Debug)]
pub struct SeedAddress {
    /// `adr_…`.
    pub id: String,
    /// Person to deliver to.
    pub name: String,
    /// Company, for some second addresses.
    pub company: Option<&'static str>,
    /// Street and number.
    pub line1: String,
    /// City.
    pub city: &'static str,
    /// State or province, where mail needs it.
    pub region: Option<&'static str>,
    /// Postal code.
    pub postal_code: &'static str,
    /// ISO 3166-1 alpha-2.
    pub country_code: &'static str,
    /// Telephone number.
    pub phone: String,
}

struct Place {
    city: &'static str,
    region: Option<&'static str>,
    postal_code: &'static str,
    country_code: &'static str,
    street: &'static str,
    locale: &'static str,
}

const fn place(
    city: &'static str,
    region: Option<&'static str>,
    postal_code: &'static str,
    country_and_locale: (&'static str, &'static str),
    street: &'static str,
) -> Place {
    let (country_code, locale) = country_and_locale;
    Place {
        city,
        region,
        postal_code,
        country_code,
        street,
        locale,
    }
}

const PLACES: [Place; 12] = [
    place("Lübeck", None, "23552", ("DE", "de"), "Mengstraße"),
    place("Hamburg", None, "20457", ("DE", "de"), "Speicherstraße"),
    place("Bremen", None, "28195", ("DE", "de"), "Böttcherstraße"),
    place("Berlin", None, "10117", ("DE", "de"), "Jägerstraße"),
    place("Amsterdam", None, "1015 BS", ("NL", "nl"), "Keizersgracht"),
    place("Bruges", None, "8000", ("BE", "nl"), "Langestraat"),
    place("Bergen", None, "5003", ("NO", "nb"), "Bryggen"),
    place("Tallinn", None, "10123", ("EE", "et"), "Pikk"),
    place("Gdańsk", None, "80-831", ("PL", "pl"), "Długa"),
    place("London", None, "EC4M 7RF", ("GB", "en"), "Carter Lane"),
    place("上海", Some("上海市"), "200001", ("CN", "zh-CN"), "南京东路"),
    place("杭州", Some("浙江省"), "310000", ("CN", "zh-CN"), "湖滨路"),
];

const GIVEN: [&str; 24] = [
    "Anna", "Bela", "Clara", "David", "Elif", "Finn", "Greta", "Hanna", "Ivo", "Jonas", "Katja", "Lars", "Mira",
    "Nils", "Olga", "Pavel", "Rosa", "Sven", "Tessa", "Ulla", "Viktor", "Wanda", "Yara", "Zoë",
];
const FAMILY: [&str; 20] = [
    "Andersen",
    "Becker",
    "Carlsen",
    "de Vries",
    "Eriksen",
    "Fischer",
    "Grabowski",
    "Hansen",
    "Iversen",
    "Jansen",
    "Kowalska",
    "Lindqvist",
    "Möller",
    "Nowak",
    "Olsen",
    "Petersen",
    "Rask",
    "Schröder",
    "Tamm",
    "Winter",
];
const CHINESE: [&str; 10] = [
    "王芳", "李伟", "张敏", "刘洋", "陈静", "杨磊", "赵丽", "黄强", "周婷", "吴军",
];
const COMPANIES: [&str; 4] = ["Kontor & Söhne", "Nordlicht GmbH", "Halyard Ltd", "Ambra BV"];

/// Id of account `index`.
#[must_use]
pub fn id(index: u64) -> String {
    id::seeded("usr", index)
}

/// Id of address `position` (0 is home) of account `index`.
#[must_use]
pub fn address_id(index: u64, position: u64) -> String {
    id::seeded("adr", index * 4 + position)
}

/// Account `index`, below [`COUNT`].
#[must_use]
pub fn user(index: u64) -> SeedUser {
    let home = pick(&PLACES, index, 1);
    let display_name = name(index, home);
    let phone = format!("+49 451 {:06}", mix(index, 4) % 1_000_000);
    let (email, roles) = match index {
        ADMIN => ("admin".to_owned(), vec![Role::Customer, Role::Admin]),
        SUPPORT => ("support".to_owned(), vec![Role::Customer, Role::Support]),
        DEMO => ("ada".to_owned(), vec![Role::Customer]),
        _ => (format!("customer{index}"), vec![Role::Customer]),
    };
    let has_office = index == DEMO || mix(index, 5).is_multiple_of(4);
    let addresses = (0..=u64::from(has_office)).map(|position| address(index, position, &display_name, &phone));
    SeedUser {
        id: id(index),
        email: format!("{email}@hansa.example"),
        roles,
        locale: home.locale,
        created_at: opening() + Duration::hours(i64::try_from(index * 7).unwrap_or_default()),
        addresses: addresses.collect(),
        display_name,
        phone,
    }
}

/// All accounts, in the order of their index.
pub fn users() -> impl Iterator<Item = SeedUser> {
    (0..COUNT).map(user)
}

fn name(index: u64, home: &Place) -> String {
    match index {
        ADMIN => "Hansa Admin".to_owned(),
        SUPPORT => "Hansa Support".to_owned(),
        DEMO => "Ada Lindqvist".to_owned(),
        _ if home.country_code == "CN" => (*pick(&CHINESE, index, 2)).to_owned(),
        _ => format!("{} {}", pick(&GIVEN, index, 2), pick(&FAMILY, index, 3)),
    }
}

fn address(index: u64, position: u64, name: &str, phone: &str) -> SeedAddress {
    // The first address is where the person lives; `user` takes the language from the same place.
    let place = pick(&PLACES, index, if position == 0 { 1 } else { 6 });
    let number = mix(index, 7 + position) % 80 + 1;
    let line1 = if place.country_code == "CN" {
        format!("{}{number}号", place.street)
    } else {
        format!("{} {number}", place.street)
    };
    SeedAddress {
        id: address_id(index, position),
        name: name.to_owned(),
        company: (position > 0).then(|| *pick(&COMPANIES, index, 8)),
        line1,
        city: place.city,
        region: place.region,
        postal_code: place.postal_code,
        country_code: place.country_code,
        phone: phone.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn people_are_distinct_and_the_demo_accounts_are_known() {
        let emails: HashSet<String> = users().map(|user| user.email).collect();
        assert_eq!(u64::try_from(emails.len()).unwrap(), COUNT);
        for email in ["admin@hansa.example", "support@hansa.example", "ada@hansa.example"] {
            assert!(emails.contains(email));
        }
        assert!(users().any(|user| user.display_name == "王芳" || user.locale == "zh-CN"));
        assert_eq!(user(DEMO).addresses.len(), 2);
    }
}
