//! The orders of the demo shop: 500 over the seeded people and variants, with their payments.
//!
//! In: [`super::users`] and [`super::catalogue`]. Out: rows for orders, for payments, and for the sandbox gateway's
//! ledger, which therefore agree to the cent. Every order is at rest (nothing reserved, nothing to expire), so that the
//! data set never ages. Totals follow the default prices of the orders service; a test there compares them.

use super::catalogue::{self, SeedVariant};
use super::users::{self, SeedAddress};
use super::{mix, opening, pick};
use crate::id;
use chrono::{DateTime, Duration, Utc};
use std::sync::LazyLock;

/// Number of orders.
pub const COUNT: u64 = 500;

/// Number of the first order, for people.
pub const FIRST_NUMBER: u64 = 100_001;

/// What all of them are paid in.
pub const CURRENCY_CODE: &str = "EUR";

/// Name of the gateway that they were paid through.
pub const GATEWAY: &str = "sandbox";

/// Why the declined payments were declined.
pub const DECLINE_CODE: &str = "insufficient_funds";

/// Where an order stands. Only states in which nothing happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedOrderStatus {
    /// Paid, and waiting to be sent.
    Paid,
    /// Paid and sent.
    Fulfilled,
    /// Paid, and one line given back.
    PartiallyRefunded,
    /// Paid, and all given back.
    Refunded,
    /// Cancelled before it was paid.
    Cancelled,
    /// Not paid in time, after a declined payment.
    Expired,
}

/// An order.
#[derive(Clone, Debug)]
pub struct SeedOrder {
    /// `ord_…`
    pub id: String,
    /// 100001 and up.
    pub number: u64,
    /// Who bought.
    pub user_id: String,
    /// Where it stands.
    pub status: SeedOrderStatus,
    /// One to four, of different variants.
    pub lines: Vec<SeedOrderLine>,
    /// Sum of the lines.
    pub subtotal_minor: i64,
    /// Flat by destination and weight.
    pub shipping_minor: i64,
    /// Contained in the other two.
    pub tax_minor: i64,
    /// What was, or was to be, paid.
    pub total_minor: i64,
    /// What went back.
    pub refunded_minor: i64,
    /// The buyer's home.
    pub address: SeedAddress,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When it came to rest.
    pub settled_at: DateTime<Utc>,
    /// How it was paid, if that was tried.
    pub payment: Option<SeedPayment>,
}

/// A line of an order.
#[derive(Clone, Debug)]
pub struct SeedOrderLine {
    /// `oln_…`
    pub id: String,
    /// What was bought.
    pub variant: &'static SeedVariant,
    /// Units.
    pub quantity: u32,
    /// Price of one, tax contained.
    pub unit_price_minor: i64,
    /// Price of all.
    pub total_minor: i64,
    /// Tax contained in it, rounded half up.
    pub tax_minor: i64,
    /// Units given back.
    pub refunded_quantity: u32,
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedPaymentOutcome {
    /// Taken; perhaps refunded.
    Captured,
    /// Refused by the bank.
    Declined,
}

/// The payment of an order.
#[derive(Clone, Debug)]
pub struct SeedPayment {
    /// `pay_…`
    pub id: String,
    /// The gateway's id, `sbx_…`
    pub gateway_reference: String,
    /// Id of the transaction that authorized it, `txn_…`
    pub authorize_id: String,
    /// Id of the transaction that captured it.
    pub capture_id: String,
    /// Asked for.
    pub amount_minor: i64,
    /// What became of it.
    pub outcome: SeedPaymentOutcome,
    /// The refund, if there was one.
    pub refund: Option<SeedRefund>,
    /// `visa`, `mastercard`.
    pub card_brand: &'static str,
    /// Four digits.
    pub card_last4: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Money that went back.
#[derive(Clone, Debug)]
pub struct SeedRefund {
    /// Id at orders, `rfd_…`
    pub id: String,
    /// Id of the transaction at payments.
    pub transaction_id: String,
    /// The gateway's id, `sbr_…`
    pub gateway_reference: String,
    /// How much.
    pub amount_minor: i64,
}

/// All orders, oldest first.
#[must_use]
pub fn all() -> &'static [SeedOrder] {
    static ORDERS: LazyLock<Vec<SeedOrder>> = LazyLock::new(|| (0..COUNT).map(order).collect());
    &ORDERS
}

impl SeedOrder {
    /// The number as people see it: `#100042`.
    #[must_use]
    pub fn number_text(&self) -> String {
        format!("#{}", self.number)
    }

    /// Whether the buyer holds the goods, or soon will.
    #[must_use]
    pub fn is_bought(&self) -> bool {
        use SeedOrderStatus as S;
        matches!(self.status, S::Paid | S::Fulfilled | S::PartiallyRefunded)
    }
}

// Salts of `mix`, one for each thing that is chosen.
const BUYER: u64 = 2_001;
const LINES: u64 = 2_002;
const VARIANT: u64 = 2_003;
const QUANTITY: u64 = 2_004;
const STATUS: u64 = 2_005;
const CARD: u64 = 2_006;
const MINUTES: u64 = 2_007;

fn order(index: u64) -> SeedOrder {
    let buyer = users::user(buyer(index));
    let address = buyer
        .addresses
        .first()
        .cloned()
        .expect("every seeded person has a home");
    let status = status(index);
    let mut lines = lines(index, address.country_code);
    let subtotal_minor = lines.iter().map(|line| line.total_minor).sum();
    let weight_grams = lines
        .iter()
        .map(|line| i64::from(line.variant.weight_grams) * i64::from(line.quantity))
        .sum();
    let shipping_minor = shipping_minor(address.country_code, weight_grams);
    let rates = lines
        .iter()
        .map(|line| tax_permille(address.country_code, &line.variant.tax_class));
    let shipping_tax_minor = contained_tax_minor(shipping_minor, rates.max().unwrap_or_default());
    let tax_minor = lines.iter().map(|line| line.tax_minor).sum::<i64>() + shipping_tax_minor;
    let total_minor = subtotal_minor + shipping_minor;
    let refunded_minor = refund(status, &mut lines, total_minor);
    // Every 15 hours from the third day: the last one is ten months after the opening.
    let minute = i64::try_from(mix(index, MINUTES) % 600).unwrap_or_default();
    let hours = 48 + 15 * i64::try_from(index).unwrap_or_default();
    let placed_at = opening() + Duration::hours(hours) + Duration::minutes(minute);
    SeedOrder {
        id: id::seeded("ord", index),
        number: FIRST_NUMBER + index,
        user_id: buyer.id,
        status,
        subtotal_minor,
        shipping_minor,
        tax_minor,
        total_minor,
        refunded_minor,
        address,
        placed_at,
        settled_at: placed_at + settling_time(status),
        payment: payment(index, status, (total_minor, refunded_minor), placed_at),
        lines,
    }
}

/// Every twenty-fifth order is the demo customer's; the others are anybody's but staff's. One account was made every
/// seven hours, so the early orders have few buyers to choose from.
fn buyer(index: u64) -> u64 {
    if index.is_multiple_of(25) {
        return users::DEMO;
    }
    let accounts = (users::COUNT - users::DEMO).min(4 + 2 * index);
    users::DEMO + mix(index, BUYER) % accounts
}

fn status(index: u64) -> SeedOrderStatus {
    use SeedOrderStatus as S;
    // What was placed lately is not sent yet.
    if index >= COUNT - 40 {
        return S::Paid;
    }
    match mix(index, STATUS) % 20 {
        0 => S::Cancelled,
        1 => S::Expired,
        2 => S::Refunded,
        3 => S::PartiallyRefunded,
        _ => S::Fulfilled,
    }
}

fn settling_time(status: SeedOrderStatus) -> Duration {
    use SeedOrderStatus as S;
    match status {
        S::Paid => Duration::minutes(2),
        S::Cancelled => Duration::minutes(9),
        S::Expired => Duration::minutes(15),
        S::Fulfilled => Duration::hours(26),
        S::PartiallyRefunded | S::Refunded => Duration::days(8),
    }
}

fn lines(index: u64, country_code: &str) -> Vec<SeedOrderLine> {
    let variants = catalogue::variants();
    let count = 1 + mix(index, LINES) % 4;
    let mut lines: Vec<SeedOrderLine> = Vec::new();
    for position in 0..count {
        let line_index = index * 4 + position;
        let variant = pick(variants, line_index, VARIANT);
        if lines.iter().any(|line| line.variant.id == variant.id) {
            continue;
        }
        let quantity = *pick(&[1, 1, 1, 2, 3], line_index, QUANTITY);
        let unit_price_minor = variant.price_minor_eur();
        let total_minor = unit_price_minor * i64::from(quantity);
        lines.push(SeedOrderLine {
            id: id::seeded("oln", line_index),
            variant,
            quantity,
            unit_price_minor,
            total_minor,
            tax_minor: contained_tax_minor(total_minor, tax_permille(country_code, &variant.tax_class)),
            refunded_quantity: 0,
        });
    }
    lines
}

/// Marks what came back in `lines`, and answers what it is worth.
fn refund(status: SeedOrderStatus, lines: &mut [SeedOrderLine], total_minor: i64) -> i64 {
    match (status, lines.split_first_mut()) {
        (SeedOrderStatus::Refunded, _) => {
            lines.iter_mut().for_each(|line| line.refunded_quantity = line.quantity);
            total_minor
        }
        (SeedOrderStatus::PartiallyRefunded, Some((first, _))) => {
            first.refunded_quantity = 1;
            first.unit_price_minor
        }
        _ => 0,
    }
}

fn payment(
    index: u64,
    status: SeedOrderStatus,
    (amount_minor, refunded_minor): (i64, i64),
    placed_at: DateTime<Utc>,
) -> Option<SeedPayment> {
    let outcome = match status {
        SeedOrderStatus::Cancelled => return None,
        SeedOrderStatus::Expired => SeedPaymentOutcome::Declined,
        _ => SeedPaymentOutcome::Captured,
    };
    let refund = (refunded_minor > 0).then(|| SeedRefund {
        id: id::seeded("rfd", index),
        transaction_id: id::seeded("txn", index * 3 + 2),
        gateway_reference: id::seeded("sbr", index),
        amount_minor: refunded_minor,
    });
    Some(SeedPayment {
        id: id::seeded("pay", index),
        gateway_reference: id::seeded("sbx", index),
        authorize_id: id::seeded("txn", index * 3),
        capture_id: id::seeded("txn", index * 3 + 1),
        amount_minor,
        outcome,
        refund,
        card_brand: if mix(index, CARD).is_multiple_of(3) {
            "mastercard"
        } else {
            "visa"
        },
        card_last4: format!("{:04}", mix(index, CARD) % 10_000),
        created_at: placed_at + Duration::minutes(1),
    })
}

/// Tax contained in an amount at a rate in per mille, rounded half up.
fn contained_tax_minor(gross_minor: i64, permille: i64) -> i64 {
    let parts = 1_000 + permille;
    (2 * gross_minor * permille + parts) / (2 * parts)
}

fn tax_permille(country_code: &str, tax_class: &str) -> i64 {
    let (standard, reduced) = match country_code {
        "DE" => (190, 70),
        "NL" => (210, 90),
        "BE" => (210, 60),
        "PL" => (230, 80),
        "EE" => (240, 90),
        "NO" => (250, 150),
        "GB" => (200, 50),
        "CN" => (130, 90),
        _ => (0, 0),
    };
    match tax_class {
        "standard" => standard,
        "reduced" => reduced,
        _ => 0,
    }
}

fn shipping_minor(country_code: &str, weight_grams: i64) -> i64 {
    let (light, heavy) = match country_code {
        "DE" => (490, 990),
        "NL" | "BE" | "PL" | "EE" => (990, 1_990),
        _ => (1_990, 4_990),
    };
    if weight_grams <= 5_000 {
        return light;
    }
    heavy * (weight_grams - 1).div_euclid(31_500).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_at_rest_and_add_up() {
        let orders = all();
        assert_eq!(orders.len(), 500);
        let mut by_status = std::collections::BTreeMap::new();
        for order in orders {
            *by_status.entry(format!("{:?}", order.status)).or_insert(0) += 1;
            assert!(!order.lines.is_empty(), "{}", order.id);
            assert_eq!(
                order.total_minor,
                order.subtotal_minor + order.shipping_minor,
                "{}",
                order.id
            );
            let refunded = order.payment.as_ref().and_then(|payment| payment.refund.as_ref());
            assert_eq!(
                order.refunded_minor,
                refunded.map_or(0, |refund| refund.amount_minor),
                "{}",
                order.id
            );
        }
        expect_test::expect![[
            r#"{"Cancelled": 17, "Expired": 27, "Fulfilled": 369, "Paid": 40, "PartiallyRefunded": 25, "Refunded": 22}"#
        ]]
        .assert_eq(&format!("{by_status:?}"));
        let demo = orders
            .iter()
            .filter(|order| order.user_id == users::id(users::DEMO))
            .count();
        assert!(demo >= 20, "{demo}");
    }
}
