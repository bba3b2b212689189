//! Batches loads of one request: fifty resolvers that each ask for one key become one SQL statement.
//!
//! A thin wrapper over the `dataloader` crate that keeps its rules (see [`Loader`]). It caches nothing: a request
//! that changes a row and reads it again sees the change.

use dataloader::BatchFn;
use dataloader::non_cached::Loader as Engine;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

/// Most keys in one statement: below the bind limits of SQLite (32,766) and PostgreSQL (65,535) with room for
/// composite keys, and large enough for what the router asks at once.
const BATCH_KEYS_MAX: usize = 500;

/// The batch function failed; the reason is in the log. Every key of the batch gets a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data could not be loaded")]
pub struct LoadError;

type Loaded<V> = Result<Option<V>, LoadError>;
type BatchFuture<K, V> = BoxFuture<'static, HashMap<K, Loaded<V>>>;

/// Collects keys that are asked for at about the same time, and loads them together.
///
/// Make a new one **per request**: one that is shared holds its lock during a batch, and would panic for the others
/// when the request that drives a batch is dropped. Clones share the batch. Never load through a loader from inside
/// its own batch function: that waits for itself.
pub struct Loader<K, V>
where
    K: Eq + Hash + Clone,
    V: Clone,
{
    engine: Engine<K, Loaded<V>, Batch<K, V>>,
}

impl<K, V> Clone for Loader<K, V>
where
    K: Eq + Hash + Clone,
    V: Clone,
{
    fn clone(&self) -> Self {
        Loader {
            engine: self.engine.clone(),
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
        // The default yield count of 10 stays: 100 spins for 25 ms under load and saves no batch.
        let engine = Engine::new(Batch { load: Arc::new(load) }).with_max_batch_size(BATCH_KEYS_MAX);
        Loader { engine }
    }

    /// The value of `key`, or `None` when there is none.
    ///
    /// # Errors
    /// [`LoadError`] when the batch failed.
    pub async fn load(&self, key: K) -> Result<Option<V>, LoadError> {
        // Unconstrained: the engine hands its lock from waiter to waiter, and tokio's budget of 128 operations a turn
        // would spread fifty answers over several turns. What is loaded next would come in as many batches.
        tokio::task::unconstrained(self.engine.try_load(key))
            .await
            .map_err(|_| LoadError)?
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
    use std::sync::Mutex;

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

    #[tokio::test]
    async fn a_failed_batch_fails_every_key() {
        let loader =
            Loader::new(|_: Vec<u32>| async { Err::<HashMap<u32, u32>, anyhow::Error>(anyhow::anyhow!("no table")) });
        assert_eq!(loader.load(1).await, Err(LoadError));
    }
}
