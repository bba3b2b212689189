//! What an order is, what it costs, and which step comes after which. Plain Rust: no GraphQL, no database, no HTTP,
//! no clock.

mod order;
mod pricing;
mod saga;
mod status;

pub use order::{
    Address, Cart, CartLine, Edit, Event, NewOrder, Order, OrderFile, OrderLine, Refund, RefundError, RefundRequest,
    RefundStatus, RefundedLine,
};
pub use pricing::{PricedLine, Pricing, ShippingCost, Totals, is_country_code};
pub use saga::{Answer, Command, LEASE, Lane, PaymentRequest, Saga, Step};
pub use status::{FailureReason, OrderStatus};

/// Most different variants of one order or cart.
pub const LINES_MAX: usize = 100;

/// Most orders of one user that are not paid yet: each holds stock that others cannot buy.
pub const UNPAID_ORDERS_MAX: usize = 10;

/// Most units of one variant in an order or cart.
pub const QUANTITY_MAX: u32 = 999;
