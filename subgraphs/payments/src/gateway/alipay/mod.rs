//! Alipay: the shopper pays at once, by a QR code (`alipay.trade.precreate`) or on a page (`alipay.trade.page.pay`).
//!
//! There is no hold and no idempotency key: our payment id is `out_trade_no` and our refund id is `out_request_no`, and
//! Alipay does nothing twice for either. Until the shopper has opened the page or scanned the code, Alipay knows of no
//! trade; so "no such trade" means "waiting" until the time to pay is over, and never paid after that.
//!
//! Source: Alipay Open Platform, "统一收单" APIs and "异步通知".

mod keys;
mod protocol;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use service::money::{Amount, Currency};
use url::Url;

use super::{
    Action, Caps, CreatePayment, Credential, Gateway, GatewayError, Idempotency, KnownRefund, Lookup, Webhook,
    WebhookError,
};
use crate::domain::{CardSummary, NextAction, RefundOutcome, RemotePayment, RemoteRefund, RemoteStatus};
pub use keys::AlipayKeys;
use protocol::{Outcome, Protocol, local_time};

/// How long the shopper may take to pay. Longer than an order waits, so that the order decides.
const PAY_WITHIN: TimeDelta = TimeDelta::minutes(30);

/// After this Alipay has closed whatever was not paid within [`PAY_WITHIN`], whichever clock is a little off.
const SURELY_CLOSED_AFTER: TimeDelta = TimeDelta::minutes(32);

/// Token that asks for a QR code. Anything else opens a page.
const QR_CODE_TOKENS: [&str; 2] = ["qr", "tok_qr"];

/// Where Alipay is and how this shop is known there.
pub struct AlipaySettings {
    /// `https://openapi.alipay.com/gateway.do`, or a sandbox.
    pub gateway_url: Url,
    /// The application's id.
    pub app_id: String,
    /// Where Alipay sends its notifications: `…/webhooks/alipay` as Alipay reaches it.
    pub notify_url: Option<Url>,
    /// Ours to sign with, Alipay's to verify with.
    pub keys: (Credential<AlipayKeys>, Credential<AlipayKeys>),
    /// Longest time of one call.
    pub call_timeout: Duration,
}

/// Alipay.
pub struct AlipayGateway {
    kinds: Vec<String>,
    currencies: Vec<Currency>,
    protocol: Protocol,
}

impl AlipayGateway {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: AlipaySettings) -> anyhow::Result<Self> {
        Ok(Self {
            kinds: vec!["wallet".to_owned()],
            currencies: vec![Currency::parse("CNY")?],
            protocol: Protocol::new(settings)?,
        })
    }

    async fn create_trade(&self, request: CreatePayment) -> Result<RemotePayment, GatewayError> {
        let expires_at = request.created_at + PAY_WITHIN;
        let amount = Amount::new(request.amount_minor, request.currency);
        let qr_code = QR_CODE_TOKENS.contains(&request.token.as_str());
        let content = json!({
            "out_trade_no": request.payment_id,
            "total_amount": amount.to_string(),
            "subject": format!("Order {}", request.order_number.trim_start_matches('#')),
            "product_code": if qr_code { "FACE_TO_FACE_PAYMENT" } else { "FAST_INSTANT_TRADE_PAY" },
            "time_expire": local_time(expires_at),
        });
        let action = if qr_code {
            let precreated = self
                .protocol
                .call::<Precreated>("alipay.trade.precreate", &content)
                .await?;
            match precreated {
                Outcome::Done(precreated) => NextAction::QrCode {
                    payload: precreated.qr_code,
                    expires_at: Some(expires_at),
                },
                Outcome::Failed(code) => return Err(refused(code)),
            }
        } else {
            // Signed here, opened by the shopper's browser: nothing is sent now.
            let page = self
                .protocol
                .page("alipay.trade.page.pay", &content, request.return_url.as_deref())?;
            NextAction::Redirect {
                url: page,
                expires_at: Some(expires_at),
            }
        };
        Ok(RemotePayment {
            next_action: Some(action),
            ..waiting(&request.payment_id, amount)
        })
    }

    async fn query(&self, lookup: &Lookup) -> Result<Option<RemotePayment>, GatewayError> {
        let content = json!({"out_trade_no": lookup.payment_id});
        match self.protocol.call::<Trade>("alipay.trade.query", &content).await? {
            Outcome::Done(trade) => self.remote(trade, lookup).await.map(Some),
            Outcome::Failed(code) if code == NO_TRADE => Ok(not_yet_known(lookup)),
            Outcome::Failed(code) => Err(refused(code)),
        }
    }

    async fn close(&self, lookup: &Lookup) -> Result<RemotePayment, GatewayError> {
        let content = json!({"out_trade_no": lookup.payment_id});
        match self.protocol.call::<Value>("alipay.trade.close", &content).await? {
            Outcome::Done(_) => Ok(RemotePayment {
                status: RemoteStatus::Voided,
                ..lookup.waiting()
            }),
            // Nobody has opened it yet, and somebody still may: asked again until the time to pay is over.
            Outcome::Failed(code) if code == NO_TRADE => Ok(not_yet_known(lookup).unwrap_or_else(|| lookup.waiting())),
            // Paid or closed meanwhile.
            Outcome::Failed(code) => self.query(lookup).await?.ok_or_else(|| refused(code)),
        }
    }

    async fn give_back(&self, action: Action) -> Result<RemotePayment, GatewayError> {
        let mut lookup = action.payment;
        let content = json!({
            "out_trade_no": lookup.payment_id,
            "out_request_no": action.key,
            "refund_amount": Amount::new(action.amount_minor, lookup.currency).to_string(),
        });
        match self.protocol.call::<Refunded>("alipay.trade.refund", &content).await? {
            Outcome::Failed(code) => return Err(refused(code)),
            // Money moved by this very call. Otherwise the refund was made before, or is on its way: the lookup asks.
            Outcome::Done(refunded) if refunded.fund_change.as_deref() == Some("Y") => {
                let this = lookup.refunds.iter_mut().find(|refund| refund.reference == action.key);
                if let Some(this) = this {
                    this.booked = true;
                }
            }
            Outcome::Done(_) => {}
        }
        // The refund was accepted: that it cannot be asked for now does not make it a refusal.
        let found = self
            .query(&lookup)
            .await
            .map_err(|error| GatewayError::unknown(error.to_string()))?;
        found.ok_or_else(|| GatewayError::unknown("the trade of a refund is not found"))
    }

    async fn remote(&self, trade: Trade, lookup: &Lookup) -> Result<RemotePayment, GatewayError> {
        let amount = Amount::parse(&trade.total_amount, lookup.currency)
            .map_err(|error| GatewayError::unknown(error.to_string()))?;
        let paid = trade.send_pay_date.is_some() || lookup.refunds.iter().any(|refund| refund.booked);
        let status = match trade.trade_status {
            TradeStatus::WaitBuyerPay => RemoteStatus::RequiresAction,
            TradeStatus::TradeSuccess | TradeStatus::TradeFinished => RemoteStatus::Captured,
            // Closed because nobody paid in time, or because all of it went back.
            TradeStatus::TradeClosed if paid => RemoteStatus::Captured,
            TradeStatus::TradeClosed => RemoteStatus::Voided,
        };
        let mut remote = RemotePayment {
            status,
            gateway_reference: trade.trade_no,
            amount,
            ..lookup.waiting()
        };
        if status == RemoteStatus::Captured {
            remote.authorized_minor = lookup.amount_minor;
            remote.captured_minor = lookup.amount_minor;
            remote.card = Some(wallet());
            remote.refunds = self.refunds(lookup).await?;
            let booked = |reference: &str| remote.refunds.iter().any(|refund| refund.reference == reference);
            let given_back = lookup.refunds.iter().filter(|refund| booked(&refund.reference));
            remote.refunded_minor = match trade.trade_status {
                TradeStatus::TradeClosed => lookup.amount_minor,
                _ => given_back.map(|refund| refund.amount_minor).sum(),
            };
        }
        Ok(remote)
    }

    /// Of the refunds that we asked for, those that Alipay has made.
    async fn refunds(&self, lookup: &Lookup) -> Result<Vec<RemoteRefund>, GatewayError> {
        let mut made = Vec::new();
        for refund in &lookup.refunds {
            if refund.booked || self.refund_is_made(lookup, refund).await? {
                made.push(RemoteRefund {
                    gateway_reference: refund.reference.clone(),
                    reference: refund.reference.clone(),
                    amount_minor: refund.amount_minor,
                    outcome: RefundOutcome::Succeeded,
                });
            }
        }
        Ok(made)
    }

    async fn refund_is_made(&self, lookup: &Lookup, refund: &KnownRefund) -> Result<bool, GatewayError> {
        let content = json!({"out_trade_no": lookup.payment_id, "out_request_no": refund.reference});
        let method = "alipay.trade.fastpay.refund.query";
        match self.protocol.call::<RefundQueried>(method, &content).await? {
            Outcome::Done(queried) => Ok(queried.refund_status.as_deref() == Some("REFUND_SUCCESS")),
            Outcome::Failed(code) if code == NO_TRADE => Ok(false),
            Outcome::Failed(code) => Err(GatewayError::unknown(code)),
        }
    }
}

impl Gateway for AlipayGateway {
    fn name(&self) -> &str {
        "alipay"
    }

    fn display_name(&self) -> &str {
        "Alipay"
    }

    fn caps(&self) -> Caps {
        Caps {
            manual_capture: false,
            partial_refund: true,
            redirect: true,
            qr_code: true,
            idempotency: Idempotency::MerchantReference,
        }
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn publishable_key(&self) -> Option<&str> {
        None
    }

    fn currencies(&self) -> &[Currency] {
        &self.currencies
    }

    fn create(&self, request: CreatePayment) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.create_trade(request).boxed()
    }

    fn capture(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        // Never needed: what is paid is taken. The state answers.
        async move {
            self.query(&action.payment)
                .await?
                .ok_or_else(|| refused(NO_TRADE.to_owned()))
        }
        .boxed()
    }

    fn void(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move { self.close(&action.payment).await }.boxed()
    }

    fn refund(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.give_back(action).boxed()
    }

    fn lookup(&self, lookup: Lookup) -> BoxFuture<'_, Result<Option<RemotePayment>, GatewayError>> {
        async move { self.query(&lookup).await }.boxed()
    }

    fn verify_webhook(&self, _headers: &HeaderMap, body: &[u8], _now: DateTime<Utc>) -> Result<Webhook, WebhookError> {
        // No check of the time: Alipay resends a notification for a day, and a replay only causes a lookup.
        let notification = self.protocol.verify_notification(body)?;
        Ok(Webhook {
            id: notification.notify_id,
            payment_id: Some(notification.out_trade_no),
            gateway_reference: None,
        })
    }

    fn webhook_reply(&self) -> &'static str {
        "success"
    }
}

/// Business code of a trade that nobody has opened, or that never was.
const NO_TRADE: &str = "ACQ.TRADE_NOT_EXIST";

#[derive(Deserialize)]
struct Precreated {
    qr_code: String,
}

#[derive(Deserialize)]
struct Trade {
    trade_no: String,
    trade_status: TradeStatus,
    total_amount: String,
    send_pay_date: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum TradeStatus {
    WaitBuyerPay,
    TradeClosed,
    TradeSuccess,
    TradeFinished,
}

#[derive(Deserialize)]
struct Refunded {
    fund_change: Option<String>,
}

#[derive(Deserialize)]
struct RefundQueried {
    refund_status: Option<String>,
}

impl Lookup {
    /// The payment, if it still waits for the shopper.
    fn waiting(&self) -> RemotePayment {
        waiting(&self.payment_id, Amount::new(self.amount_minor, self.currency))
    }
}

/// A payment that waits for the shopper.
fn waiting(payment_id: &str, amount: Amount) -> RemotePayment {
    RemotePayment {
        gateway_reference: payment_id.to_owned(),
        reference: payment_id.to_owned(),
        amount,
        status: RemoteStatus::RequiresAction,
        authorized_minor: 0,
        captured_minor: 0,
        refunded_minor: 0,
        next_action: None,
        card: None,
        decline_code: None,
        decline_message: None,
        refunds: Vec::new(),
    }
}

/// What "no such trade" means: nothing if we never asked for one, else one that waits, or that waited in vain.
fn not_yet_known(lookup: &Lookup) -> Option<RemotePayment> {
    lookup.gateway_reference.as_ref()?;
    let mut remote = lookup.waiting();
    if lookup.now > lookup.created_at + SURELY_CLOSED_AFTER {
        remote.status = RemoteStatus::Voided;
    }
    Some(remote)
}

fn wallet() -> CardSummary {
    CardSummary {
        kind: "wallet".to_owned(),
        brand: Some("alipay".to_owned()),
        last4: None,
        expiry_month: None,
        expiry_year: None,
    }
}

fn refused(code: String) -> GatewayError {
    GatewayError::Refused { code }
}
