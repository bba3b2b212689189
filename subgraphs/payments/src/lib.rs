//! Payments through a payment gateway.
