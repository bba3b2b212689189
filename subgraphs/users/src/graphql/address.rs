//! `Address`.

use crate::domain;
use async_graphql::{ID, SimpleObject};

#[derive(Clone, Debug, SimpleObject)]
pub struct Address {
    pub(super) id: ID,
    name: String,
    company: Option<String>,
    line1: String,
    line2: Option<String>,
    city: String,
    region: Option<String>,
    postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    country_code: String,
    phone: Option<String>,
}

impl From<domain::Address> for Address {
    fn from(address: domain::Address) -> Address {
        let postal = address.postal;
        Address {
            id: ID(address.id),
            name: postal.name,
            company: postal.company,
            line1: postal.line1,
            line2: postal.line2,
            city: postal.city,
            region: postal.region,
            postal_code: postal.postal_code,
            country_code: postal.country_code,
            phone: postal.phone,
        }
    }
}
