//! A circuit breaker around each gateway: one that fails again and again is left alone for a while.
//!
//! Counts what tells of the gateway's health: silence, broken connections, 5xx. A decline, a refusal, a wrong key and
//! "too many" are answers of a gateway that works. A call that is held back is [`GatewayError::CircuitOpen`]: nothing was
//! sent, and whoever waits for it tries again later.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use service::clock::Clock;
use service::money::Currency;
use tracing::{info, warn};

use super::{Action, Caps, CreatePayment, Gateway, GatewayError, Lookup, Webhook, WebhookError};
use crate::domain::RemotePayment;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it; zero never does.
    pub failures_max: u32,
    /// How long it stays open before one call may try again.
    pub open_for: TimeDelta,
}

/// Whether calls go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// They do; so many have failed in a row.
    Closed { failures: u32 },
    /// None does until then.
    Open { until: DateTime<Utc> },
    /// One does, and decides; if it is never heard of again, another one may after `until`.
    HalfOpen { until: DateTime<Utc> },
}

/// The state of one gateway's circuit, in this process.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    gateway: String,
    state: Mutex<State>,
}

impl Breaker {
    /// A closed one; `gateway` labels its metrics.
    #[must_use]
    pub fn new(gateway: &str, settings: BreakerSettings) -> Self {
        let breaker = Self {
            settings,
            gateway: gateway.to_owned(),
            state: Mutex::new(State::Closed { failures: 0 }),
        };
        breaker.gauge(State::Closed { failures: 0 });
        breaker
    }

    /// Whether a call may be made now. A yes must be followed by [`Breaker::report`].
    pub fn admit(&self, now: DateTime<Utc>) -> bool {
        let mut state = self.lock();
        match *state {
            State::Closed { .. } => true,
            State::Open { until } | State::HalfOpen { until } if now < until => false,
            State::Open { .. } | State::HalfOpen { .. } => {
                *state = State::HalfOpen {
                    until: now + self.settings.open_for,
                };
                self.gauge(*state);
                true
            }
        }
    }

    /// What came of an admitted call.
    pub fn report(&self, healthy: bool, now: DateTime<Utc>) {
        let mut state = self.lock();
        let next = match *state {
            _ if healthy => State::Closed { failures: 0 },
            State::Closed { failures } if !self.opens_after(failures + 1) => State::Closed { failures: failures + 1 },
            // A call from before it opened does not keep it open for longer.
            open @ State::Open { .. } => open,
            State::Closed { .. } | State::HalfOpen { .. } => State::Open {
                until: now + self.settings.open_for,
            },
        };
        let (was_closed, is_closed) = (is_closed(*state), is_closed(next));
        *state = next;
        self.gauge(next);
        if was_closed && !is_closed {
            metrics::counter!("payments_gateway_circuit_opened_total", "gateway" => self.gateway.clone()).increment(1);
            warn!(
                gateway = self.gateway,
                "The gateway `{}` is left alone for a while", self.gateway
            );
        } else if !was_closed && is_closed {
            info!(gateway = self.gateway, "The gateway `{}` works again", self.gateway);
        }
    }

    fn opens_after(&self, failures: u32) -> bool {
        self.settings.failures_max > 0 && failures >= self.settings.failures_max
    }

    fn gauge(&self, state: State) {
        let value = match state {
            State::Closed { .. } => 0.0,
            State::HalfOpen { .. } => 1.0,
            State::Open { .. } => 2.0,
        };
        metrics::gauge!("payments_gateway_circuit_state", "gateway" => self.gateway.clone()).set(value);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_closed(state: State) -> bool {
    matches!(state, State::Closed { .. })
}

/// A gateway behind its breaker, with metrics of every call.
pub struct Guarded {
    gateway: Box<dyn Gateway>,
    breaker: Breaker,
    clock: Clock,
}

impl Guarded {
    /// Puts `gateway` behind a breaker of its own.
    #[must_use]
    pub fn new(gateway: Box<dyn Gateway>, settings: BreakerSettings, clock: Clock) -> Self {
        Self {
            breaker: Breaker::new(gateway.name(), settings),
            gateway,
            clock,
        }
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        call: BoxFuture<'_, Result<T, GatewayError>>,
    ) -> Result<T, GatewayError> {
        let outcome = if self.breaker.admit(self.clock.now()) {
            let started = std::time::Instant::now();
            let outcome = call.await;
            let healthy = !matches!(outcome, Err(GatewayError::NotSent | GatewayError::Unknown { .. }));
            self.breaker.report(healthy, self.clock.now());
            metrics::histogram!("payments_gateway_call_seconds", "gateway" => self.name().to_owned())
                .record(started.elapsed().as_secs_f64());
            outcome
        } else {
            Err(GatewayError::CircuitOpen)
        };
        let labels = [
            ("gateway", self.name().to_owned()),
            ("operation", operation.to_owned()),
            ("outcome", outcome_name(&outcome).to_owned()),
        ];
        metrics::counter!("payments_gateway_calls_total", &labels).increment(1);
        outcome
    }
}

fn outcome_name<T>(outcome: &Result<T, GatewayError>) -> &'static str {
    match outcome {
        Ok(_) => "answered",
        Err(GatewayError::Refused { .. }) => "refused",
        Err(GatewayError::Auth) => "unauthorized",
        Err(GatewayError::RateLimited) => "rate_limited",
        Err(GatewayError::NotSent) => "not_sent",
        Err(GatewayError::CircuitOpen) => "circuit_open",
        Err(GatewayError::Unknown { .. }) => "unknown",
    }
}

impl Gateway for Guarded {
    fn name(&self) -> &str {
        self.gateway.name()
    }

    fn display_name(&self) -> &str {
        self.gateway.display_name()
    }

    fn caps(&self) -> Caps {
        self.gateway.caps()
    }

    fn kinds(&self) -> &[String] {
        self.gateway.kinds()
    }

    fn publishable_key(&self) -> Option<&str> {
        self.gateway.publishable_key()
    }

    fn currencies(&self) -> &[Currency] {
        self.gateway.currencies()
    }

    fn takes(&self, currency: Currency) -> bool {
        self.gateway.takes(currency)
    }

    fn create(&self, request: CreatePayment) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.call("create", self.gateway.create(request)).boxed()
    }

    fn capture(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.call("capture", self.gateway.capture(action)).boxed()
    }

    fn void(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.call("void", self.gateway.void(action)).boxed()
    }

    fn refund(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.call("refund", self.gateway.refund(action)).boxed()
    }

    fn lookup(&self, lookup: Lookup) -> BoxFuture<'_, Result<Option<RemotePayment>, GatewayError>> {
        self.call("lookup", self.gateway.lookup(lookup)).boxed()
    }

    fn verify_webhook(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Webhook, WebhookError> {
        self.gateway.verify_webhook(headers, body, now)
    }

    fn told_by_webhook(&self, body: &str) -> Option<RemotePayment> {
        self.gateway.told_by_webhook(body)
    }

    fn webhook_reply(&self) -> &'static str {
        self.gateway.webhook_reply()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` and `-`: a call that went well or failed; `x`: one that was held back; `.`: half a minute passes.
    fn play(script: &str) -> String {
        let settings = BreakerSettings {
            failures_max: 3,
            open_for: TimeDelta::seconds(30),
        };
        let breaker = Breaker::new("test", settings);
        let mut now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut seen = String::new();
        for step in script.chars() {
            if step == '.' {
                now += TimeDelta::seconds(30);
                seen.push('.');
            } else if breaker.admit(now) {
                breaker.report(step == '+', now);
                seen.push(step);
            } else {
                seen.push('x');
            }
        }
        seen
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_one_success() {
        for (script, expected) in [
            ("--+--+--", "--+--+--"),
            ("---++", "---xx"),
            ("---+.+--", "---x.+--"),
            ("---.-+.+", "---.-x.+"),
        ] {
            assert_eq!(play(script), expected, "{script}");
        }
    }

    #[test]
    fn half_open_lets_one_call_through() {
        let settings = BreakerSettings {
            failures_max: 1,
            open_for: TimeDelta::seconds(30),
        };
        let breaker = Breaker::new("test", settings);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        breaker.report(false, now);
        let later = now + TimeDelta::seconds(30);
        assert_eq!([breaker.admit(later), breaker.admit(later)], [true, false]);
        // The one that went through is never heard of: the process was too busy, or the task was dropped.
        assert!(breaker.admit(later + TimeDelta::seconds(30)));
    }
}
