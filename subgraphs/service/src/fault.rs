//! Abort points: named places at which a test lets the process die, as a power cut would, or freeze, as one does whose
//! machine is moved.
//!
//! `ABORT_POINT=orders.place.stored` ends the process the first time it comes by that point, `FREEZE_POINT` stops it there
//! until it gets SIGCONT; the crash tests run one purchase for each. Only builds with debug assertions have them: in a
//! release [`point`] is nothing. Not the crate `fail`: it has no abort among its actions, a panic would be caught by the
//! task that it hits, and its cargo feature would need a second build of every service.

#![cfg_attr(not(debug_assertions), allow(dead_code, reason = "a release arms nothing"))]

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ARMED: OnceLock<Fault> = OnceLock::new();
static HAS_FROZEN: AtomicBool = AtomicBool::new(false);

/// What happens, at which point.
pub(crate) enum Fault {
    Abort(String),
    Freeze(String),
}

/// Arms one fault for the life of the process. Only the first call counts.
pub(crate) fn arm(fault: Fault) {
    // Two in one process never happen: the tests set one.
    let _ = ARMED.set(fault);
}

/// Dies or freezes here when this point is armed.
#[inline]
pub fn point(name: &str) {
    if cfg!(debug_assertions) {
        strike(|armed| armed == name);
    }
}

/// [`point`] for one step of several: `orders.saga.asking` and `CAPTURE` are the point `orders.saga.asking.CAPTURE`.
#[inline]
pub fn point_at(name: &str, step: &str) {
    if cfg!(debug_assertions) {
        strike(|armed| {
            let rest = armed.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            rest.is_some_and(|rest| rest == step)
        });
    }
}

fn strike(is_here: impl Fn(&str) -> bool) {
    match ARMED.get() {
        Some(Fault::Abort(name)) if is_here(name) => {
            tracing::error!(abort_point = name, "Dying at `{name}`, as was asked");
            std::process::abort()
        }
        Some(Fault::Freeze(name)) if is_here(name) && !HAS_FROZEN.swap(true, Ordering::SeqCst) => {
            tracing::error!(freeze_point = name, "Freezing at `{name}`, as was asked");
            let process = std::process::id().to_string();
            if let Err(error) = Command::new("kill").args(["-STOP", &process]).status() {
                tracing::error!(%error, "Not frozen");
            }
        }
        _ => {}
    }
}
