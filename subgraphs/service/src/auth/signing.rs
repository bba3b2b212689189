//! Signs access tokens: Ed25519 keys, their public halves as JWK, and the claims of a token.

use super::Role;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an access token says (RFC 7519, and RFC 8693 for `scope`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer: `TokenSettings::issuer`.
    pub iss: String,
    /// Audience: `TokenSettings::audience`.
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// The session's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Expiry, seconds since the epoch.
    pub exp: i64,
    /// Time of issue, seconds since the epoch.
    pub iat: i64,
    /// The user's roles.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Scopes with spaces between them; what services compare with those that a field needs.
    #[serde(default)]
    pub scope: String,
}

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// Not a PKCS#8 Ed25519 private key of 48 bytes in PEM.
    #[error("not an Ed25519 private key in PKCS#8 PEM (make one with `openssl genpkey -algorithm ed25519`)")]
    Malformed,
    /// The signature could not be made.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// A private key that signs tokens, and the JWK that verifies them. Its `kid` is the RFC 7638 thumbprint.
#[derive(Clone)]
pub struct SigningKey {
    encoding: EncodingKey,
    jwk: Jwk,
    kid: String,
}

/// DER before the 32 bytes of an Ed25519 seed (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl SigningKey {
    /// The key whose secret is `seed`, 32 random bytes.
    ///
    /// # Errors
    /// [`SigningKeyError::Malformed`] never happens for a seed; the type is shared with the other constructors.
    pub fn from_seed(seed: &[u8; 32]) -> Result<SigningKey, SigningKeyError> {
        SigningKey::from_pkcs8(&[PKCS8_PREFIX.as_slice(), seed].concat())
    }

    /// The key in a PEM file as written by [`SigningKey::pem`] or `openssl genpkey -algorithm ed25519`.
    ///
    /// # Errors
    /// [`SigningKeyError::Malformed`].
    pub fn from_pem(pem: &str) -> Result<SigningKey, SigningKeyError> {
        let body: String = pem
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = data_encoding::BASE64
            .decode(body.as_bytes())
            .map_err(|_| SigningKeyError::Malformed)?;
        SigningKey::from_pkcs8(&der)
    }

    fn from_pkcs8(der: &[u8]) -> Result<SigningKey, SigningKeyError> {
        if der.len() != 48 || !der.starts_with(&PKCS8_PREFIX) {
            return Err(SigningKeyError::Malformed);
        }
        let encoding = EncodingKey::from_ed_der(der);
        let mut jwk = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(|_| SigningKeyError::Malformed)?;
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| SigningKeyError::Malformed)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_operations = Some(vec![KeyOperations::Verify]);
        Ok(SigningKey { encoding, jwk, kid })
    }

    /// The key as a PKCS#8 PEM file.
    #[must_use]
    pub fn pem(&self) -> String {
        let body = data_encoding::BASE64.encode(self.encoding.as_bytes());
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    /// The public half.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Name of the key in token headers and in the key set.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A signed token with these claims.
    ///
    /// # Errors
    /// [`SigningKeyError::Sign`].
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SigningKeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(SigningKeyError::Sign)
    }
}

/// The name of the key, never the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
