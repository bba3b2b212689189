//! One call that carries an idempotency key, in any dialect: done once for its key, and answered as the faults say.
//!
//! Decides what the caller *sees*: the truth, late, never, or an error. What *is* belongs to [`crate::ledger`]; how it is
//! worded belongs to the dialects.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::Sandbox;
use crate::idempotency::Claim;
use crate::ledger::Payment;
use crate::token::{self, Answer, RefundFate};

/// Most faults that wait for their call.
const FAULTS_MAX: usize = 1_000;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    Create,
    Capture,
    Void,
    Refund,
    Lookup,
}

/// A fault of the next call that does `operation`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallFault {
    operation: Operation,
    answer: FaultAnswer,
    /// Only of a call with this in its path or body, such as the id of a payment: others may be made again meanwhile.
    naming: Option<String>,
}

/// What its caller sees.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultAnswer {
    TimeoutAfter,
    TimeoutBefore,
    ErrorAfter,
    ErrorBefore,
    ErrorStored,
    #[serde(rename = "slow_5s")]
    Slow5s,
}

/// Faults that were asked for, each for one call.
#[derive(Default)]
pub(crate) struct CallFaults {
    waiting: Mutex<VecDeque<CallFault>>,
}

impl CallFaults {
    /// Replaces what waits.
    pub(crate) fn set(&self, faults: Vec<CallFault>) {
        let faults = faults.into_iter().take(FAULTS_MAX).collect();
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    fn take(&self, call: &Call) -> Option<Answer> {
        let is_named = |text: &String| call.fingerprint.contains(text) || call.act.contains(text);
        let strikes =
            |fault: &CallFault| fault.operation == call.operation && fault.naming.as_ref().is_none_or(is_named);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let index = waiting.iter().position(strikes)?;
        let fault = waiting.remove(index)?;
        Some(match fault.answer {
            FaultAnswer::TimeoutAfter => Answer::HangAfter,
            FaultAnswer::TimeoutBefore => Answer::HangBefore,
            FaultAnswer::ErrorAfter => Answer::ErrorAfter,
            FaultAnswer::ErrorBefore => Answer::ErrorBefore,
            FaultAnswer::ErrorStored => Answer::ErrorStored,
            FaultAnswer::Slow5s => Answer::Slow(Duration::from_secs(5)),
        })
    }
}

/// One call.
pub(crate) struct Call {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) operation: Operation,
    /// Of the caller; `None` for a dialect without keys.
    pub(crate) key: Option<String>,
    /// What makes two calls the same: method, path and body.
    pub(crate) fingerprint: String,
    /// Names the act for the faults that happen once.
    pub(crate) act: String,
    /// What the caller sees, unless a fault was asked for.
    pub(crate) answer: Answer,
    /// The body of a 500 in this dialect.
    pub(crate) internal_error: Value,
}

/// What a call did.
pub(crate) struct Done {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The payment that changed, of which webhooks tell.
    pub(crate) changed: Option<Payment>,
}

/// What the caller is answered.
pub(crate) enum Reply {
    /// This; `replayed` when the key was used before.
    Answer {
        status: StatusCode,
        body: Value,
        replayed: bool,
    },
    /// The key belongs to another request.
    Mismatch,
    /// The same request is running right now.
    Running,
}

impl Call {
    /// Does `work` once for the key. In a task of its own: a caller that hangs up does not undo what it asked for.
    pub(crate) async fn run<W>(mut self, work: W) -> Reply
    where
        W: FnOnce(&Arc<Sandbox>) -> Done + Send + 'static,
    {
        if let Some(key) = &self.key {
            match self.sandbox.keys.claim(key, self.fingerprint.clone()) {
                Claim::New => {}
                Claim::Replay(status, body) => {
                    return Reply::Answer {
                        status,
                        body,
                        replayed: true,
                    };
                }
                Claim::Mismatch => return Reply::Mismatch,
                Claim::Running => return Reply::Running,
            }
        }
        if let Some(answer) = self.sandbox.call_faults.take(&self) {
            self.answer = answer;
        }
        let internal_error = self.internal_error.clone();
        let (status, body) = match tokio::spawn(self.perform(work)).await {
            Ok(answered) => answered,
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, internal_error),
        };
        Reply::Answer {
            status,
            body,
            replayed: false,
        }
    }

    async fn perform<W>(self, work: W) -> (StatusCode, Value)
    where
        W: FnOnce(&Arc<Sandbox>) -> Done + Send + 'static,
    {
        let Self {
            sandbox, act, answer, ..
        } = &self;
        let error = (StatusCode::INTERNAL_SERVER_ERROR, self.internal_error.clone());
        let (before, hangs) = match answer {
            Answer::HangBefore => (true, true),
            Answer::ErrorBefore => (true, false),
            Answer::HangBeforeOnce => (sandbox.ledger.first_try(act), true),
            Answer::ErrorBeforeOnce => (sandbox.ledger.first_try(act), false),
            _ => (false, false),
        };
        if before {
            // As if something in front of the gateway had failed: the key was never seen.
            self.forget();
            if hangs {
                tokio::time::sleep(sandbox.config.hang).await;
            }
            return error;
        }
        if *answer == Answer::ErrorStored {
            self.finish(error.0, error.1.clone());
            return error;
        }
        if let Answer::Slow(delay) = *answer {
            tokio::time::sleep(sandbox.config.scaled(delay)).await;
        }
        let done = work(sandbox);
        if let Some(payment) = &done.changed {
            sandbox.webhooks.send(payment);
        }
        if *answer == Answer::ErrorAfter {
            self.finish(error.0, error.1.clone());
            return error;
        }
        self.finish(done.status, done.body.clone());
        if *answer == Answer::HangAfter {
            tokio::time::sleep(sandbox.config.hang).await;
        }
        (done.status, done.body)
    }

    fn finish(&self, status: StatusCode, body: Value) {
        if let Some(key) = &self.key {
            self.sandbox.keys.finish(key, status, body);
        }
    }

    fn forget(&self) {
        if let Some(key) = &self.key {
            self.sandbox.keys.forget(key);
        }
    }
}

/// Approves later what was made with a token that says so.
pub(crate) fn authorize_later(sandbox: Arc<Sandbox>, id: String, delay: Duration) {
    tokio::spawn(async move {
        tokio::time::sleep(sandbox.config.scaled(delay)).await;
        // An error means that it was voided meanwhile.
        if let Ok(payment) = sandbox.ledger.decide(&id, true) {
            sandbox.webhooks.send(&payment);
        }
    });
}

/// Lets the bank send back what a refund gave, if the payment was made with a token that says so.
pub(crate) fn return_refund_later(sandbox: &Arc<Sandbox>, payment: &Payment) {
    let fate = token::fate(&payment.token).map(|fate| fate.refund);
    let Some(RefundFate::ReturnedAfter(delay)) = fate else {
        return;
    };
    let (sandbox, id) = (Arc::clone(sandbox), payment.id.clone());
    tokio::spawn(async move {
        tokio::time::sleep(sandbox.config.scaled(delay)).await;
        if let Ok(payment) = sandbox.ledger.return_last_refund(&id) {
            sandbox.webhooks.send(&payment);
        }
    });
}

/// Where the gateway's own pages are, as the caller reaches it.
pub(crate) fn page_url(sandbox: &Sandbox, headers: &axum::http::HeaderMap) -> String {
    if let Some(url) = &sandbox.config.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers
        .get(axum::http::header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("127.0.0.1:4100");
    format!("http://{host}")
}

/// Whether `Authorization: Bearer …` carries one of our API keys.
pub(crate) fn is_authorized(sandbox: &Sandbox, headers: &axum::http::HeaderMap) -> bool {
    use subtle::ConstantTimeEq as _;
    let given = headers
        .get(axum::http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = given
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    // A list that ends in a comma has an empty key, which would let in whoever sends none.
    let mut keys = sandbox.config.api_keys.iter().filter(|key| !key.is_empty());
    keys.any(|key| bool::from(key.as_bytes().ct_eq(given.as_bytes())))
}
