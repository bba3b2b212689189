//! Mistakes that the caller can act on, and what becomes of a neighbour that does not answer.

use async_graphql::{Enum, SimpleObject};
use service::graphql::error;
use service::user_error_interface;

use super::entity::ProductVariant;
use crate::checkout::{PlaceError, Problem, ProblemCode};
use crate::domain::FailureReason;
use crate::neighbours::NeighbourError;

/// A service that must be asked gives no answer; the same call may work a moment later.
const SERVICE_UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

user_error_interface!(OrderUserError);

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderErrorCode {
    NotFound,
    Required,
    Invalid,
    Empty,
    QuantityInvalid,
    LineLimit,
    OrderLimit,
    OutOfStock,
    ProductUnavailable,
    PriceChanged,
    CurrencyMismatch,
    AddressRequired,
    NotCancellable,
    NotPayable,
    AlreadyPaid,
    ReservationExpired,
    RefundTooLarge,
    IdempotencyKeyReused,
    /// A service did not answer in time; nothing was bought. The same may work in a moment.
    ServiceUnavailable,
}

#[derive(SimpleObject)]
pub(crate) struct OrderUserError {
    pub(crate) message: String,
    pub(crate) field: Option<Vec<String>>,
    pub(crate) code: OrderErrorCode,
    /// The variant the error is about, for OUT_OF_STOCK and PRICE_CHANGED.
    pub(crate) variant: Option<ProductVariant>,
}

impl OrderUserError {
    /// An error about the whole call.
    pub(crate) fn new(code: OrderErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            field: None,
            code,
            variant: None,
        }
    }

    /// The same error about one argument.
    pub(crate) fn at(self, path: &[&str]) -> Self {
        Self {
            field: Some(path.iter().map(|part| (*part).to_owned()).collect()),
            ..self
        }
    }

    /// An error about an argument below `root`; `root` is empty where the arguments are the problem's own.
    pub(crate) fn below(root: &[&str], problem: Problem) -> Self {
        let path = root
            .iter()
            .map(|part| (*part).to_owned())
            .chain(problem.path.iter().cloned());
        Self {
            field: (!problem.path.is_empty()).then(|| path.collect()),
            code: problem.code.into(),
            variant: problem.variant_id.map(ProductVariant::stub),
            message: problem.message,
        }
    }

    /// Why an order failed.
    pub(crate) fn failed(reason: FailureReason, variant_id: Option<String>) -> Self {
        let (code, message) = match reason {
            FailureReason::OutOfStock => (
                OrderErrorCode::OutOfStock,
                "Somebody else was faster: it is out of stock.",
            ),
            FailureReason::PriceChanged => (OrderErrorCode::PriceChanged, "The price has just changed."),
            FailureReason::ProductUnavailable => (OrderErrorCode::ProductUnavailable, "This is not for sale any more."),
            FailureReason::PaymentDeclined => (
                OrderErrorCode::NotPayable,
                "The payment was refused too often; place a new order.",
            ),
            FailureReason::PaymentExpired => (
                OrderErrorCode::ReservationExpired,
                "The time to pay is over; place a new order.",
            ),
            FailureReason::Internal => (
                OrderErrorCode::ServiceUnavailable,
                "A service did not answer in time, and nothing was bought; place a new order.",
            ),
        };
        Self {
            variant: variant_id.map(ProductVariant::stub),
            ..Self::new(code, message)
        }
    }
}

impl From<ProblemCode> for OrderErrorCode {
    fn from(code: ProblemCode) -> Self {
        match code {
            ProblemCode::NotFound => Self::NotFound,
            ProblemCode::Required => Self::Required,
            ProblemCode::Invalid => Self::Invalid,
            ProblemCode::Empty => Self::Empty,
            ProblemCode::QuantityInvalid => Self::QuantityInvalid,
            ProblemCode::LineLimit => Self::LineLimit,
            ProblemCode::OrderLimit => Self::OrderLimit,
            ProblemCode::OutOfStock => Self::OutOfStock,
            ProblemCode::ProductUnavailable => Self::ProductUnavailable,
            ProblemCode::PriceChanged => Self::PriceChanged,
            ProblemCode::CurrencyMismatch => Self::CurrencyMismatch,
            ProblemCode::AddressRequired => Self::AddressRequired,
            ProblemCode::IdempotencyKeyReused => Self::IdempotencyKeyReused,
        }
    }
}

/// The error of a field or mutation that needs a neighbour.
pub(crate) fn unavailable(cause: &NeighbourError) -> async_graphql::Error {
    tracing::error!(error = %cause, "A neighbour gave no answer");
    error(
        SERVICE_UNAVAILABLE,
        "a service that this needs does not answer; try again",
    )
}

/// Problems as user errors below `root`; anything else is an error of the call.
pub(crate) fn user_errors(cause: PlaceError, root: &[&str]) -> async_graphql::Result<Vec<OrderUserError>> {
    match cause {
        PlaceError::Problems(problems) => Ok(problems
            .into_iter()
            .map(|problem| OrderUserError::below(root, problem))
            .collect()),
        PlaceError::Neighbour(cause) => Err(unavailable(&cause)),
        PlaceError::Store(cause) => Err(cause.into()),
    }
}
