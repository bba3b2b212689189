//! What users answers on its internal listener.

use serde::{Deserialize, Serialize};

/// Body of `POST /internal/buyer`: who buys, and to which of their addresses the parcel goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerRequest {
    /// Id of the user (`usr_…`).
    pub user_id: String,
    /// Id of one of the user's own addresses (`adr_…`), when the order names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_id: Option<String>,
}

/// Reply of `POST /internal/buyer`. Status 200 also when there is no such user or address: `null` says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerReply {
    /// The buyer, or `None` when no such account exists (or it was erased).
    pub user: Option<Buyer>,
    /// The address, or `None` when none was asked for, it does not exist, or it belongs to somebody else.
    pub address: Option<PostalAddress>,
}

/// A person who may place orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    /// Id of the user (`usr_…`).
    pub id: String,
    /// Name shown in the shop.
    pub display_name: String,
    /// Where mail about the order goes.
    pub email: String,
    /// BCP 47 language tag, such as `en` or `zh-CN`.
    pub locale: Option<String>,
    /// Whether the email address was confirmed.
    pub email_verified: bool,
}

/// A postal address as stored in a profile, and copied into an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostalAddress {
    /// Id of the address (`adr_…`); `None` in a copy that was typed in and never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Person to deliver to.
    pub name: String,
    /// Company to deliver to.
    pub company: Option<String>,
    /// Street and number.
    pub line1: String,
    /// Floor, building and the like.
    pub line2: Option<String>,
    /// City.
    pub city: String,
    /// State, province or region.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2, upper case.
    pub country_code: String,
    /// Telephone number for the carrier.
    pub phone: Option<String>,
}
