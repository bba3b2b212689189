//! Stripe's objects, as far as the shop reads them, and what they mean.

use std::collections::HashMap;

use serde::Deserialize;
use service::money::{AMOUNT_MINOR_MAX, Amount, Currency};

use crate::domain::{CardSummary, NextAction, RefundOutcome, RemotePayment, RemoteRefund, RemoteStatus};
use crate::gateway::{GatewayError, Webhook};

/// `metadata[confirmed_by]` of a payment that the shopper's browser confirms: it may try again after a decline.
pub(super) const SHOPPER: &str = "shopper";

/// What Stripe counts in hundredths although ISO 4217 has no decimals for it.
///
/// Source: Stripe, "Supported currencies", "Special cases".
const COUNTED_IN_HUNDREDTHS: &[&str] = &["ISK", "UGX"];

/// Declines whose reason is nobody's business but the shop's: whoever tries a stolen card is not to learn that it is known.
/// <https://docs.stripe.com/declines/codes>
const KEPT_SECRET: [&str; 6] = [
    "fraudulent",
    "lost_card",
    "merchant_blacklist",
    "pickup_card",
    "restricted_card",
    "stolen_card",
];

/// What the shopper is told instead.
const GENERIC_DECLINE: &str = "generic_decline";

#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorDetail,
}

#[derive(Deserialize)]
pub(super) struct ErrorDetail {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) payment_intent: Option<Box<Intent>>,
}

impl ErrorDetail {
    /// Why it was declined, as far as the shopper may know; staff sees the rest at Stripe.
    fn code_for_shopper(&self) -> Option<String> {
        let code = self.decline_code.as_deref().or(self.code.as_deref())?;
        Some(
            if KEPT_SECRET.contains(&code) {
                GENERIC_DECLINE
            } else {
                code
            }
            .to_owned(),
        )
    }
}

#[derive(Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    status: Status,
    amount: i64,
    currency: String,
    #[serde(default)]
    amount_capturable: i64,
    #[serde(default)]
    amount_received: i64,
    client_secret: Option<String>,
    #[serde(default)]
    metadata: HashMap<String, String>,
    next_action: Option<Action>,
    last_payment_error: Option<Box<ErrorDetail>>,
    latest_charge: Option<LatestCharge>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
}

#[derive(Deserialize)]
struct Action {
    redirect_to_url: Option<Redirect>,
    alipay_handle_redirect: Option<Redirect>,
    wechat_pay_display_qr_code: Option<QrCode>,
}

#[derive(Deserialize)]
struct Redirect {
    url: Option<String>,
}

#[derive(Deserialize)]
struct QrCode {
    data: String,
}

/// The whole charge where it was asked for, else its id.
#[derive(Deserialize)]
#[serde(untagged)]
enum LatestCharge {
    Whole(Box<Charge>),
    Id(#[allow(dead_code, reason = "the shape is what counts")] String),
}

#[derive(Deserialize)]
struct Charge {
    #[serde(default)]
    amount_refunded: i64,
    payment_method_details: Option<MethodDetails>,
}

#[derive(Deserialize)]
struct MethodDetails {
    #[serde(rename = "type")]
    kind: String,
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Card {
    brand: Option<String>,
    last4: Option<String>,
    exp_month: Option<i32>,
    exp_year: Option<i32>,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    amount: i64,
    status: Option<String>,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

impl Refund {
    fn outcome(&self) -> RefundOutcome {
        match self.status.as_deref() {
            Some("succeeded") => RefundOutcome::Succeeded,
            Some("failed" | "canceled") => RefundOutcome::Failed,
            _ => RefundOutcome::Pending,
        }
    }

    fn remote(self, currency: Currency) -> Result<RemoteRefund, GatewayError> {
        Ok(RemoteRefund {
            outcome: self.outcome(),
            amount_minor: from_stripe(self.amount, currency)?,
            reference: self.metadata.get("reference").cloned().unwrap_or_default(),
            gateway_reference: self.id,
        })
    }
}

impl Intent {
    pub(super) fn has_refunds(&self) -> bool {
        matches!(&self.latest_charge, Some(LatestCharge::Whole(charge)) if charge.amount_refunded > 0)
    }

    /// The payment in our words.
    ///
    /// # Errors
    /// [`GatewayError::Unknown`] for amounts or a currency that cannot be ours.
    pub(super) fn remote(
        self,
        refunds: Vec<Refund>,
        publishable_key: Option<&str>,
    ) -> Result<RemotePayment, GatewayError> {
        let currency = Currency::parse(&self.currency.to_ascii_uppercase())
            .map_err(|_| GatewayError::unknown("the answer has an unknown currency"))?;
        let captured = if self.status == Status::Succeeded {
            self.amount_received
        } else {
            0
        };
        let authorized = match self.status {
            Status::RequiresCapture => self.amount_capturable,
            Status::Succeeded => self.amount,
            _ => 0,
        };
        let given_back = refunds
            .iter()
            .filter(|refund| refund.outcome() == RefundOutcome::Succeeded);
        let refunded = given_back.map(|refund| refund.amount).sum::<i64>();
        let error = self.last_payment_error.as_deref();
        let status = self.remote_status();
        Ok(RemotePayment {
            status,
            amount: Amount::new(from_stripe(self.amount, currency)?, currency),
            authorized_minor: from_stripe(authorized, currency)?,
            captured_minor: from_stripe(captured, currency)?,
            refunded_minor: from_stripe(refunded, currency)?,
            next_action: self
                .action(publishable_key)
                .filter(|_| status == RemoteStatus::RequiresAction),
            decline_code: error.and_then(ErrorDetail::code_for_shopper),
            decline_message: error.and_then(|error| error.message.clone()),
            card: self.card(),
            refunds: refunds
                .into_iter()
                .map(|refund| refund.remote(currency))
                .collect::<Result<_, _>>()?,
            reference: self.metadata.get("payment_id").cloned().unwrap_or_default(),
            gateway_reference: self.id,
        })
    }

    fn remote_status(&self) -> RemoteStatus {
        let by_shopper = self.metadata.get("confirmed_by").is_some_and(|by| by == SHOPPER);
        match self.status {
            // Confirmed by us, it comes back to this state when the bank says no.
            Status::RequiresPaymentMethod if !by_shopper && self.last_payment_error.is_some() => RemoteStatus::Declined,
            Status::RequiresPaymentMethod | Status::RequiresAction => RemoteStatus::RequiresAction,
            Status::RequiresConfirmation if by_shopper => RemoteStatus::RequiresAction,
            Status::RequiresConfirmation | Status::Processing => RemoteStatus::Processing,
            Status::RequiresCapture => RemoteStatus::Authorized,
            Status::Succeeded => RemoteStatus::Captured,
            Status::Canceled => RemoteStatus::Voided,
        }
    }

    fn action(&self, publishable_key: Option<&str>) -> Option<NextAction> {
        if let Some(action) = &self.next_action {
            let redirect = action
                .redirect_to_url
                .as_ref()
                .or(action.alipay_handle_redirect.as_ref());
            if let Some(url) = redirect.and_then(|redirect| redirect.url.clone()) {
                return Some(NextAction::Redirect { url, expires_at: None });
            }
            if let Some(code) = &action.wechat_pay_display_qr_code {
                return Some(NextAction::QrCode {
                    payload: code.data.clone(),
                    expires_at: None,
                });
            }
        }
        Some(NextAction::ClientSecret {
            client_secret: self.client_secret.clone()?,
            publishable_key: publishable_key?.to_owned(),
        })
    }

    fn card(&self) -> Option<CardSummary> {
        let Some(LatestCharge::Whole(charge)) = &self.latest_charge else {
            return None;
        };
        let details = charge.payment_method_details.as_ref()?;
        let card = details.card.as_ref();
        Some(CardSummary {
            kind: details.kind.clone(),
            brand: card.and_then(|card| card.brand.clone()),
            last4: card.and_then(|card| card.last4.clone()),
            expiry_month: card.and_then(|card| card.exp_month),
            expiry_year: card.and_then(|card| card.exp_year),
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Event {
    id: String,
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    object: EventObject,
}

/// An intent, or a charge, refund or dispute of one.
#[derive(Deserialize)]
struct EventObject {
    id: Option<String>,
    object: Option<String>,
    payment_intent: Option<String>,
    metadata: Option<HashMap<String, String>>,
}

impl From<Event> for Webhook {
    fn from(event: Event) -> Self {
        let object = event.data.object;
        let is_intent = object.object.as_deref() == Some("payment_intent");
        let metadata = object.metadata.unwrap_or_default();
        Self {
            id: event.id,
            payment_id: metadata.get("payment_id").cloned(),
            gateway_reference: if is_intent { object.id } else { object.payment_intent },
        }
    }
}

/// Currencies of three digits, of which Stripe takes two: amounts with another last digit than 0 are refused.
/// <https://docs.stripe.com/currencies#three-decimal>
pub(super) const COUNTED_IN_TENS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// Our minor units in Stripe's.
pub(super) fn to_stripe(minor: i64, currency: Currency) -> Result<i64, GatewayError> {
    let too_large = || GatewayError::Refused {
        code: "amount_too_large".to_owned(),
    };
    if COUNTED_IN_HUNDREDTHS.contains(&currency.code()) {
        return minor.checked_mul(100).ok_or_else(too_large);
    }
    Ok(minor)
}

fn from_stripe(amount: i64, currency: Currency) -> Result<i64, GatewayError> {
    let minor = if COUNTED_IN_HUNDREDTHS.contains(&currency.code()) {
        amount / 100
    } else {
        amount
    };
    if (0..=AMOUNT_MINOR_MAX).contains(&minor) {
        return Ok(minor);
    }
    Err(GatewayError::unknown("the answer has an impossible amount"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(intent: &Value) -> String {
        let mut whole = json!({"id": "pi_1", "amount": 4597, "currency": "eur", "client_secret": "pi_1_secret",
            "amount_capturable": 4597, "amount_received": 4000, "metadata": {"payment_id": "pay_1"}});
        for (key, value) in intent.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let intent: Intent = serde_json::from_value(whole).unwrap();
        let remote = intent.remote(Vec::new(), Some("pk_test")).unwrap();
        let action = match remote.next_action {
            None => "nothing".to_owned(),
            Some(NextAction::Redirect { url, .. }) => format!("open {url}"),
            Some(NextAction::QrCode { payload, .. }) => format!("scan {payload}"),
            Some(NextAction::ClientSecret { client_secret, .. }) => format!("use {client_secret}"),
        };
        let (status, held, taken) = (remote.status, remote.authorized_minor, remote.captured_minor);
        format!(
            "{status:?}, held {held}, taken {taken}, {:?}, {action}",
            remote.decline_code
        )
    }

    #[test]
    fn each_status_of_an_intent_has_one_meaning() {
        let declined = json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"});
        let stolen = json!({"type": "card_error", "code": "card_declined", "decline_code": "stolen_card"});
        let shopper = json!({"payment_id": "pay_1", "confirmed_by": SHOPPER});
        let page = json!({"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank"}});
        let code = json!({"type": "wechat_pay_display_qr_code", "wechat_pay_display_qr_code": {"data": "weixin://x"}});
        let sdk = json!({"type": "use_stripe_sdk", "use_stripe_sdk": {}});
        let mut seen = String::new();
        for intent in [
            json!({"status": "requires_payment_method", "last_payment_error": declined}),
            json!({"status": "requires_payment_method", "last_payment_error": stolen}),
            json!({"status": "requires_payment_method", "last_payment_error": declined, "metadata": shopper}),
            json!({"status": "requires_payment_method", "metadata": shopper}),
            json!({"status": "requires_confirmation", "metadata": shopper}),
            json!({"status": "requires_confirmation"}),
            json!({"status": "requires_action", "next_action": page}),
            json!({"status": "requires_action", "next_action": code}),
            json!({"status": "requires_action", "next_action": sdk}),
            json!({"status": "processing"}),
            json!({"status": "requires_capture", "latest_charge": "ch_1"}),
            json!({"status": "succeeded"}),
            json!({"status": "canceled"}),
        ] {
            seen += &format!("{}\n", shown(&intent));
        }
        expect_test::expect![[r#"
            Declined, held 0, taken 0, Some("insufficient_funds"), nothing
            Declined, held 0, taken 0, Some("generic_decline"), nothing
            RequiresAction, held 0, taken 0, Some("insufficient_funds"), use pi_1_secret
            RequiresAction, held 0, taken 0, None, use pi_1_secret
            RequiresAction, held 0, taken 0, None, use pi_1_secret
            Processing, held 0, taken 0, None, nothing
            RequiresAction, held 0, taken 0, None, open https://bank
            RequiresAction, held 0, taken 0, None, scan weixin://x
            RequiresAction, held 0, taken 0, None, use pi_1_secret
            Processing, held 0, taken 0, None, nothing
            Authorized, held 4597, taken 0, None, nothing
            Captured, held 4597, taken 4000, None, nothing
            Voided, held 0, taken 0, None, nothing
        "#]]
        .assert_eq(&seen);
    }

    #[test]
    fn amounts_are_counted_as_stripe_counts() {
        for (code, minor, stripe) in [
            ("EUR", 4_597, 4_597),
            ("JPY", 500, 500),
            ("ISK", 500, 50_000),
            ("KWD", 5_000, 5_000),
        ] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!(to_stripe(minor, currency).unwrap(), stripe, "{code}");
            assert_eq!(from_stripe(stripe, currency).unwrap(), minor, "{code}");
        }
        assert!(from_stripe(-1, Currency::EUR).is_err());
        assert!(to_stripe(i64::MAX, Currency::parse("ISK").unwrap()).is_err());
    }
}
