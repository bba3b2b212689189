//! What may be a moment old: what was loaded for one is given to everybody who asks for the same.

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Keys that memory is set aside for at first.
const KEYS_EXPECTED: usize = 256;

/// Keeps what was loaded for a moment, and loads it once, however many ask for it at the same time.
///
/// For what is the same for everybody who may ask with the same key, costs much to make, and does not have to be true
/// to the moment: never for a price that is charged, or for whether somebody may do something.
pub struct Recent<K, V> {
    kept: Cache<Place<K>, V, Weight<K, V>>,
    age_max: Duration,
    begun: Instant,
    changes: Changes,
    hasher: RandomState,
}

/// Counts changes of what is kept, for all that are [cleared by](Recent::cleared_by) them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<AtomicU64>);

impl Changes {
    /// Something has changed: what was loaded before, or is being loaded now, is given to nobody who asks from now on.
    pub fn note(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A key in its time. Another one a moment later and after each change, so that what was kept is not found any more,
/// and makes room for others by and by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place<K> {
    key: K,
    period: u128,
    changes: u64,
}

struct Weight<K, V>(fn(&K, &V) -> usize);

impl<K, V> Clone for Weight<K, V> {
    fn clone(&self) -> Self {
        Weight(self.0)
    }
}

impl<K, V> Weighter<Place<K>, V> for Weight<K, V> {
    fn weight(&self, place: &Place<K>, value: &V) -> u64 {
        u64::try_from((self.0)(&place.key, value)).unwrap_or(u64::MAX).max(1)
    }
}

impl<K, V> Recent<K, V>
where
    K: Clone + Eq + Hash,
    V: Clone,
{
    /// Keeps values for `age_max`, which may be zero (then it keeps nothing), and those of `weight_max` together as
    /// `weight` has it.
    #[must_use]
    pub fn new(age_max: Duration, weight_max: u64, weight: fn(&K, &V) -> usize) -> Recent<K, V> {
        Recent {
            kept: Cache::with_weighter(KEYS_EXPECTED, weight_max, Weight(weight)),
            age_max,
            begun: Instant::now(),
            changes: Changes::default(),
            hasher: RandomState::new(),
        }
    }

    /// The same, which `changes` clear.
    #[must_use]
    pub fn cleared_by(self, changes: &Changes) -> Recent<K, V> {
        Recent {
            changes: changes.clone(),
            ..self
        }
    }

    /// What was loaded for `key` at most `age_max` ago and after the last change; else what `load` brings. Who asks while it
    /// is being loaded waits for it.
    ///
    /// # Errors
    /// That of `load`; nothing is kept then, and the next of those who wait loads.
    pub async fn get<E>(&self, key: &K, load: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        match self.place(key.clone()) {
            Some(place) => self.kept.get_or_insert_async(&place, load).await,
            None => load.await,
        }
    }

    /// Where to [look for](Recent::find) the value of `key`, and to [keep](Recent::keep) what is loaded from now on; `None`
    /// when nothing is kept. For what may turn out not to be kept: nobody waits for others.
    pub fn place(&self, key: K) -> Option<Place<K>> {
        (!self.age_max.is_zero()).then(|| Place {
            period: self.period(&key),
            changes: self.changes.count(),
            key,
        })
    }

    /// What is kept there.
    pub fn find(&self, place: &Place<K>) -> Option<V> {
        self.kept.get(place)
    }

    /// Keeps `value`, which was loaded after `place` was asked for: what has changed since then is not in the place of
    /// those who come later.
    pub fn keep(&self, place: Place<K>, value: V) {
        self.kept.insert(place, value);
    }

    /// See [`Changes::note`].
    pub fn clear(&self) {
        self.changes.note();
    }

    /// Time is cut into periods of `age_max`, for each key elsewhere, so that not all are loaded anew at one moment.
    fn period(&self, key: &K) -> u128 {
        let length = self.age_max.as_nanos();
        let offset = u128::from(self.hasher.hash_one(key)) % length;
        (self.begun.elapsed().as_nanos() + offset) / length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::convert::Infallible;

    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(3_600);

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Source(AtomicU64);

    impl Source {
        async fn load(&self) -> Result<u64, Infallible> {
            tokio::task::yield_now().await;
            Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
        }
    }

    fn recent(age_max: Duration) -> Recent<&'static str, u64> {
        Recent::new(age_max, 100, |_, _| 1)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_one_load() {
        let (recent, source) = (recent(LONG), Source::default());
        let answers = join_all((0..50).map(|_| recent.get(&"a", source.load()))).await;
        assert_eq!(answers, vec![Ok(1); 50]);
        assert_eq!(recent.get(&"a", source.load()).await, Ok(1));
        assert_eq!(recent.get(&"b", source.load()).await, Ok(2));
    }

    #[tokio::test]
    async fn nothing_is_older_than_allowed() {
        let (recent, source) = (recent(Duration::from_millis(5)), Source::default());
        let first = recent.get(&"a", source.load()).await;
        tokio::time::sleep(Duration::from_millis(6)).await;
        assert_ne!(recent.get(&"a", source.load()).await, first);
    }

    #[tokio::test]
    async fn an_age_of_zero_keeps_nothing() {
        let (recent, source) = (recent(Duration::ZERO), Source::default());
        assert_eq!(recent.get(&"a", source.load()).await, Ok(1));
        assert_eq!(recent.get(&"a", source.load()).await, Ok(2));
    }

    #[tokio::test]
    async fn what_was_loaded_before_a_change_is_gone_also_if_it_arrives_after() {
        let (recent, source) = (recent(LONG), Source::default());
        let slow = recent.get(&"a", async {
            let loaded = source.load().await;
            recent.clear();
            loaded
        });
        assert_eq!(slow.await, Ok(1));
        assert_eq!(recent.get(&"a", source.load()).await, Ok(2));
        recent.clear();
        assert_eq!(recent.get(&"a", source.load()).await, Ok(3));
    }

    #[tokio::test]
    async fn one_change_clears_all_that_share_it() {
        let (changes, source) = (Changes::default(), Source::default());
        let [a, b] = [(); 2].map(|()| recent(LONG).cleared_by(&changes));
        let both = async || (a.get(&"a", source.load()).await, b.get(&"a", source.load()).await);
        assert_eq!(both().await, (Ok(1), Ok(2)));
        assert_eq!(both().await, (Ok(1), Ok(2)));
        changes.note();
        assert_eq!(both().await, (Ok(3), Ok(4)));
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let recent = recent(LONG);
        assert_eq!(recent.get(&"a", async { Err("broken") }).await, Err("broken"));
        assert_eq!(recent.get(&"a", async { Ok::<u64, &str>(7) }).await, Ok(7));
    }

    #[test]
    fn what_is_kept_is_found_until_something_changes() {
        let recent = recent(LONG);
        let place = recent.place("a").unwrap();
        assert_eq!(recent.find(&place), None);
        recent.keep(place.clone(), 1);
        assert_eq!(recent.find(&place), Some(1));
        recent.clear();
        recent.keep(place, 2);
        assert_eq!(recent.find(&recent.place("a").unwrap()), None);
        assert_eq!(Recent::<_, u64>::new(Duration::ZERO, 100, |_, _| 1).place("a"), None);
    }

    #[tokio::test]
    async fn no_more_is_kept_than_may_be() {
        let recent: Recent<u64, u64> = Recent::new(LONG, 1_000, |_, _| 100);
        for key in 0..100 {
            recent.get(&key, async { Ok::<u64, Infallible>(key) }).await.unwrap();
        }
        assert!(recent.kept.weight() <= 1_000, "{}", recent.kept.weight());
    }
}
