//! Verifies access tokens against the key set that the users service publishes.

use super::{AccessClaims, Scopes, Viewer};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};

/// Who issues tokens, and for whom. Every service of one shop has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// Claim `iss`.
    pub issuer: String,
    /// Claim `aud`.
    pub audience: String,
}

impl Default for TokenSettings {
    fn default() -> Self {
        TokenSettings {
            issuer: "hansa".to_owned(),
            audience: "hansa".to_owned(),
        }
    }
}

/// Why a token was refused. The text is for the client: it says nothing about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The `authorization` header holds no bearer token, or one that is not a token of ours.
    #[error("the access token is not valid")]
    Invalid,
    /// It was ours, but its time is over.
    #[error("the access token has expired; refresh it")]
    Expired,
    /// No keys could be fetched yet, so nothing can be verified.
    #[error("access tokens cannot be verified at the moment")]
    NoKeys,
}

/// Clocks of two machines may differ by this much.
const CLOCK_SKEW_SECONDS: u64 = 60;
/// An unknown key asks for the key set at most this often, so that forged tokens cannot flood the users service.
const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(10);
/// After a failed attempt it may be asked again sooner: at the start of a shop, users may be the last to come up.
const RETRY_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// A key set is used at most this long without asking for a newer one, so that a withdrawn key dies.
const KEY_SET_AGE_MAX: Duration = Duration::from_secs(300);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest token that is looked at; ours are below 700 characters.
const TOKEN_BYTES_MAX: usize = 4096;
/// Tokens that are remembered as verified, some 500 B each.
const VERIFIED_MAX: usize = 10_000;

/// Verifies tokens; clones share one key set. Cheap: no network, but for the first token, an unknown key or an old
/// key set.
#[derive(Clone)]
pub struct TokenVerifier {
    shared: Arc<Shared>,
}

struct Shared {
    settings: TokenSettings,
    validation: Validation,
    keys: RwLock<KeySet>,
    source: Option<Source>,
    /// By SHA-256 of the token.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// A token whose signature was checked: good until then, as long as its key is in the key set.
struct Verified {
    kid: String,
    /// Seconds since the epoch.
    expires_at: i64,
    viewer: Viewer,
}

#[derive(Default)]
struct KeySet {
    by_kid: HashMap<String, DecodingKey>,
    fetched_at: Option<Instant>,
}

struct Source {
    url: url::Url,
    client: reqwest::Client,
    /// Before this, nothing is fetched.
    not_before: Mutex<Option<Instant>>,
}

impl TokenVerifier {
    /// Verifies with the keys at `url` (`http://users/.well-known/jwks.json`), fetched when first needed. When the
    /// address does not answer, the last good set stays in use.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn from_url(url: url::Url, settings: &TokenSettings) -> anyhow::Result<TokenVerifier> {
        let client = crate::http::client(FETCH_TIMEOUT)?;
        let source = Some(Source {
            url,
            client,
            not_before: Mutex::new(None),
        });
        Ok(TokenVerifier::new(source, settings))
    }

    /// Verifies with the keys that [`TokenVerifier::set_keys`] is given: the users service itself, and a process that
    /// holds it.
    #[must_use]
    pub fn in_process(settings: &TokenSettings) -> TokenVerifier {
        TokenVerifier::new(None, settings)
    }

    /// Verifies with `keys`.
    #[must_use]
    pub fn from_key_set(keys: &JwkSet, settings: &TokenSettings) -> TokenVerifier {
        let verifier = TokenVerifier::in_process(settings);
        verifier.set_keys(keys);
        verifier
    }

    fn new(source: Option<Source>, settings: &TokenSettings) -> TokenVerifier {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = CLOCK_SKEW_SECONDS;
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        TokenVerifier {
            shared: Arc::new(Shared {
                settings: settings.clone(),
                validation,
                keys: RwLock::default(),
                source,
                verified: Cache::new(VERIFIED_MAX),
            }),
        }
    }

    /// The issuer and audience that tokens must name.
    #[must_use]
    pub fn settings(&self) -> &TokenSettings {
        &self.shared.settings
    }

    /// Replaces the keys. Keys that are not Ed25519 are left out.
    pub fn set_keys(&self, keys: &JwkSet) {
        let usable = keys.keys.iter().filter_map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).ok()?;
            let is_ed25519 = key.family() == jsonwebtoken::AlgorithmFamily::Ed;
            is_ed25519.then_some((jwk.common.key_id.clone()?, key))
        });
        let key_set = KeySet {
            by_kid: usable.collect(),
            fetched_at: Some(Instant::now()),
        };
        *self
            .shared
            .keys
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = key_set;
    }

    /// The viewer that `token` (without `Bearer `) stands for.
    ///
    /// # Errors
    /// [`TokenError`]; each of them means that nobody is signed in.
    pub async fn verify(&self, token: &str) -> Result<Viewer, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.shared.verified.get(&digest)
            && self.is_good(&known)
        {
            return Ok(known.viewer.clone());
        }
        let verified = self.check(token).await?;
        let viewer = verified.viewer.clone();
        self.shared.verified.insert(digest, Arc::new(verified));
        Ok(viewer)
    }

    /// Whether a token that was verified before still is, without a look at its signature.
    fn is_good(&self, known: &Verified) -> bool {
        let leeway = i64::try_from(CLOCK_SKEW_SECONDS).unwrap_or_default();
        let has_time = chrono::Utc::now().timestamp() <= known.expires_at.saturating_add(leeway);
        // An old key set is asked for anew, and a withdrawn key refused, by `check`.
        has_time && matches!(self.cached(&known.kid), (Some(_), true))
    }

    async fn check(&self, token: &str) -> Result<Verified, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let kid = header
            .kid
            .filter(|_| header.alg == Algorithm::EdDSA)
            .ok_or(TokenError::Invalid)?;
        let key = self.key(&kid).await?;
        let token = jsonwebtoken::decode::<AccessClaims>(token, &key, &self.shared.validation);
        let claims = token.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
            _ => TokenError::Invalid,
        })?;
        let claims = claims.claims;
        Ok(Verified {
            kid,
            expires_at: claims.exp,
            viewer: Viewer {
                user_id: Some(claims.sub),
                session_id: claims.sid,
                scopes: Scopes::parse(&claims.scope),
                roles: claims.roles,
                expires_at: Some(claims.exp),
                rejected: None,
            },
        })
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, TokenError> {
        let (known, fresh) = self.cached(kid);
        if known.is_some() && fresh {
            return known.ok_or(TokenError::NoKeys);
        }
        if let Some(source) = &self.shared.source {
            // A known key of an old set is used at once if somebody else is already asking for a newer one.
            match (source.not_before.try_lock(), &known) {
                (Ok(not_before), _) => self.refresh(source, not_before).await,
                (Err(_), Some(_)) => {}
                (Err(_), None) => self.refresh(source, source.not_before.lock().await).await,
            }
        }
        if self.has_no_keys() {
            return Err(TokenError::NoKeys);
        }
        self.cached(kid).0.or(known).ok_or(TokenError::Invalid)
    }

    fn cached(&self, kid: &str) -> (Option<DecodingKey>, bool) {
        let keys = self
            .shared
            .keys
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let fresh = self.shared.source.is_none() || keys.fetched_at.is_some_and(|at| at.elapsed() < KEY_SET_AGE_MAX);
        (keys.by_kid.get(kid).cloned(), fresh)
    }

    fn has_no_keys(&self) -> bool {
        self.shared
            .keys
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .by_kid
            .is_empty()
    }

    async fn refresh(&self, source: &Source, mut not_before: MutexGuard<'_, Option<Instant>>) {
        if not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let fetched = fetch(source).await;
        let pause = if fetched.is_ok() {
            FETCH_INTERVAL_MIN
        } else {
            RETRY_INTERVAL_MIN
        };
        *not_before = Some(Instant::now() + pause);
        match fetched {
            Ok(keys) => self.set_keys(&keys),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(jwks.url = %source.url, error, "The key set could not be fetched; the last one stays");
            }
        }
    }
}

/// A key set with at least one key.
async fn fetch(source: &Source) -> anyhow::Result<JwkSet> {
    let response = source.client.get(source.url.clone()).send().await?.error_for_status()?;
    let keys: JwkSet = response.json().await?;
    anyhow::ensure!(!keys.keys.is_empty(), "the key set is empty");
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Role, SigningKey};

    fn claims() -> AccessClaims {
        let now = chrono::Utc::now().timestamp();
        AccessClaims {
            iss: "hansa".to_owned(),
            aud: "hansa".to_owned(),
            sub: "usr_1".to_owned(),
            sid: None,
            exp: now + 300,
            iat: now,
            roles: vec![Role::Support],
            scope: "users:read root".to_owned(),
        }
    }

    #[tokio::test]
    async fn only_our_own_unexpired_tokens_are_accepted() {
        let (key, stranger) = (
            SigningKey::from_seed(&[1; 32]).unwrap(),
            SigningKey::from_seed(&[2; 32]).unwrap(),
        );
        let settings = TokenSettings::default();
        let verifier = TokenVerifier::from_key_set(
            &JwkSet {
                keys: vec![key.jwk().clone()],
            },
            &settings,
        );
        let viewer = verifier.verify(&key.sign(&claims()).unwrap()).await.unwrap();
        assert!(viewer.is_user("usr_1") && viewer.scopes.contains("users:read") && !viewer.scopes.contains("root"));

        let other = |change: fn(&mut AccessClaims)| {
            let mut claims = claims();
            change(&mut claims);
            key.sign(&claims).unwrap()
        };
        for (token, expected) in [
            (other(|claims| claims.exp = claims.iat - 61), Err(TokenError::Expired)),
            (other(|claims| claims.exp = claims.iat - 50), Ok(())),
            (
                other(|claims| claims.iss = "other".to_owned()),
                Err(TokenError::Invalid),
            ),
            (
                other(|claims| claims.aud = "other".to_owned()),
                Err(TokenError::Invalid),
            ),
            (stranger.sign(&claims()).unwrap(), Err(TokenError::Invalid)),
            ("a.b.c".to_owned(), Err(TokenError::Invalid)),
            ("a".repeat(5000), Err(TokenError::Invalid)),
        ] {
            assert_eq!(verifier.verify(&token).await.map(|_| ()), expected);
        }
        let empty = TokenVerifier::in_process(&settings);
        assert_eq!(
            empty.verify(&key.sign(&claims()).unwrap()).await,
            Err(TokenError::NoKeys)
        );
    }

    #[tokio::test]
    async fn a_remembered_token_dies_with_its_time_and_with_its_key() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let set = JwkSet {
            keys: vec![key.jwk().clone()],
        };
        let verifier = TokenVerifier::from_key_set(&set, &TokenSettings::default());
        let mut claims = claims();
        let lasting = key.sign(&claims).unwrap();
        // A second is left of the leeway.
        claims.exp = claims.iat - 59;
        let ending = key.sign(&claims).unwrap();
        for _ in 0..2 {
            assert!(verifier.verify(&lasting).await.is_ok() && verifier.verify(&ending).await.is_ok());
        }
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        assert_eq!(verifier.verify(&ending).await, Err(TokenError::Expired));
        assert!(verifier.verify(&lasting).await.is_ok());
        let other = SigningKey::from_seed(&[2; 32]).unwrap();
        verifier.set_keys(&JwkSet {
            keys: vec![other.jwk().clone()],
        });
        assert_eq!(verifier.verify(&lasting).await, Err(TokenError::Invalid));
    }

    #[tokio::test]
    async fn the_algorithm_is_pinned() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let verifier = TokenVerifier::from_key_set(
            &JwkSet {
                keys: vec![key.jwk().clone()],
            },
            &TokenSettings::default(),
        );
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.kid = Some(key.kid().to_owned());
        let secret = jsonwebtoken::EncodingKey::from_secret(b"the public key, perhaps");
        let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
        assert_eq!(verifier.verify(&token).await, Err(TokenError::Invalid));
    }
}
