//! The tables as sea-orm sees them, one file each. Only `store` uses them.

pub(crate) mod cart;
pub(crate) mod cart_line;
pub(crate) mod counter;
pub(crate) mod idempotency_key;
pub(crate) mod order_event;
pub(crate) mod order_line;
pub(crate) mod order_refund;
pub(crate) mod orders;
