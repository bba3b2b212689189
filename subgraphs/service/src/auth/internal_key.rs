//! The secret that services share to sign the calls between them.
//!
//! Signature: lower-case hexadecimal HMAC-SHA256 over `time LF method LF path-and-query LF body`, where `time` is
//! seconds since the epoch. It covers no headers, so the trace and the deadline may be changed by a proxy.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, Method};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use std::fmt;
use std::path::{Path, PathBuf};

/// Seconds since the epoch at which the request was signed.
pub const TIME_HEADER: HeaderName = HeaderName::from_static("x-hansa-time");
/// The signature.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-hansa-signature");

/// A request older or younger than this is refused.
const AGE_SECONDS_MAX: i64 = 60;
const KEY_BYTES_MIN: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum InternalKeyError {
    /// The file cannot be read.
    #[error("the internal key `{path}` could not be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key that could be guessed.
    #[error("the internal key `{path}` has {bytes} bytes; it needs at least 32 (make one with `openssl rand -hex 32`)")]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Bytes in it.
        bytes: usize,
    },
}

/// Signs and verifies internal requests.
#[derive(Clone)]
pub struct InternalKey {
    secret: SecretSlice<u8>,
}

impl InternalKey {
    /// Reads the key from a file, without white space at its ends.
    ///
    /// # Errors
    /// [`InternalKeyError`].
    pub fn from_file(path: &Path) -> Result<InternalKey, InternalKeyError> {
        let unreadable = |source| InternalKeyError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let secret = std::fs::read(path).map_err(unreadable)?.trim_ascii().to_vec();
        if secret.len() < KEY_BYTES_MIN {
            return Err(InternalKeyError::TooShort {
                path: path.to_owned(),
                bytes: secret.len(),
            });
        }
        Ok(InternalKey { secret: secret.into() })
    }

    /// A random key, for services within one process.
    #[must_use]
    pub fn generate() -> InternalKey {
        InternalKey {
            secret: rand::random::<[u8; 32]>().to_vec().into(),
        }
    }

    /// The signature of a request that is sent at `time`.
    #[must_use]
    pub fn sign(&self, method: &Method, path_and_query: &str, time: i64, body: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(&self.mac(method, path_and_query, time, body).finalize().into_bytes())
    }

    /// Whether `signature` was made with this key for this request, at a `time` within a minute of `now`.
    #[must_use]
    pub fn verify(&self, signed: &SignedRequest<'_>, now: i64) -> bool {
        let SignedRequest {
            method,
            path_and_query,
            time,
            body,
            signature,
        } = signed;
        let Ok(signature) = data_encoding::HEXLOWER.decode(signature.as_bytes()) else {
            return false;
        };
        let timely = now.checked_sub(*time).is_some_and(|age| age.abs() <= AGE_SECONDS_MAX);
        // Compared in constant time.
        timely
            && self
                .mac(method, path_and_query, *time, body)
                .verify_slice(&signature)
                .is_ok()
    }

    fn mac(&self, method: &Method, path_and_query: &str, time: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.expose_secret()).expect("HMAC takes a key of any length");
        mac.update(format!("{time}\n{method}\n{path_and_query}\n").as_bytes());
        mac.update(body);
        mac
    }
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path with its query.
    pub path_and_query: &'a str,
    /// [`TIME_HEADER`].
    pub time: i64,
    /// Its body.
    pub body: &'a [u8],
    /// [`SIGNATURE_HEADER`].
    pub signature: &'a str,
}

/// Never the secret.
impl fmt::Debug for InternalKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InternalKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signed_request_is_accepted() {
        let key = InternalKey {
            secret: vec![7; 32].into(),
        };
        let signature = key.sign(&Method::POST, "/internal/buyer", 1000, b"{}");
        let signed = SignedRequest {
            method: &Method::POST,
            path_and_query: "/internal/buyer",
            time: 1000,
            body: b"{}",
            signature: &signature,
        };
        assert!(key.verify(&signed, 1000) && key.verify(&signed, 1060) && key.verify(&signed, 940));
        assert!(!key.verify(&signed, 1061), "too old");
        assert!(!key.verify(
            &SignedRequest {
                method: &Method::PUT,
                ..signed
            },
            1000
        ));
        assert!(!key.verify(
            &SignedRequest {
                path_and_query: "/internal/buyer?",
                ..signed
            },
            1000
        ));
        assert!(!key.verify(&SignedRequest { time: 1001, ..signed }, 1000));
        assert!(!key.verify(&SignedRequest { body: b"{ }", ..signed }, 1000));
        assert!(!key.verify(
            &SignedRequest {
                signature: "",
                ..signed
            },
            1000
        ));
        assert!(!InternalKey::generate().verify(&signed, 1000));
    }
}
