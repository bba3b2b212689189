//! Work on several threads: the same results, in the same order, as on one.
//!
//! Only for what takes milliseconds; starting a thread takes a tenth of one.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Applies `of` to all `items`; the results are in their order.
pub fn map<T: Send, R: Send>(is_parallel: bool, items: Vec<T>, of: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get().min(items.len()));
    if !is_parallel || threads < 2 {
        return items.into_iter().map(of).collect();
    }
    // Items differ in size, so each thread takes the next one when it is done with its last.
    let rest = Mutex::new(items.into_iter().enumerate());
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut results = Vec::new();
        while let Some((index, item)) = next() {
            results.push((index, of(item)));
        }
        results
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            results.extend(finish(other));
        }
        results
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The results of both; in parallel, `left` has a thread of its own.
pub fn both<L: Send, R>(is_parallel: bool, left: impl FnOnce() -> L + Send, right: impl FnOnce() -> R) -> (L, R) {
    if !is_parallel {
        return (left(), right());
    }
    thread::scope(|scope| {
        let left = scope.spawn(left);
        let right = right();
        (finish(left), right)
    })
}

/// The result of a thread; a panic in it is one here.
fn finish<R>(thread: thread::ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
