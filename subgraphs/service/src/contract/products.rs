//! The internal endpoints of `products`: quotes, reservations of stock, and restocking.
//!
//! Paths, and which answer means what, are in `subgraphs/products/README.md`. All commands are idempotent by the id in
//! their path: the first answer is stored, and repeated for each later call with the same body.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Most lines that one quote, reservation or restock may have.
pub const LINES_MAX: usize = 200;

/// Largest quantity of one line, in units.
pub const QUANTITY_MAX: u32 = 10_000;

/// An amount in integer minor units: `{"amountMinor": 1999, "currencyCode": "EUR"}` is 19.99 EUR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// Minor units of the currency: cents of EUR, whole yen of JPY.
    pub amount_minor: i64,
    /// ISO 4217 alphabetic code.
    pub currency_code: String,
}

/// Body of `POST /internal/quote`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuoteRequest {
    /// Variants to look up, at most [`LINES_MAX`]; repeated ids are answered once.
    pub variant_ids: Vec<String>,
    /// ISO 4217 code of the prices wanted.
    pub currency_code: String,
}

/// Answer of `POST /internal/quote`: what can be known of each variant now. Promises nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// In the order of the request. Unknown ids, and variants without a price in the currency, are left out.
    pub variants: Vec<VariantQuote>,
}

/// A variant as an order line needs it: everything that the line keeps as a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VariantQuote {
    /// `var_…`
    pub variant_id: String,
    /// `prod_…`
    pub product_id: String,
    /// Stock-keeping unit, unique over the shop.
    pub sku: String,
    /// Title of the product.
    pub product_title: String,
    /// Title of the variant, made of its options: `M / Blue`.
    pub variant_title: String,
    /// Absolute URL of the picture, if there is one.
    pub image_url: Option<String>,
    /// Price of one unit.
    pub price: Price,
    /// Weight of one unit in grams, if known.
    pub weight_grams: Option<i32>,
    /// `standard`, `reduced` or `zero`; which rate that is depends on the destination, and orders knows it.
    pub tax_class: String,
    /// False for a draft or archived product; says nothing of what is on hand.
    pub available_for_sale: bool,
    /// Units on hand and not reserved.
    pub quantity_available: i64,
}

/// So many units of one variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VariantQuantity {
    /// `var_…`
    pub variant_id: String,
    /// 1 to [`QUANTITY_MAX`] units.
    pub quantity: u32,
}

/// Body of `PUT /internal/reservations/{order_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationRequest {
    /// At most [`LINES_MAX`], at least one, each variant at most once.
    pub lines: Vec<VariantQuantity>,
    /// ISO 4217 code of the prices wanted.
    pub currency_code: String,
}

/// Answer of `PUT /internal/reservations/{order_id}`, told apart by `outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub enum ReservationReply {
    /// All lines are reserved, at these prices.
    Reserved {
        /// When the reservation lapses unless it is committed or extended.
        expires_at: DateTime<Utc>,
        /// One per line, in the order of the request; read in the transaction that reserved.
        variants: Vec<VariantQuote>,
    },
    /// Nothing is reserved, for these reasons (every one of them, not just the first).
    Refused {
        /// At least one.
        shortages: Vec<Shortage>,
    },
    /// The order's reservation was released before; a late reserve is refused for ever.
    Released,
}

/// Why one line cannot be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    /// `var_…`
    pub variant_id: String,
    /// What is wrong with it.
    pub reason: ShortageReason,
    /// Units that could have been reserved; 0 unless the reason is `OUT_OF_STOCK`.
    pub quantity_available: i64,
}

/// Reasons of a [`Shortage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShortageReason {
    /// No variant has this id.
    NotFound,
    /// The product is a draft or archived, or the variant was taken out.
    NotForSale,
    /// The variant has no price in the currency asked for.
    NoPrice,
    /// Fewer units are free than were asked for.
    OutOfStock,
}

/// Answer of `POST /internal/reservations/{order_id}/commit`, told apart by `outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub enum CommitReply {
    /// The units left the stock for good. Also the answer for a lapsed reservation whose units were still there.
    Committed,
    /// The reservation had lapsed, and these units are gone meanwhile. Nothing was taken.
    Refused {
        /// At least one.
        shortages: Vec<Shortage>,
    },
    /// The reservation was released; it cannot be committed any more.
    Released,
    /// No reservation of this order is known.
    NotFound,
}

/// Body of `POST /internal/reservations/{order_id}/extend`: the payment is still under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtendRequest {
    /// New end of the reservation; at most [`EXTENSION_SECONDS_MAX`] from now, else that. Never shortens.
    pub expires_at: DateTime<Utc>,
}

/// How far a reservation can be extended into the future, in seconds: a day, as long as a gateway may think.
pub const EXTENSION_SECONDS_MAX: i64 = 24 * 3600;

/// Answer of `POST /internal/reservations/{order_id}/extend`, told apart by `outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub enum ExtendReply {
    /// The units stay reserved until then.
    Extended {
        /// The end that holds now.
        expires_at: DateTime<Utc>,
    },
    /// Nothing is reserved for this order: unknown, lapsed, released or committed.
    NotReserved,
}

/// Answer of `DELETE /internal/reservations/{order_id}`, told apart by `outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub enum ReleaseReply {
    /// Nothing is reserved for the order, and nothing ever will be (also when nothing was known of it).
    Released,
    /// Too late: the units were committed. A restock brings them back.
    Committed,
}

/// Body of `PUT /internal/restocks/{restock_id}`: units of a committed order come back (a refund, a cancellation).
/// `restock_id` is the caller's own id of the act, such as a refund's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestockRequest {
    /// `ord_…`; must be committed.
    pub order_id: String,
    /// At most [`LINES_MAX`], each variant at most once. Over all restocks of an order never more than it committed.
    pub lines: Vec<VariantQuantity>,
}

/// Answer of `PUT /internal/restocks/{restock_id}`, told apart by `outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub enum RestockReply {
    /// The units are on hand again.
    Restocked,
    /// The order is not committed, or more units would come back than it took. Nothing was changed.
    Refused,
}
