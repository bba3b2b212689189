//! The rules of accounts, in plain Rust: no database and no GraphQL.

mod account;
mod address;
mod email;
mod occasion;
mod password;
mod refusal;
mod session;
mod throttle;

pub(crate) use account::{Profile, ProfileChange, User, folded};
pub(crate) use address::{ADDRESSES_MAX, Address, AddressInput};
pub(crate) use email::EmailAddress;
pub(crate) use occasion::Occasion;
pub(crate) use password::Password;
pub(crate) use refusal::{Reason, Refusal};
pub(crate) use session::{Device, Purpose, Secret, Session};
pub(crate) use throttle::{Attempts, WINDOW};
