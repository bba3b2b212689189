//! `Payment` and what hangs on it.

use async_graphql::{ComplexObject, Context, Enum, ID, Result, SimpleObject, Union};
use service::auth::{RequireScope, Viewer, ViewerExt as _};
use service::money::Currency;
use service::scalars::{CurrencyCode, DateTime, Money};
use service::{connection, node_interface, user_error, user_error_interface};

use super::order::Order;
use crate::domain;

/// Whether `viewer` may see `payment`: whoever pays, and staff.
pub(crate) fn visible(viewer: &Viewer, payment: &domain::Payment) -> bool {
    viewer.is_user(&payment.user_id) || viewer.scopes.contains("payments:read")
}

node_interface!(Payment);
user_error_interface!(PaymentUserError);
user_error!(PaymentUserError, PaymentErrorCode);
connection!(Payment, PaymentConnection, PaymentEdge);

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "service::contract::payments::PaymentStatus")]
pub(crate) enum PaymentStatus {
    /// Recorded; the gateway has not been asked yet.
    Created,
    /// The shopper must act: see `nextAction`.
    RequiresAction,
    /// Asked; answer pending or unknown (timeout). Reconciled by webhook and by polling.
    Processing,
    Authorized,
    Captured,
    PartiallyRefunded,
    Refunded,
    Voided,
    Declined,
    Failed,
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PaymentErrorCode {
    NotFound,
    Invalid,
    NotCapturable,
    NotVoidable,
    NotRefundable,
    AmountTooLarge,
    GatewayRefused,
    IdempotencyKeyReused,
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Payment {
    id: ID,
    gateway: String,
    status: PaymentStatus,
    amount: Money,
    authorized_amount: Money,
    captured_amount: Money,
    refunded_amount: Money,
    method: Option<PaymentMethodSummary>,
    /// Stable code for the shop, e.g. insufficient_funds; `declineMessage` is for the shopper.
    decline_code: Option<String>,
    decline_message: Option<String>,
    created_at: DateTime,
    updated_at: DateTime,
    #[graphql(skip)]
    payment: domain::Payment,
}

#[ComplexObject]
impl Payment {
    #[graphql(provides = "number")]
    async fn order(&self) -> Option<Order> {
        Some(Order {
            id: ID(self.payment.order_id.clone()),
            number: self.payment.order_number.clone(),
        })
    }

    /// What whoever pays must do next. Nobody else is told, staff neither: a client secret lets its holder pay.
    async fn next_action(&self, context: &Context<'_>) -> Option<PaymentNextAction> {
        let action = self.payment.next_action.clone();
        let pays = context.viewer().is_user(&self.payment.user_id);
        action.filter(|_| pays).map(PaymentNextAction::from)
    }

    #[graphql(
        requires_scopes = "payments:read",
        tag = "admin",
        guard = "RequireScope(\"payments:read\")"
    )]
    async fn transactions(&self, _context: &Context<'_>) -> Result<Option<Vec<PaymentTransaction>>> {
        let currency = self.payment.currency;
        let transactions = self.payment.transactions.iter();
        Ok(Some(
            transactions
                .map(|transaction| PaymentTransaction::new(transaction, currency))
                .collect(),
        ))
    }

    /// The gateway's own id.
    #[graphql(
        requires_scopes = "payments:read",
        tag = "admin",
        guard = "RequireScope(\"payments:read\")"
    )]
    async fn gateway_reference(&self, _context: &Context<'_>) -> Result<Option<String>> {
        Ok(self.payment.gateway_reference.clone())
    }
}

impl From<domain::Payment> for Payment {
    fn from(payment: domain::Payment) -> Self {
        let money = |minor| Money::new(minor, payment.currency);
        Self {
            id: ID(payment.id.clone()),
            gateway: payment.gateway.clone(),
            status: payment.status.into(),
            amount: money(payment.amount_minor),
            authorized_amount: money(payment.authorized_minor),
            captured_amount: money(payment.captured_minor),
            refunded_amount: money(payment.refunded_minor),
            method: payment.card.clone().map(PaymentMethodSummary::from),
            decline_code: payment.decline_code.clone(),
            decline_message: payment.decline_message.clone(),
            created_at: payment.created_at.into(),
            updated_at: payment.updated_at.into(),
            payment,
        }
    }
}

#[derive(Union)]
pub(crate) enum PaymentNextAction {
    Redirect(RedirectAction),
    QrCode(QrCodeAction),
    ClientSecret(ClientSecretAction),
}

/// Send the shopper to `url` (3-D Secure challenge, Alipay page).
#[derive(SimpleObject)]
pub(crate) struct RedirectAction {
    url: String,
    expires_at: Option<DateTime>,
}

/// Show `payload` as a QR code (WeChat Pay Native, Alipay F2F).
#[derive(SimpleObject)]
pub(crate) struct QrCodeAction {
    payload: String,
    expires_at: Option<DateTime>,
}

/// Hand to the gateway's SDK (Stripe Elements).
#[derive(SimpleObject)]
pub(crate) struct ClientSecretAction {
    client_secret: String,
    publishable_key: String,
}

impl From<domain::NextAction> for PaymentNextAction {
    fn from(action: domain::NextAction) -> Self {
        match action {
            domain::NextAction::Redirect { url, expires_at } => Self::Redirect(RedirectAction {
                url,
                expires_at: expires_at.map(DateTime::from),
            }),
            domain::NextAction::QrCode { payload, expires_at } => Self::QrCode(QrCodeAction {
                payload,
                expires_at: expires_at.map(DateTime::from),
            }),
            domain::NextAction::ClientSecret {
                client_secret,
                publishable_key,
            } => Self::ClientSecret(ClientSecretAction {
                client_secret,
                publishable_key,
            }),
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct PaymentMethodSummary {
    kind: String,
    brand: Option<String>,
    last4: Option<String>,
    expiry_month: Option<i32>,
    expiry_year: Option<i32>,
}

impl From<domain::CardSummary> for PaymentMethodSummary {
    fn from(card: domain::CardSummary) -> Self {
        let domain::CardSummary {
            kind,
            brand,
            last4,
            expiry_month,
            expiry_year,
        } = card;
        Self {
            kind,
            brand,
            last4,
            expiry_month,
            expiry_year,
        }
    }
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::TransactionKind")]
pub(crate) enum TransactionKind {
    Authorize,
    Capture,
    Void,
    Refund,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::TransactionStatus")]
pub(crate) enum TransactionStatus {
    Pending,
    Succeeded,
    Failed,
    Unknown,
}

#[derive(SimpleObject)]
pub(crate) struct PaymentTransaction {
    id: ID,
    kind: TransactionKind,
    status: TransactionStatus,
    amount: Money,
    gateway_reference: Option<String>,
    error_code: Option<String>,
    created_at: DateTime,
}

impl PaymentTransaction {
    fn new(transaction: &domain::Transaction, currency: Currency) -> Self {
        Self {
            id: ID(transaction.id.clone()),
            kind: transaction.kind.into(),
            status: transaction.status.into(),
            amount: Money::new(transaction.amount_minor, currency),
            gateway_reference: transaction.gateway_reference.clone(),
            error_code: transaction.error_code.clone(),
            created_at: transaction.created_at.into(),
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct PaymentGateway {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) publishable_key: Option<String>,
    /// Empty: any currency.
    pub(crate) currencies: Vec<CurrencyCode>,
}
