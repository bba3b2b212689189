//! Batches loads: fifty resolvers that each ask for one key become one SQL statement, and so do those of requests that come
//! while the database is busy with others.
//!
//! A wrapper over the `dataloader` crate that keeps its rules (see [`Loader`]). It caches nothing: a request that
//! changes a row and reads it again sees the change.

use crate::database::{DbErr, is_of_statement};
use crate::together::{Together, Work};
use dataloader::BatchFn;
use dataloader::non_cached::Loader as Engine;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, join_all};
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Most keys in one statement: below the bind limits of SQLite (32,766) and PostgreSQL (65,535) with room for
/// composite keys, and large enough for what the router asks at once.
const BATCH_KEYS_MAX: usize = 500;

/// Most requests whose keys are loaded together.
const REQUESTS_MAX: usize = 64;

/// Turns of the runtime that a batch waits for more keys. Fewer split batches of deep queries; 100 would spin for
/// 25 ms under load and save none.
const TURNS: usize = 10;

/// How often a batch that fails is split: each is two more statements, and one key in 500 takes nine.
const SPLITS_MAX: usize = 32;

/// How long a batch that fails is split. Keys fail at once; who waits for longer waits for a lock or the server, and all others
/// who load wait for the batch.
const SPLIT_FOR: Duration = Duration::from_secs(1);

/// The batch function failed; the reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data could not be loaded")]
pub struct LoadError;

type Loaded<V> = Result<Option<V>, LoadError>;
type Answers<K, V> = HashMap<K, Loaded<V>>;
type BatchFuture<K, V> = BoxFuture<'static, Answers<K, V>>;
type Waiting<K, V> = HashMap<K, Vec<oneshot::Sender<Loaded<V>>>>;

/// Collects keys that are asked for at about the same time, and loads them together.
///
/// The first to ask leads: it waits a few turns for others, asks for all, and answers all at once. (The engine alone
/// would hand a lock from one waiter to the next; async-graphql takes a turn for each or two of them, so that what
/// they load next would come in as many batches.)
///
/// A clone collects for itself, so make one **per request**; all clones have one batch under way. What they ask for meanwhile
/// waits for it and is loaded together: nobody waits while there is little to do, and the more there is, the fewer
/// statements each request costs. Who may see what was loaded is for the caller to say. Never load through a loader
/// from inside its own batch function: that waits for itself.
pub struct Loader<K, V>
where
    K: Eq + Hash + Clone + Debug + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    waiting: Mutex<Waiting<K, V>>,
    batches: Together<Batches<K, V>>,
}

impl<K, V> Clone for Loader<K, V>
where
    K: Eq + Hash + Clone + Debug + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn clone(&self) -> Self {
        Loader {
            waiting: Mutex::default(),
            batches: self.batches.clone(),
        }
    }
}

impl<K, V> Loader<K, V>
where
    K: Eq + Hash + Clone + Debug + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A loader that calls `load` with distinct keys, at most 500 at a time, in any order.
    ///
    /// `load` answers with the values it found; a key that is missing there is "not found", not an error.
    #[must_use]
    pub fn new<F, Fut, E>(load: F) -> Loader<K, V>
    where
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
        E: Into<anyhow::Error> + 'static,
    {
        let load: Load<K, V> = Arc::new(move |keys| {
            let loading = load(keys);
            async move { loading.await.map_err(Into::into) }.boxed()
        });
        let load = Arc::new(move |keys| load_apart(Arc::clone(&load), keys));
        let engine = Engine::new(Batch { load })
            .with_max_batch_size(BATCH_KEYS_MAX)
            .with_yield_count(0);
        Loader {
            waiting: Mutex::default(),
            batches: Together::new(Batches { engine }),
        }
    }

    /// The value of `key`, or `None` when there is none.
    ///
    /// # Errors
    /// [`LoadError`] when it could not be loaded.
    pub async fn load(&self, key: K) -> Result<Option<V>, LoadError> {
        loop {
            let (answer, leads) = self.join(key.clone());
            if leads {
                self.lead().await;
            }
            if let Ok(loaded) = answer.await {
                return loaded;
            }
            // The leader was dropped with its part of the request; somebody else leads now.
        }
    }

    /// Asks for `key`; also says whether the caller is the first one, and so leads.
    fn join(&self, key: K) -> (oneshot::Receiver<Loaded<V>>, bool) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        let leads = waiting.is_empty();
        waiting.entry(key).or_default().push(sender);
        (receiver, leads)
    }

    async fn lead(&self) {
        let gathering = Gathering { waiting: &self.waiting };
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        let waiting = gathering.finish();
        let keys = waiting.keys().cloned().collect();
        // None when the batch function panicked: then there is none for any of the keys.
        let mut answers = self.batches.ask(keys).await.unwrap_or_default();
        for (key, senders) in waiting {
            let loaded = answers.remove(&key).unwrap_or(Err(LoadError));
            for sender in senders {
                // Whoever asked may be gone.
                let _ = sender.send(loaded.clone());
            }
        }
    }

    /// The values of `keys`, in their order; `None` where there is none.
    ///
    /// # Errors
    /// [`LoadError`] when one could not be loaded.
    pub async fn load_many(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<V>>, LoadError> {
        join_all(keys.into_iter().map(|key| self.load(key)))
            .await
            .into_iter()
            .collect()
    }
}

/// While it lives, its owner leads those who wait. Dropped early, it sends them away to elect another leader.
struct Gathering<'a, K, V> {
    waiting: &'a Mutex<Waiting<K, V>>,
}

impl<K, V> Gathering<'_, K, V> {
    /// Takes those who wait; who comes later leads anew.
    fn finish(self) -> Waiting<K, V> {
        let waiting = std::mem::take(&mut *lock(self.waiting));
        // Nobody is sent away, and those who have come since have their own leader.
        std::mem::forget(self);
        waiting
    }
}

impl<K, V> Drop for Gathering<'_, K, V> {
    fn drop(&mut self) {
        lock(self.waiting).clear();
    }
}

/// What all clones of a loader share.
struct Batches<K, V>
where
    K: Eq + Hash + Clone,
    V: Clone,
{
    engine: Engine<K, Loaded<V>, Batch<K, V>>,
}

#[async_trait::async_trait]
impl<K, V> Work for Batches<K, V>
where
    K: Eq + Hash + Clone + Debug + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    type Asked = Vec<K>;
    type Answer = Answers<K, V>;

    const AT_ONCE: usize = REQUESTS_MAX;

    async fn work(&self, asked: Vec<Vec<K>>) -> Vec<Answers<K, V>> {
        let keys: HashSet<K> = asked.iter().flatten().cloned().collect();
        let found = self
            .engine
            .try_load_many(keys.into_iter().collect())
            .await
            .unwrap_or_default();
        let answer = |key: K| found.get(&key).cloned().map(|loaded| (key, loaded));
        asked
            .into_iter()
            .map(|keys| keys.into_iter().filter_map(answer).collect())
            .collect()
    }
}

struct Batch<K, V> {
    load: Arc<dyn Fn(Vec<K>) -> BatchFuture<K, V> + Send + Sync>,
}

impl<K, V> BatchFn<K, Loaded<V>> for Batch<K, V>
where
    K: Clone,
{
    // A boxed future, since the trait's own return type is not `Send` in a generic context.
    #[allow(refining_impl_trait, reason = "callers need the boxed future's `Send`")]
    fn load(&mut self, keys: &[K]) -> BatchFuture<K, V> {
        (self.load)(keys.to_vec())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is asked of the caller of [`Loader::new`].
type Load<K, V> = Arc<dyn Fn(Vec<K>) -> BoxFuture<'static, anyhow::Result<HashMap<K, V>>> + Send + Sync>;

fn reached_database(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<DbErr>());
    causes.all(is_of_statement)
}

/// Loads `keys` together; when that fails although the database is there, each half for itself, one after the other: a key that
/// no statement can take, of one request, must not fail what others ask for. Gives up after [`SPLITS_MAX`], and loads nothing
/// more once the database is away or [`SPLIT_FOR`] is over: what is in trouble is not to be asked more than otherwise.
fn load_apart<K, V>(load: Load<K, V>, keys: Vec<K>) -> BatchFuture<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Send + 'static,
{
    async move {
        let began = Instant::now();
        let mut answers = HashMap::with_capacity(keys.len());
        let mut parts = vec![keys];
        let mut splits = 0;
        while let Some(mut keys) = parts.pop() {
            let error = match load(keys.clone()).await {
                Ok(mut found) => {
                    let found = keys.into_iter().map(|key| (found.remove(&key), key));
                    answers.extend(found.map(|(value, key)| (key, Ok(value))));
                    continue;
                }
                Err(error) => error,
            };
            if !reached_database(&error) || began.elapsed() >= SPLIT_FOR {
                keys.extend(parts.drain(..).flatten());
            } else if keys.len() > 1 && splits < SPLITS_MAX {
                splits += 1;
                let half = keys.split_off(keys.len() / 2);
                parts.extend([half, keys]);
                continue;
            }
            tracing::error!(
                error = format!("{error:#}"),
                loader.keys = keys.len(),
                "A batch failed to load"
            );
            answers.extend(keys.into_iter().map(|key| (key, Err(LoadError))));
        }
        answers
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use futures::stream::FuturesUnordered;

    #[tokio::test]
    async fn keys_asked_for_together_are_loaded_together() {
        let batches: Arc<Mutex<Vec<usize>>> = Arc::default();
        let seen = Arc::clone(&batches);
        let loader = Loader::new(move |keys: Vec<u32>| {
            seen.lock().unwrap().push(keys.len());
            async move {
                let found = keys
                    .into_iter()
                    .filter(|key| key % 2 == 0)
                    .map(|key| (key, key * 10))
                    .collect();
                Ok::<HashMap<u32, u32>, anyhow::Error>(found)
            }
        });
        assert_eq!(
            loader.load_many([4, 3, 2, 4]).await,
            Ok(vec![Some(40), None, Some(20), Some(40)])
        );
        assert_eq!(*batches.lock().unwrap(), [3]);
    }

    /// A loader that takes a while, as a database does, and notes how many keys each of its batches had.
    fn slow(batches: &Arc<Mutex<Vec<usize>>>) -> Loader<u32, u32> {
        let seen = Arc::clone(batches);
        Loader::new(move |keys: Vec<u32>| {
            seen.lock().unwrap().push(keys.len());
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
                Ok::<HashMap<u32, u32>, anyhow::Error>(keys.into_iter().map(|key| (key, key)).collect())
            }
        })
    }

    #[tokio::test]
    async fn each_level_is_one_batch() {
        let batches: [Arc<Mutex<Vec<usize>>>; 4] = Default::default();
        let [first, a, b, c] = batches.each_ref().map(slow);
        let entity = async |key: u32| {
            first.load(key).await?;
            // As async-graphql polls the fields of an object.
            let fields = FuturesUnordered::from_iter([&a, &b, &c].map(|loader| loader.load(key)));
            fields.try_collect::<Vec<_>>().await
        };
        futures::future::try_join_all((0..200).map(entity)).await.unwrap();
        for batches in batches {
            assert_eq!(*batches.lock().unwrap(), [200]);
        }
    }

    #[tokio::test]
    async fn a_dropped_leader_is_replaced() {
        let batches: Arc<Mutex<Vec<usize>>> = Arc::default();
        let loader = Arc::new(slow(&batches));
        for turns_before_drop in [0, 5, 15] {
            let mut leader = Box::pin(loader.load(1));
            assert!(futures::poll!(&mut leader).is_pending());
            let follower = tokio::spawn({
                let loader = Arc::clone(&loader);
                async move { loader.load(2).await }
            });
            for _ in 0..turns_before_drop {
                tokio::task::yield_now().await;
                assert!(futures::poll!(&mut leader).is_pending());
            }
            drop(leader);
            assert_eq!(follower.await.unwrap(), Ok(Some(2)), "after {turns_before_drop} turns");
        }
    }

    /// A loader that fails by `error` for every batch with the key 3, and notes how many keys each batch had.
    fn failing<E>(batches: &Arc<Mutex<Vec<usize>>>, error: fn() -> E) -> Loader<u32, u32>
    where
        E: Into<anyhow::Error> + Send + 'static,
    {
        let seen = Arc::clone(batches);
        Loader::new(move |keys: Vec<u32>| {
            seen.lock().unwrap().push(keys.len());
            async move {
                let has_bad = keys.contains(&3);
                let found = || keys.iter().map(|key| (*key, *key)).collect();
                if has_bad { Err(error()) } else { Ok(found()) }
            }
        })
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_loaded_fails_alone() {
        let batches: Arc<Mutex<Vec<usize>>> = Arc::default();
        let loader = failing(&batches, || anyhow::anyhow!("no such row"));
        let loaded = join_all((0..8).map(|key| loader.load(key))).await;
        let expected: Vec<_> = (0..8)
            .map(|key| if key == 3 { Err(LoadError) } else { Ok(Some(key)) })
            .collect();
        assert_eq!(loaded, expected);
        batches.lock().unwrap().sort_unstable();
        assert_eq!(*batches.lock().unwrap(), [1, 1, 2, 2, 4, 4, 8]);
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_not_asked_for_each_key() {
        let batches: Arc<Mutex<Vec<usize>>> = Arc::default();
        let loader = failing(&batches, || DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout));
        assert_eq!(loader.load_many(0..8).await, Err(LoadError));
        assert_eq!(*batches.lock().unwrap(), [8]);
    }

    #[tokio::test]
    async fn a_batch_whose_keys_all_fail_is_split_for_a_while_and_not_at_once() {
        let batches: Arc<Mutex<Vec<usize>>> = Arc::default();
        let (seen, under_way) = (Arc::clone(&batches), Arc::new(tokio::sync::Mutex::new(())));
        let loader = Loader::new(move |keys: Vec<u32>| {
            seen.lock().unwrap().push(keys.len());
            let under_way = Arc::clone(&under_way);
            async move {
                let _alone = under_way.try_lock().expect("one statement at a time");
                tokio::task::yield_now().await;
                Err::<HashMap<u32, u32>, _>(anyhow::anyhow!("no such column"))
            }
        });
        assert_eq!(loader.load_many(0..500).await, Err(LoadError));
        assert_eq!(batches.lock().unwrap().len(), 1 + 2 * SPLITS_MAX);
    }

    #[tokio::test]
    async fn a_batch_that_panics_fails_its_keys() {
        let loader = Loader::new(|keys: Vec<u32>| async move {
            assert!(keys.is_empty(), "a fault of the batch function");
            Ok::<HashMap<u32, u32>, anyhow::Error>(HashMap::new())
        });
        assert_eq!(loader.load(1).await, Err(LoadError));
        assert_eq!(loader.load(2).await, Err(LoadError), "the next batch has its turn");
    }

    #[tokio::test]
    async fn what_is_asked_for_meanwhile_is_loaded_together() {
        let batches: Arc<Mutex<Vec<usize>>> = Arc::default();
        let loader = slow(&batches);
        let requests = (0..20).map(|key| {
            let loader = loader.clone();
            tokio::spawn(async move {
                // They come one after the other, all within the first batch.
                tokio::time::sleep(std::time::Duration::from_micros(u64::from(key) * 50)).await;
                loader.load(key).await
            })
        });
        for (key, loaded) in (0..).zip(join_all(requests).await) {
            assert_eq!(loaded.unwrap(), Ok(Some(key)));
        }
        let batches = batches.lock().unwrap();
        assert!(batches.len() < 10, "{batches:?}");
    }
}
