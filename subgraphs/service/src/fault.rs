//! Abort points: named places at which a test lets the process die, as a power cut would.
//!
//! `ABORT_POINT=orders.place.stored` ends the process the first time it comes by that point; the crash tests run one
//! purchase for each. Only builds with debug assertions have them: in a release [`point`] is nothing. Not the crate
//! `fail`: it has no abort among its actions, a panic would be caught by the task that it hits, and its cargo feature
//! would need a second build of every service.

use std::sync::OnceLock;

static ARMED: OnceLock<String> = OnceLock::new();

/// Arms one point for the life of the process. Only the first call counts.
pub(crate) fn arm(name: &str) {
    // Two in one process never happen: there is one setting.
    let _ = ARMED.set(name.to_owned());
}

/// Dies here when this point is armed.
#[inline]
pub fn point(name: &str) {
    if cfg!(debug_assertions) && ARMED.get().is_some_and(|armed| armed == name) {
        die(name);
    }
}

/// [`point`] for one step of several: `orders.saga.asking` and `CAPTURE` are the point `orders.saga.asking.CAPTURE`.
#[inline]
pub fn point_at(name: &str, step: &str) {
    let armed = |armed: &String| {
        armed
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| rest == step)
    };
    if cfg!(debug_assertions) && ARMED.get().is_some_and(armed) {
        die(name);
    }
}

#[cold]
fn die(name: &str) -> ! {
    tracing::error!(abort_point = name, "Dying at `{name}`, as was asked");
    std::process::abort()
}
