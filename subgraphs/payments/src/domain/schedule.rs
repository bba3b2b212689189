//! When an unsettled call is looked at again.

use chrono::TimeDelta;

/// How long a call may run before somebody else may take it over: the gateway's deadline of 10 s and room to store
/// the answer.
pub const CALL_LEASE: TimeDelta = TimeDelta::seconds(15);

/// After this, a call that the gateway has not carried out will not be carried out any more, and is made with another key.
pub const KEY_TIME: TimeDelta = TimeDelta::minutes(5);

/// How long an authorization that surely never reached the gateway is tried: a little longer than an order waits to be
/// paid.
pub(super) const UNSENT_TIME_MAX: TimeDelta = TimeDelta::minutes(20);

/// When a call that a circuit breaker held back is tried again.
pub(super) const HELD_BACK_DELAY: TimeDelta = TimeDelta::seconds(15);

/// As long as a shopper may be at a page of the gateway, it is asked at least this often.
const WAITING_DELAY_MAX: TimeDelta = TimeDelta::seconds(30);

/// How long to wait before the gateway is asked again about a payment that waits for the shopper or the bank.
///
/// * `age`: of the payment. A webhook tells sooner; this is for those that get lost.
#[must_use]
pub(super) fn waiting_delay(attempt: i32, age: TimeDelta) -> TimeDelta {
    let delay = lookup_delay(attempt).max(TimeDelta::seconds(10));
    if age < TimeDelta::minutes(30) {
        delay.min(WAITING_DELAY_MAX)
    } else {
        delay
    }
}

/// How long to wait before the gateway is asked again what became of a call, by the number of times it was asked.
#[must_use]
pub(super) fn lookup_delay(attempt: i32) -> TimeDelta {
    match attempt {
        ..=1 => TimeDelta::seconds(2),
        2 => TimeDelta::seconds(10),
        3 => TimeDelta::minutes(1),
        4 | 5 => TimeDelta::minutes(10),
        _ => TimeDelta::hours(1),
    }
}
