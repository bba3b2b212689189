//! The plumbing that every service of the shop shares.

pub mod contract;
