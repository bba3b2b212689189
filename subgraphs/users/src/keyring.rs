//! The keys that sign access tokens: a folder of PEM files, read again every minute, and published as a key set.

use anyhow::{Context, bail};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use http::header;
use jsonwebtoken::jwk::JwkSet;
use service::auth::{AccessClaims, SigningKey, TokenVerifier};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// The keys in a folder. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    folder: PathBuf,
    keys: Arc<RwLock<Vec<SigningKey>>>,
}

impl Keyring {
    /// Reads the keys of `folder`, and makes one when there are none.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Keyring> {
        if read_keys(folder)?.is_empty() {
            create_key(folder).with_context(|| format!("a signing key could not be made in `{}`", folder.display()))?;
        }
        let keys = read_keys(folder)?;
        if keys.is_empty() {
            bail!("`{}` holds no signing key", folder.display());
        }
        Ok(Keyring {
            folder: folder.to_owned(),
            keys: Arc::new(RwLock::new(keys)),
        })
    }

    /// Signs with the newest key.
    pub(crate) fn sign(&self, claims: &AccessClaims) -> anyhow::Result<String> {
        let key = self.keys.read().unwrap_or_else(PoisonError::into_inner).last().cloned();
        Ok(key.context("the key ring is empty")?.sign(claims)?)
    }

    /// The public halves of all keys.
    pub(crate) fn jwks(&self) -> JwkSet {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        JwkSet {
            keys: keys.iter().map(|key| key.jwk().clone()).collect(),
        }
    }

    /// Reads the folder again every minute, until `shutdown`. An unreadable or empty folder changes nothing.
    pub(crate) async fn reload(self, verifier: TokenVerifier, shutdown: CancellationToken) {
        while shutdown
            .run_until_cancelled(tokio::time::sleep(RELOAD_INTERVAL))
            .await
            .is_some()
        {
            match read_keys(&self.folder) {
                Ok(keys) if !keys.is_empty() => {
                    *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                    verifier.set_keys(&self.jwks());
                }
                Ok(_) => tracing::warn!("The folder of signing keys is empty; the last ones stay in use"),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "The signing keys could not be read; the last ones stay in use");
                }
            }
        }
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
    let path = folder.join(format!("{}.pem", chrono::Utc::now().format("%Y-%m-%d")));
    let mut file = options.open(&path)?;
    file.write_all(SigningKey::from_seed(&rand::random())?.pem().as_bytes())?;
    file.sync_all()?;
    tracing::info!(path = %path.display(), "Made a key for signing access tokens");
    Ok(())
}
