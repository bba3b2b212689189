//! Does at once what several ask for at the same time: while something is done, what is asked for meanwhile is gathered, and
//! done next, all of it. Nobody waits while there is little to do, and the more there is, the less each of it costs. But one
//! that takes long holds all others up: a statement waits for a lock for 5 s at most, and for a server that has fallen silent
//! for 20 s (`database`).
//!
//! Knows nothing of what is done, but for what is stored: [`Stored`] goes into one transaction.

use crate::database::{DbErr, is_of_statement};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tracing::Instrument as _;

/// What can be done for several at once.
#[async_trait::async_trait]
pub trait Work: Send + Sync + 'static {
    /// What one asks for.
    type Asked: Send + 'static;
    /// What one hears.
    type Answer: Send + 'static;

    /// The most that is done at once.
    const AT_ONCE: usize;

    /// Answers in the order of what was asked for; those who come after the last answer hear that theirs was given up.
    async fn work(&self, asked: Vec<Self::Asked>) -> Vec<Self::Answer>;
}

/// One piece of [`Work`] at a time. Cheap to clone.
pub struct Together<W: Work> {
    shared: Arc<Shared<W>>,
}

struct Shared<W: Work> {
    work: W,
    waiting: Mutex<Vec<Waiting<W>>>,
    turn: tokio::sync::Mutex<()>,
}

struct Waiting<W: Work> {
    asked: W::Asked,
    answer: oneshot::Sender<W::Answer>,
}

impl<W: Work> Clone for Together<W> {
    fn clone(&self) -> Self {
        Together {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<W: Work> Together<W> {
    /// Has nothing to do yet.
    pub fn new(work: W) -> Together<W> {
        Together {
            shared: Arc::new(Shared {
                work,
                waiting: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Asks, and waits for the answer; `None` when it was given up. What has begun is done also when nobody waits any more.
    pub async fn ask(&self, asked: W::Asked) -> Option<W::Answer> {
        let (answer, receiver) = oneshot::channel();
        self.shared.waiting().push(Waiting { asked, answer });
        // A task of its own: who goes away must not take along what others asked for.
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { shared.take_turn().await }.in_current_span());
        receiver.await.ok()
    }
}

impl<W: Work> Shared<W> {
    /// Does what was asked for since the last turn began, the first come first; nothing, when the one before has.
    async fn take_turn(&self) {
        let turn = self.turn.lock().await;
        let (asked, askers): (Vec<_>, Vec<_>) = {
            let mut waiting = self.waiting();
            // Who has gone away asks again, or does not want it: a database that was away is not to find a queue of those.
            waiting.retain(|one| !one.answer.is_closed());
            let count = waiting.len().min(W::AT_ONCE);
            waiting.drain(..count).map(|one| (one.asked, one.answer)).unzip()
        };
        if asked.is_empty() {
            return;
        }
        let answers = self.work.work(asked).await;
        drop(turn);
        for (answer, asker) in answers.into_iter().zip(askers) {
            // Whoever asked may be gone.
            let _ = asker.send(answer);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<W>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is stored in one transaction for several at once, or for one.
#[async_trait::async_trait]
pub trait Stored: Send + Sync + 'static {
    /// What one wants to be stored.
    type Change: Send + Sync + 'static;
    /// What one hears when it is.
    type Outcome: Send + 'static;

    /// The most that is stored at once.
    const AT_ONCE: usize;

    /// Stores all of `changes`, or nothing. Answers in their order.
    async fn store(&self, changes: &[Self::Change]) -> Result<Vec<Self::Outcome>, DbErr>;
}

/// [`Work`] that stores: when a statement fails, each change is stored for itself, so that it fails for its own faults alone.
pub struct Storing<S>(pub S);

#[async_trait::async_trait]
impl<S: Stored> Work for Storing<S> {
    type Asked = S::Change;
    type Answer = Result<S::Outcome, DbErr>;

    const AT_ONCE: usize = S::AT_ONCE;

    async fn work(&self, changes: Vec<S::Change>) -> Vec<Self::Answer> {
        match self.0.store(&changes).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) if is_of_statement(&error) && changes.len() > 1 => self.store_each(&changes).await,
            Err(error) => vec![Err(error)],
        }
    }
}

impl<S: Stored> Storing<S> {
    /// Stores each for itself, as long as the database answers.
    async fn store_each(&self, changes: &[S::Change]) -> Vec<Result<S::Outcome, DbErr>> {
        let mut stored = Vec::with_capacity(changes.len());
        for one in changes {
            let outcome = self.0.store(std::slice::from_ref(one)).await;
            let is_over = outcome.as_ref().is_err_and(|error| !is_of_statement(error));
            stored.push(outcome.and_then(|outcomes| outcomes.into_iter().next().ok_or_else(given_up)));
            if is_over {
                break;
            }
        }
        stored
    }
}

impl<S: Stored> Together<Storing<S>> {
    /// Stores a change, in one transaction with those of others.
    ///
    /// # Errors
    /// [`DbErr`] when nothing was stored, or when it is not known whether it was.
    pub async fn store(&self, change: S::Change) -> Result<S::Outcome, DbErr> {
        self.ask(change).await.unwrap_or_else(|| Err(given_up()))
    }
}

fn given_up() -> DbErr {
    DbErr::Custom("storing was given up".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use sea_orm::RuntimeErr;
    use std::time::Duration;

    /// Stores numbers up to nine; notes how many at a time.
    #[derive(Default)]
    struct Digits {
        batches: Arc<Mutex<Vec<usize>>>,
    }

    #[async_trait::async_trait]
    impl Stored for Digits {
        type Change = u32;
        type Outcome = u32;

        const AT_ONCE: usize = 4;

        async fn store(&self, changes: &[u32]) -> Result<Vec<u32>, DbErr> {
            self.batches.lock().unwrap().push(changes.len());
            tokio::task::yield_now().await;
            assert!(!changes.contains(&666), "a fault of the work");
            let error = |text: &str| RuntimeErr::Internal(text.to_owned());
            match changes.iter().find(|change| **change > 9) {
                Some(404) => Err(DbErr::Conn(error("nobody there"))),
                Some(_) => Err(DbErr::Exec(error("too large"))),
                None => Ok(changes.iter().map(|change| change * 10).collect()),
            }
        }
    }

    async fn store_all(changes: &[u32]) -> (Vec<Result<u32, String>>, Vec<usize>) {
        let digits = Digits::default();
        let batches = Arc::clone(&digits.batches);
        let together = Together::new(Storing(digits));
        let outcomes = join_all(changes.iter().map(|change| together.store(*change))).await;
        let outcomes = outcomes
            .into_iter()
            .map(|outcome| outcome.map_err(|error| error.to_string()));
        let batches = batches.lock().unwrap().clone();
        (outcomes.collect(), batches)
    }

    #[tokio::test]
    async fn what_is_asked_for_at_once_is_stored_at_once_within_limits() {
        let (outcomes, batches) = store_all(&[1, 2, 3, 4, 5, 6]).await;
        assert_eq!(outcomes, [10, 20, 30, 40, 50, 60].map(Ok));
        assert_eq!(batches, [4, 2]);
    }

    #[tokio::test]
    async fn what_cannot_be_stored_fails_alone() {
        let (outcomes, batches) = store_all(&[1, 12, 3]).await;
        let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, true, false]);
        assert_eq!(batches, [3, 1, 1, 1]);
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_not_asked_for_each() {
        let (outcomes, batches) = store_all(&[1, 404, 3]).await;
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        assert_eq!(batches, [3]);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_begun() {
        let digits = Digits::default();
        let batches = Arc::clone(&digits.batches);
        let together = Together::new(Storing(digits));
        let turn = together.shared.turn.lock().await;
        let (gone, stays) = (together.store(1), together.store(2));
        let gone = tokio::time::timeout(Duration::from_millis(1), gone);
        assert!(gone.await.is_err());
        drop(turn);
        assert_eq!(stays.await.unwrap(), 20);
        assert_eq!(*batches.lock().unwrap(), [1]);
    }

    #[tokio::test]
    async fn work_that_panics_is_given_up_and_the_next_is_done() {
        let together = Together::new(Storing(Digits::default()));
        assert!(together.store(666).await.is_err());
        assert_eq!(together.store(1).await.unwrap(), 10);
    }
}
