//! A payment gateway for development, demos and tests, with the manners of a real one.
//!
//! It speaks the generic dialect of `subgraphs/payments` (README of this package), Stripe's and Alipay's, is idempotent as
//! Stripe is, keeps one ledger for all, shows a 3-D Secure page, and pushes signed webhooks. What happens to a payment is chosen by its token
//! (`tok_ok`, `tok_3ds`, `tok_timeout_after_success`; see [`token`]).
//!
//! It moves no money and knows nothing of the shop. It must not be reachable by strangers: the binary refuses to listen
//! beyond loopback unless told to.

pub mod alipay;
pub mod api;
mod call;
pub mod config;
pub mod idempotency;
pub mod ledger;
pub mod pages;
mod seed;
pub mod stripe;
pub mod token;
pub mod webhook;

use std::sync::Arc;

use axum::Router;

pub use config::Config;

use crate::alipay::AlipaySide;
use crate::call::CallFaults;
use crate::idempotency::Keys;
use crate::ledger::Ledger;
use crate::webhook::Webhooks;

/// What all requests share.
pub(crate) struct Sandbox {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) keys: Keys,
    pub(crate) call_faults: CallFaults,
    pub(crate) webhooks: Webhooks,
    pub(crate) alipay: AlipaySide,
}

/// The gateway as one router: its APIs below `/api/v1` (generic), at `/v1` (Stripe) and `/gateway.do` (Alipay), its pages at
/// `/` and `/3ds/{id}`, and `/__ledger`, `/__faults`.
///
/// Must be called within a tokio runtime: webhooks are sent by tasks of their own.
///
/// # Errors
/// When the journal of the configuration cannot be read or written.
pub fn app(config: Config) -> anyhow::Result<Router> {
    let sandbox = Arc::new(Sandbox {
        ledger: Ledger::open(&config)?,
        keys: Keys::default(),
        call_faults: CallFaults::default(),
        webhooks: Webhooks::new(&config)?,
        alipay: AlipaySide::new(&config.alipay)?,
        config,
    });
    Ok(api::router(Arc::clone(&sandbox))
        .merge(stripe::router(Arc::clone(&sandbox)))
        .merge(alipay::router(Arc::clone(&sandbox)))
        .merge(pages::router(sandbox)))
}
