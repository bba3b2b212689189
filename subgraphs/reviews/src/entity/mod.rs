//! One module a table. Rows never leave `store`.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the derive makes public items that carry no text"
)]

pub mod person;
pub mod purchase;
pub mod review;
