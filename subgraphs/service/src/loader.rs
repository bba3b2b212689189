//! Batches loads of one request: fifty resolvers that each ask for one key become one SQL statement.
//!
//! A wrapper over the `dataloader` crate that keeps its rules (see [`Loader`]). It caches nothing: a request that
//! changes a row and reads it again sees the change.

use dataloader::BatchFn;
use dataloader::non_cached::Loader as Engine;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, join_all};
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most keys in one statement: below the bind limits of SQLite (32,766) and PostgreSQL (65,535) with room for
/// composite keys, and large enough for what the router asks at once.
const BATCH_KEYS_MAX: usize = 500;

/// Turns of the runtime that a batch waits for more keys. Fewer split batches of deep queries; 100 would spin for
/// 25 ms under load and save none.
const TURNS: usize = 10;

/// The batch function failed; the reason is in the log. Every key of the batch gets a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data could not be loaded")]
pub struct LoadError;

type Loaded<V> = Result<Option<V>, LoadError>;
type BatchFuture<K, V> = BoxFuture<'static, HashMap<K, Loaded<V>>>;
type Waiting<K, V> = HashMap<K, Vec<oneshot::Sender<Loaded<V>>>>;

/// Collects keys that are asked for at about the same time, and loads them together.
///
/// Make a new one **per request**: what the engine shares over requests, it serialises. Clones share the batch. Never
/// load through a loader from inside its own batch function: that waits for itself.
///
/// The first to ask leads: it waits a few turns for others, loads for all, and answers all at once. (The engine alone
/// would hand a lock from one waiter to the next; async-graphql takes a turn for each or two of them, so that what
/// they load next would come in as many batches.)
pub struct Loader<K, V>
where
    K: Eq + Hash + Clone,
    V: Clone,
{
    engine: Engine<K, Loaded<V>, Batch<K, V>>,
    waiting: Arc<Mutex<Waiting<K, V>>>,
}

impl<K, V> Clone for Loader<K, V>
where
    K: Eq + Hash + Clone,
    V: Clone,
{
    fn clone(&self) -> Self {
        Loader {
            engine: self.engine.clone(),
            waiting: Arc::clone(&self.waiting),
        }
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
        let load = move |keys: Vec<K>| -> BatchFuture<K, V> { answer_all(keys.clone(), load(keys)).boxed() };
        let engine = Engine::new(Batch { load: Arc::new(load) })
            .with_max_batch_size(BATCH_KEYS_MAX)
            .with_yield_count(0);
        Loader {
            engine,
            waiting: Arc::default(),
        }
    }

    /// The value of `key`, or `None` when there is none.
    ///
    /// # Errors
    /// [`LoadError`] when the batch failed.
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
        let found = self
            .engine
            .try_load_many(waiting.keys().cloned().collect())
            .await
            .unwrap_or_default();
        for (key, senders) in waiting {
            let loaded = found.get(&key).cloned().unwrap_or(Err(LoadError));
            for sender in senders {
                // Whoever asked may be gone.
                let _ = sender.send(loaded.clone());
            }
        }
    }

    /// The values of `keys`, in their order; `None` where there is none.
    ///
    /// # Errors
    /// [`LoadError`] when the batch failed.
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer_all<K, V, E>(
    keys: Vec<K>,
    loading: impl Future<Output = Result<HashMap<K, V>, E>>,
) -> HashMap<K, Loaded<V>>
where
    K: Eq + Hash,
    E: Into<anyhow::Error> + 'static,
{
    match loading.await {
        Ok(mut found) => keys
            .into_iter()
            .map(|key| (found.remove(&key), key))
            .map(|(v, key)| (key, Ok(v)))
            .collect(),
        Err(error) => {
            tracing::error!(
                error = format!("{:#}", error.into()),
                loader.keys = keys.len(),
                "A batch failed to load"
            );
            keys.into_iter().map(|key| (key, Err(LoadError))).collect()
        }
    }
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
        let loader = slow(&batches);
        for turns_before_drop in [0, 5, 15] {
            let mut leader = Box::pin(loader.load(1));
            assert!(futures::poll!(&mut leader).is_pending());
            let follower = tokio::spawn({
                let loader = loader.clone();
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

    #[tokio::test]
    async fn a_failed_batch_fails_every_key() {
        let loader =
            Loader::new(|_: Vec<u32>| async { Err::<HashMap<u32, u32>, anyhow::Error>(anyhow::anyhow!("no table")) });
        assert_eq!(loader.load(1).await, Err(LoadError));
    }
}
