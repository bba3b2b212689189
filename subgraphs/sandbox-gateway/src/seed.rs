//! The payments of the shop's seed data, as this gateway would have booked them.

use std::collections::BTreeMap;

use service::seed::orders::{self, SeedPayment, SeedPaymentOutcome, SeedRefund};

use crate::ledger::{Dialect, Method, Payment, Refund, SUCCEEDED, Status};
use crate::token;

/// Every payment of the seed orders, oldest first.
pub(crate) fn payments() -> Vec<Payment> {
    orders::all()
        .iter()
        .filter_map(|order| order.payment.as_ref())
        .map(payment)
        .collect()
}

fn payment(seed: &SeedPayment) -> Payment {
    let outcome = seed.outcome;
    let held = if outcome == SeedPaymentOutcome::Declined {
        0
    } else {
        seed.amount_minor
    };
    let status = match outcome {
        SeedPaymentOutcome::Captured => Status::Captured,
        SeedPaymentOutcome::Declined => Status::Declined,
    };
    let decline_code = (outcome == SeedPaymentOutcome::Declined).then_some(orders::DECLINE_CODE);
    Payment {
        id: seed.gateway_reference.clone(),
        reference: seed.id.clone(),
        status,
        amount_minor: seed.amount_minor,
        currency: orders::CURRENCY_CODE.to_owned(),
        authorized_minor: held,
        captured_minor: if outcome == SeedPaymentOutcome::Captured {
            held
        } else {
            0
        },
        refunded_minor: seed.refund.as_ref().map_or(0, |refund| refund.amount_minor),
        decline_code: decline_code.map(str::to_owned),
        decline_message: decline_code.map(|code| token::decline_message(code).to_owned()),
        next_action: None,
        payment_method: Method {
            kind: "card".to_owned(),
            brand: Some(seed.card_brand.to_owned()),
            last4: Some(seed.card_last4.clone()),
            expiry_month: Some(12),
            expiry_year: Some(2034),
        },
        refunds: seed.refund.iter().map(refund).collect(),
        created_at: seed.created_at,
        token: "tok_ok".to_owned(),
        return_url: None,
        dialect: Dialect::Generic,
        metadata: BTreeMap::new(),
        notify_url: None,
        opened: false,
    }
}

fn refund(seed: &SeedRefund) -> Refund {
    Refund {
        id: seed.gateway_reference.clone(),
        reference: seed.transaction_id.clone(),
        amount_minor: seed.amount_minor,
        status: SUCCEEDED.to_owned(),
    }
}
