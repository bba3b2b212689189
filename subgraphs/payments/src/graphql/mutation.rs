//! What staff can do to a payment. Shoppers pay through `orderPay` of orders.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use service::auth::RequireScope;
use service::contract::payments::RefusalCode;
use service::money::Amount;
use service::scalars::Decimal;

use super::payment::{Payment, PaymentErrorCode, PaymentUserError};
use crate::domain::{self, TransactionStatus};
use crate::internal::spawned;
use crate::processor::{CommandError, Processor};

/// Longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 100;

pub(crate) struct Mutation;

#[derive(InputObject)]
pub(crate) struct PaymentActionInput {
    idempotency_key: String,
    payment_id: ID,
    /// Left out: all of it.
    amount: Option<Decimal>,
}

#[derive(SimpleObject)]
pub(crate) struct PaymentPayload {
    payment: Option<Payment>,
    user_errors: Vec<PaymentUserError>,
}

#[Object]
impl Mutation {
    #[graphql(
        requires_scopes = "payments:write",
        tag = "admin",
        guard = "RequireScope(\"payments:write\")"
    )]
    async fn payment_capture(&self, context: &Context<'_>, input: PaymentActionInput) -> Result<PaymentPayload> {
        act(context, input, Act::Capture).await
    }

    #[graphql(
        requires_scopes = "payments:write",
        tag = "admin",
        guard = "RequireScope(\"payments:write\")"
    )]
    async fn payment_void(&self, context: &Context<'_>, input: PaymentActionInput) -> Result<PaymentPayload> {
        act(context, input, Act::Void).await
    }

    #[graphql(
        requires_scopes = "payments:write",
        tag = "admin",
        guard = "RequireScope(\"payments:write\")"
    )]
    async fn payment_refund(&self, context: &Context<'_>, input: PaymentActionInput) -> Result<PaymentPayload> {
        act(context, input, Act::Refund).await
    }

    /// Asks the gateway now what became of a PROCESSING payment. One that it does not know a day later has failed.
    #[graphql(
        requires_scopes = "payments:write",
        tag = "admin",
        guard = "RequireScope(\"payments:write\")"
    )]
    async fn payment_reconcile(&self, context: &Context<'_>, id: ID) -> Result<PaymentPayload> {
        let processor = context.data::<Processor>()?.clone();
        let reconciled = spawned(async move { processor.reconcile(&id).await });
        payload(reconciled.await, None)
    }
}

#[derive(Clone, Copy)]
enum Act {
    Capture,
    Void,
    Refund,
}

async fn act(context: &Context<'_>, input: PaymentActionInput, act: Act) -> Result<PaymentPayload> {
    let processor = context.data::<Processor>()?.clone();
    let PaymentActionInput {
        idempotency_key,
        payment_id,
        amount,
    } = input;
    if idempotency_key.is_empty() || idempotency_key.chars().count() > KEY_CHARS_MAX {
        let message = format!("A key has 1 to {KEY_CHARS_MAX} characters.");
        return Ok(failed(PaymentErrorCode::Invalid, message, &["input", "idempotencyKey"]));
    }
    let Some(payment) = processor.store().payment(&payment_id).await? else {
        return Ok(failed(
            PaymentErrorCode::NotFound,
            "There is no such payment.",
            &["input", "paymentId"],
        ));
    };
    let amount_minor = match amount
        .map(|Decimal(text)| Amount::parse(&text, payment.currency))
        .transpose()
    {
        Ok(amount) => amount.map(|amount| amount.minor),
        Err(error) => {
            return Ok(failed(
                PaymentErrorCode::Invalid,
                error.to_string(),
                &["input", "amount"],
            ));
        }
    };
    // Apart from the keys of orders, which are ours.
    let key = format!("staff:{idempotency_key}");
    let (id, used) = (payment.id, key.clone());
    let acted = spawned(async move {
        match act {
            Act::Capture => processor.capture(&id, &key, amount_minor).await,
            Act::Void => processor.void(&id, &key).await,
            Act::Refund => processor.refund(&id, &key, amount_minor).await,
        }
    });
    payload(acted.await, Some(&used))
}

/// What came of a command; `key` names the transaction that the gateway may have refused.
fn payload(outcome: Result<domain::Payment, CommandError>, key: Option<&str>) -> Result<PaymentPayload> {
    let payment = match outcome {
        Ok(payment) => payment,
        Err(CommandError::NotFound) => return Ok(failed(PaymentErrorCode::NotFound, "There is no such payment.", &[])),
        Err(CommandError::Refused { code, message }) => return Ok(failed(error_code(code), message, &[])),
        Err(error @ CommandError::Store(_)) => return Err(error.into()),
    };
    let transaction = payment
        .transactions
        .iter()
        .find(|transaction| Some(transaction.key.as_str()) == key);
    let refused = transaction.filter(|transaction| transaction.status == TransactionStatus::Failed);
    let user_errors = refused.map(|transaction| {
        let code = transaction.error_code.as_deref().unwrap_or("refused");
        PaymentUserError::new(
            PaymentErrorCode::GatewayRefused,
            format!("The gateway refused: {code}."),
        )
    });
    Ok(PaymentPayload {
        user_errors: user_errors.into_iter().collect(),
        payment: Some(payment.into()),
    })
}

fn failed(code: PaymentErrorCode, message: impl Into<String>, path: &[&str]) -> PaymentPayload {
    let error = PaymentUserError::new(code, message);
    let error = if path.is_empty() {
        error
    } else {
        error.at(path.iter().copied())
    };
    PaymentPayload {
        payment: None,
        user_errors: vec![error],
    }
}

fn error_code(code: RefusalCode) -> PaymentErrorCode {
    match code {
        RefusalCode::Invalid | RefusalCode::GatewayUnknown | RefusalCode::PaymentOpen => PaymentErrorCode::Invalid,
        RefusalCode::IdempotencyKeyReused => PaymentErrorCode::IdempotencyKeyReused,
        RefusalCode::NotCapturable => PaymentErrorCode::NotCapturable,
        RefusalCode::NotVoidable => PaymentErrorCode::NotVoidable,
        RefusalCode::NotRefundable => PaymentErrorCode::NotRefundable,
        RefusalCode::AmountTooLarge => PaymentErrorCode::AmountTooLarge,
    }
}
