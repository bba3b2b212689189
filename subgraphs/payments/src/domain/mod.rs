//! What a payment is and which changes of it are right. Plain Rust: no GraphQL, no database, no HTTP, no clock.

#[cfg(test)]
mod machine_test;
mod payment;
mod remote;
mod schedule;

pub use payment::{
    Begun, CardSummary, NextAction, Payment, Transaction, TransactionKind, TransactionStatus, fresh_payment,
};
pub use remote::{RefundOutcome, RemotePayment, RemoteRefund, RemoteStatus};
pub use schedule::{CALL_LEASE, KEY_TIME};
