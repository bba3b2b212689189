//! When an unsettled call is looked at again.

use chrono::TimeDelta;

/// How long a call may run before somebody else may take it over: the gateway's deadline of 10 s and room to store
/// the answer.
pub const CALL_LEASE: TimeDelta = TimeDelta::seconds(15);

/// Attempts after which a call that surely never reached the gateway is given up: with [`lookup_delay`], 21 minutes.
pub(super) const UNSENT_ATTEMPTS_MAX: i32 = 5;

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
