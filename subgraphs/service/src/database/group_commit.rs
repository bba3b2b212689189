//! Group commit: writers of a SQLite file take turns in one transaction, and one commit is for all of them.
//!
//! A commit that has to be on the disk waits for it for some milliseconds, and holds the one connection that writes
//! for so long. Whoever comes meanwhile waits. So they are then let in one after the other, each with a savepoint, and
//! wait for the disk once, together. Nobody waits for company: a writer alone is committed at once.
//!
//! Nothing but the time it takes tells a turn from a transaction of one's own:
//!
//! - What is acknowledged is on the disk. A commit is acknowledged when the group's is, and fails when that fails; then
//!   nothing of the group is there. SQLite shows readers a commit once the disk has it, and nothing of it before.
//! - Who comes later in a group sees what was written before them and may yet be lost. What they conclude from it (a
//!   key is taken, a version has moved on) they hear after the group's commit, also when they roll back or a statement
//!   of theirs fails. Who just drops their transaction hears nothing, and could tell: so no answer leaves the service
//!   before such a group has been committed, nor when one was lost since its request came ([`GroupCommit::settled`]).
//! - Who rolls back, fails or goes away undoes nothing but what they did. But nobody else is let in after them: an error
//!   may have made SQLite roll everything back (disk full, I/O error), and then the commit must fail.
//!
//! Constraints that are checked at the commit would fail a whole group; there are none. Each process has groups of its
//! own: between processes there is SQLite's lock.

use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// Most turns of one group: the first waits for the last.
const TURNS_MAX: usize = 32;

/// Tells what became of a group: `None` while it goes on.
type Outcome = watch::Receiver<Option<Result<(), DbErr>>>;
/// The last group that somebody left without waiting for its outcome.
type Left = Arc<Mutex<Option<Outcome>>>;

/// Gives turns to the writers of one SQLite file. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct GroupCommit {
    waiters: mpsc::UnboundedSender<Waiter>,
    left: Left,
    lost: Lost,
}

/// How many groups could not be committed.
type Lost = Arc<AtomicU64>;

/// What somebody wants to do in their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// One statement, which does all or nothing by itself.
    Statement,
    Transaction,
}

/// Somebody who waits for their turn.
#[derive(Debug)]
struct Waiter {
    wish: Wish,
    turn: oneshot::Sender<Result<Turn, DbErr>>,
}

/// The right to write, which one has at a time. Who drops it has failed. The fields are dropped in this order.
#[derive(Debug)]
pub(super) struct Turn {
    /// None for a statement, and for the first of a group: then what is rolled back is the whole group.
    savepoint: Option<DatabaseTransaction>,
    group: Arc<DatabaseTransaction>,
    hearing: Hearing,
    end: oneshot::Sender<End>,
}

/// What one who has a turn hears of the group. Who drops it first is noted.
#[derive(Debug)]
struct Hearing {
    outcome: Outcome,
    left: Left,
    is_heard: bool,
}

/// How a turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// To be committed.
    Kept,
    /// Rolled back, or failed.
    Undone,
}

impl GroupCommit {
    /// For the only pool that writes, of one connection.
    pub(super) fn new(pool: DatabaseConnection) -> GroupCommit {
        let (waiters, queue) = mpsc::unbounded_channel();
        let (left, lost) = (Left::default(), Lost::default());
        tokio::spawn(give_turns(pool, queue, (Arc::clone(&left), Arc::clone(&lost))));
        GroupCommit { waiters, left, lost }
    }

    /// How many groups could not be committed so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`DbErr::ConnectionAcquire`] when none comes in time, or the database is closed.
    pub(super) async fn turn(&self, wish: Wish) -> Result<Turn, DbErr> {
        let (sender, turn) = oneshot::channel();
        let closed = || DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        let waiter = Waiter { wish, turn: sender };
        self.waiters.send(waiter).map_err(|_| closed())?;
        match tokio::time::timeout(super::CONNECT_TIMEOUT, turn).await {
            Ok(turn) => turn.unwrap_or_else(|_| Err(closed())),
            Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    /// Waits until what was seen by transactions that were dropped is on the disk.
    ///
    /// * `lost_before`: [`GroupCommit::lost`] before they were begun.
    ///
    /// # Errors
    /// [`DbErr`] when a group was lost since then, which may be the one that was seen.
    pub(super) async fn settled(&self, lost_before: u64) -> Result<(), DbErr> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(outcome) = left {
            // Whether it was lost is counted, so that those hear of it who began before, and nobody who begins later.
            let _ = told(outcome).await;
        }
        if self.lost() == lost_before {
            Ok(())
        } else {
            Err(ended())
        }
    }
}

impl Turn {
    /// Where its statements go.
    pub(super) fn transaction(&self) -> &DatabaseTransaction {
        self.savepoint.as_ref().unwrap_or(&self.group)
    }

    /// Ends it, and waits until what was written and seen is on the disk.
    ///
    /// # Errors
    /// [`DbErr`] when the group could not be committed: nothing of it is there.
    pub(super) async fn commit(mut self) -> Result<(), DbErr> {
        if let Some(savepoint) = self.savepoint.take()
            && let Err(error) = savepoint.commit().await
        {
            self.end(End::Undone).await?;
            return Err(error);
        }
        self.end(End::Kept).await
    }

    /// Ends it, and waits until what was seen is on the disk.
    ///
    /// # Errors
    /// [`DbErr`] when the group could not be committed.
    pub(super) async fn rollback(mut self) -> Result<(), DbErr> {
        let undone = match self.savepoint.take() {
            Some(savepoint) => savepoint.rollback().await,
            None => Ok(()),
        };
        self.end(End::Undone).await?;
        undone
    }

    async fn end(self, how: End) -> Result<(), DbErr> {
        let Turn {
            group,
            mut hearing,
            end,
            ..
        } = self;
        drop(group);
        // Nobody listens when the process ends; then there is no outcome either.
        let _ = end.send(how);
        let told = told(hearing.outcome.clone()).await;
        hearing.is_heard = true;
        told
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        if !self.is_heard {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.outcome.clone());
        }
    }
}

async fn told(mut outcome: Outcome) -> Result<(), DbErr> {
    match outcome.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
        Err(_) => Err(ended()),
    }
}

/// Leads group after group, until nobody can come any more. A task of its own, so that no writer who goes away takes
/// the others along.
async fn give_turns(pool: DatabaseConnection, mut queue: mpsc::UnboundedReceiver<Waiter>, (left, lost): (Left, Lost)) {
    while let Some(first) = queue.recv().await {
        if first.turn.is_closed() {
            continue;
        }
        match begin(&pool).await {
            Ok(transaction) => {
                let (sender, outcome) = watch::channel(None);
                let group = Group {
                    transaction: Arc::new(transaction),
                    outcome,
                    left: Arc::clone(&left),
                    turns: 0,
                };
                let committed = group.lead(first, &mut queue).await;
                if committed.is_err() {
                    lost.fetch_add(1, Ordering::Release);
                }
                sender.send_replace(Some(committed));
            }
            // Who has gone away does not care.
            Err(error) => drop(first.turn.send(Err(error))),
        }
    }
}

struct Group {
    transaction: Arc<DatabaseTransaction>,
    outcome: Outcome,
    left: Left,
    turns: usize,
}

impl Group {
    async fn lead(mut self, first: Waiter, queue: &mut mpsc::UnboundedReceiver<Waiter>) -> Result<(), DbErr> {
        let mut is_kept = false;
        let mut next = Some(first);
        while let Some(waiter) = next.take() {
            if self.give_turn(waiter).await? == End::Kept {
                is_kept = true;
                next = (self.turns < TURNS_MAX).then(|| next_of(queue)).flatten();
            }
        }
        let transaction = Arc::into_inner(self.transaction).ok_or_else(ended)?;
        if is_kept {
            return transaction.commit().await;
        }
        // Nothing was kept, whether or not SQLite has rolled it back by itself before.
        let _ = transaction.rollback().await;
        Ok(())
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// [`DbErr`] when the group is lost.
    async fn give_turn(&mut self, waiter: Waiter) -> Result<End, DbErr> {
        self.turns += 1;
        // Made here and not by who has the turn: if that were dropped in the middle of it, the whole group would be rolled
        // back, as it is by an error, and its commit would do nothing and succeed.
        let savepoint = if self.turns > 1 && waiter.wish == Wish::Transaction {
            Some(self.transaction.begin().await?)
        } else {
            None
        };
        let (end, ended) = oneshot::channel();
        let turn = Turn {
            savepoint,
            group: Arc::clone(&self.transaction),
            hearing: Hearing {
                outcome: self.outcome.clone(),
                left: Arc::clone(&self.left),
                is_heard: false,
            },
            end,
        };
        // The turn of somebody who has gone away is dropped, and so ends.
        let _ = waiter.turn.send(Ok(turn));
        Ok(ended.await.unwrap_or(End::Undone))
    }
}

/// Who waits now and has not gone away.
fn next_of(queue: &mut mpsc::UnboundedReceiver<Waiter>) -> Option<Waiter> {
    loop {
        let waiter = queue.try_recv().ok()?;
        if !waiter.turn.is_closed() {
            return Some(waiter);
        }
    }
}

/// `BEGIN IMMEDIATE` on SQLite: a transaction that begins by reading could not be upgraded while another one writes.
pub(super) async fn begin(pool: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    pool.begin_with_options(options).await
}

/// The error of a statement in a transaction that has ended.
pub(super) fn ended() -> DbErr {
    DbErr::Exec(RuntimeErr::Internal("the transaction has ended".to_owned()))
}
