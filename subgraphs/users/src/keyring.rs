//! The keys that sign access tokens: a folder of PEM files, read again every minute, and published as a key set.

use crate::store::Store;
use anyhow::{Context, bail};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use http::header;
use jsonwebtoken::jwk::JwkSet;
use service::auth::{AccessClaims, SigningKey, TokenVerifier};
use service::clock::Clock;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// So long a key is published before it signs: until every replica has read it (a mounted Secret takes some two
/// minutes, the folder is read every minute), and copies of the key set that were made before have been renewed.
const PUBLISHED_BEFORE_SIGNING: TimeDelta = TimeDelta::minutes(10);

/// The keys in a folder. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    folder: PathBuf,
    store: Store,
    clock: Clock,
    keys: Arc<RwLock<Vec<Published>>>,
}

/// A key, and since when the shop publishes it.
#[derive(Clone, Debug)]
struct Published {
    key: SigningKey,
    since: DateTime<Utc>,
}

impl Keyring {
    /// Reads the keys of `folder`, and makes one when there are none.
    pub(crate) async fn open(folder: &Path, store: Store, clock: Clock) -> anyhow::Result<Keyring> {
        if read_keys(folder)?.is_empty() {
            create_key(folder).with_context(|| format!("a signing key could not be made in `{}`", folder.display()))?;
        }
        let keyring = Keyring {
            folder: folder.to_owned(),
            store,
            clock,
            keys: Arc::default(),
        };
        if !keyring.read().await? {
            bail!("`{}` holds no signing key", folder.display());
        }
        Ok(keyring)
    }

    /// Signs with the key whose file name sorts last, of those that have been published for long enough; with the
    /// first one when none has been, such as in a new shop.
    pub(crate) fn sign(&self, claims: &AccessClaims) -> anyhow::Result<String> {
        let old_enough = self.clock.now() - PUBLISHED_BEFORE_SIGNING;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let ripe = keys.iter().rfind(|published| published.since <= old_enough);
        let signing = ripe.or(keys.first()).context("the key ring is empty")?;
        Ok(signing.key.sign(claims)?)
    }

    /// The public halves of all keys.
    pub(crate) fn jwks(&self) -> JwkSet {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        JwkSet {
            keys: keys.iter().map(|published| published.key.jwk().clone()).collect(),
        }
    }

    /// Reads the folder again every minute, until `shutdown`. An unreadable or empty folder changes nothing.
    pub(crate) async fn reload(self, verifier: TokenVerifier, shutdown: CancellationToken) {
        while shutdown
            .run_until_cancelled(tokio::time::sleep(RELOAD_INTERVAL))
            .await
            .is_some()
        {
            match self.read().await {
                Ok(true) => verifier.set_keys(&self.jwks()),
                Ok(false) => tracing::warn!("The folder of signing keys is empty; the last ones stay in use"),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "The signing keys could not be read; the last ones stay in use");
                }
            }
        }
    }

    /// Takes over what the folder holds; false, and nothing else, when that is no key.
    async fn read(&self) -> anyhow::Result<bool> {
        let keys = read_keys(&self.folder)?;
        if keys.is_empty() {
            return Ok(false);
        }
        let kids: Vec<String> = keys.iter().map(|key| key.kid().to_owned()).collect();
        let now = self.clock.now();
        // The tables may be older than the program until a job has migrated them; then no key is known to be ripe.
        let seen = self.store.keys_seen(&kids, now).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "The age of the signing keys is not known; the first one signs");
            HashMap::new()
        });
        let published = keys.into_iter().map(|key| Published {
            since: seen.get(key.kid()).copied().unwrap_or(now),
            key,
        });
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = published.collect();
        Ok(true)
    }
}

/// `GET /.well-known/jwks.json`.
pub(crate) fn router(keyring: Keyring) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .with_state(keyring)
}

async fn jwks(State(keyring): State<Keyring>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=60")], Json(keyring.jwks()))
}

/// The keys in the order of their file names.
fn read_keys(folder: &Path) -> anyhow::Result<Vec<SigningKey>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("`{}` could not be read", folder.display())),
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pem"));
    files.sort();
    files
        .iter()
        .map(|path| read_key(path).with_context(|| format!("`{}`", path.display())))
        .collect()
}

fn read_key(path: &Path) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::from_pem(&std::fs::read_to_string(path)?)?)
}

fn create_key(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let path = folder.join(format!("{}.pem", Utc::now().format("%Y-%m-%d")));
    let mut file = options.open(&path)?;
    file.write_all(SigningKey::from_seed(&rand::random())?.pem().as_bytes())?;
    file.sync_all()?;
    tracing::info!(path = %path.display(), "Made a key for signing access tokens");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Migrator;
    use service::database::{Database, DatabaseOptions};

    fn add(folder: &Path, name: &str, seed: u8) -> SigningKey {
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
        std::fs::write(folder.join(name), key.pem()).unwrap();
        key
    }

    fn signer(keyring: &Keyring) -> String {
        let claims = serde_json::json!({ "iss": "a", "aud": "b", "sub": "c", "exp": 2, "iat": 1 });
        let token = keyring.sign(&serde_json::from_value(claims).unwrap()).unwrap();
        jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
    }

    /// Two replicas read one folder at different times, and never sign with a key that the other does not publish.
    #[tokio::test]
    async fn a_new_key_is_published_by_everybody_before_anybody_signs_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("users.sqlite").display());
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let (store, clock) = (Store::new(database), Clock::manual(service::seed::opening()));
        let open = || Keyring::open(folder.path(), store.clone(), clock.clone());

        let old = add(folder.path(), "2026-01.pem", 1);
        let (one, other) = (open().await.unwrap(), open().await.unwrap());
        assert_eq!(
            (signer(&one), signer(&other)),
            (old.kid().to_owned(), old.kid().to_owned())
        );
        clock.advance(Duration::from_secs(3600));

        let new = add(folder.path(), "2026-02.pem", 2);
        one.read().await.unwrap();
        assert_eq!(one.jwks().keys.len(), 2, "published at once");
        assert_eq!((signer(&one), other.jwks().keys.len()), (old.kid().to_owned(), 1));
        clock.advance(Duration::from_secs(120));
        other.read().await.unwrap();
        clock.advance(Duration::from_secs(8 * 60 - 1));
        assert_eq!(signer(&one), old.kid(), "not quite ten minutes");
        clock.advance(Duration::from_secs(1));
        let fresh = open().await.unwrap();
        for replica in [&one, &other, &fresh] {
            assert_eq!(signer(replica), new.kid());
        }

        std::fs::remove_file(folder.path().join("2026-01.pem")).unwrap();
        one.read().await.unwrap();
        assert_eq!(one.jwks().keys.len(), 1, "withdrawn");
        std::fs::remove_file(folder.path().join("2026-02.pem")).unwrap();
        assert!(!one.read().await.unwrap());
        assert_eq!(signer(&one), new.kid(), "an empty folder changes nothing");
    }
}
