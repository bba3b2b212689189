//! The tables as sea-orm sees them, one file each. Only `store` uses them.

pub(crate) mod payment;
pub(crate) mod payment_transaction;
pub(crate) mod webhook_event;
