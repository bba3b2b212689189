//! Carts, orders and the order saga.
