//! Signatures of webhooks by HMAC-SHA256: as Standard Webhooks says, over `id.timestamp.body`, and as Stripe says, over
//! `timestamp.body`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// How far the time of a webhook may be off, in seconds.
const TOLERANCE_SECONDS: i64 = 300;

/// Signatures of one webhook that are looked at.
const SIGNATURES_MAX: usize = 8;

/// Why a webhook is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header of the signature is missing or not readable.
    #[error("the header `{0}` is missing")]
    HeaderMissing(&'static str),
    /// Too old or from the future: perhaps a replay.
    #[error("the time is more than {TOLERANCE_SECONDS} s off")]
    Stale,
    /// Not signed with a key of ours.
    #[error("the signature is wrong")]
    SignatureWrong,
    /// Signed, but not what this gateway sends.
    #[error("the body is not understood")]
    Malformed,
}

/// The keys that webhooks may be signed with: two during a rotation.
pub struct WebhookSecrets {
    keys: Vec<Vec<u8>>,
}

/// With an empty key anybody could sign.
const KEY_BYTES_MIN: usize = 16;

impl WebhookSecrets {
    /// Reads secrets separated by commas or line ends, each `whsec_` and base64.
    ///
    /// # Errors
    /// When one is not of that form.
    pub fn parse(secrets: &SecretString) -> anyhow::Result<Self> {
        let secrets = secrets
            .expose_secret()
            .split([',', '\n'])
            .map(str::trim)
            .filter(|secret| !secret.is_empty());
        let keys = secrets.map(|secret| {
            let key = secret
                .strip_prefix("whsec_")
                .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
                .filter(|key| key.len() >= KEY_BYTES_MIN);
            key.ok_or_else(|| {
                anyhow::anyhow!("a webhook secret is `whsec_` and base64 of {KEY_BYTES_MIN} bytes or more")
            })
        });
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    /// The webhook's id, when the signature is right and the time is near `now`.
    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<String, WebhookError> {
        let id = header(headers, "webhook-id")?;
        let timestamp = header(headers, "webhook-timestamp")?;
        let signatures = header(headers, "webhook-signature")?;
        fresh(timestamp, now)?;
        let signatures = signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"));
        let signatures: Vec<Vec<u8>> = signatures
            .filter_map(|encoded| BASE64_STANDARD.decode(encoded).ok())
            .take(SIGNATURES_MAX)
            .collect();
        let signed = signed_by_any(&self.keys, &signatures, &[id, ".", timestamp, "."], body);
        if signed {
            Ok(id.to_owned())
        } else {
            Err(WebhookError::SignatureWrong)
        }
    }
}

/// The keys of Stripe's webhook endpoint: the text itself, `whsec_` included, is the key.
pub(super) struct StripeSecrets {
    keys: Vec<Vec<u8>>,
}

impl StripeSecrets {
    /// Reads secrets separated by commas or line ends.
    ///
    /// # Errors
    /// When one does not begin with `whsec_`.
    pub(super) fn parse(secrets: &SecretString) -> anyhow::Result<Self> {
        let secrets = secrets.expose_secret().split([',', '\n']).map(str::trim);
        let secrets: Vec<&str> = secrets.filter(|secret| !secret.is_empty()).collect();
        anyhow::ensure!(
            secrets.iter().all(|secret| {
                let key = secret.strip_prefix("whsec_");
                key.is_some_and(|key| key.len() >= KEY_BYTES_MIN)
            }),
            "a webhook secret of Stripe is `whsec_` and {KEY_BYTES_MIN} characters or more"
        );
        Ok(Self {
            keys: secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect(),
        })
    }

    /// Whether `Stripe-Signature: t=…,v1=…` fits the body and is near `now`.
    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<(), WebhookError> {
        let header = header(headers, "stripe-signature")?;
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let timestamp = parts().find(|(name, _)| *name == "t").map(|(_, value)| value);
        let timestamp = timestamp.ok_or(WebhookError::HeaderMissing("stripe-signature"))?;
        fresh(timestamp, now)?;
        // Several while Stripe rolls the secret of the endpoint.
        let signatures: Vec<Vec<u8>> = parts()
            .filter(|(name, _)| *name == "v1")
            .filter_map(|(_, hex)| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok())
            .take(SIGNATURES_MAX)
            .collect();
        if signed_by_any(&self.keys, &signatures, &[timestamp, "."], body) {
            Ok(())
        } else {
            Err(WebhookError::SignatureWrong)
        }
    }
}

fn fresh(timestamp: &str, now: DateTime<Utc>) -> Result<(), WebhookError> {
    let sent_at: i64 = timestamp.parse().map_err(|_| WebhookError::Stale)?;
    if now.timestamp().abs_diff(sent_at) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(WebhookError::Stale);
    }
    Ok(())
}

fn signed_by_any(keys: &[Vec<u8>], signatures: &[Vec<u8>], prefix: &[&str], body: &[u8]) -> bool {
    keys.iter().any(|key| {
        signatures.iter().any(|signature| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
            for part in prefix {
                mac.update(part.as_bytes());
            }
            mac.update(body);
            mac.verify_slice(signature).is_ok()
        })
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, WebhookError> {
    let value = headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= 1024);
    value.ok_or(WebhookError::HeaderMissing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &[u8] = b"a new key, long enough";
    const OLD: &[u8] = b"an old key, long enough";
    const BODY: &[u8] = br#"{"type":"payment.updated"}"#;

    fn signed(key: &[u8], timestamp: i64) -> HeaderMap {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(format!("evt_1.{timestamp}.").as_bytes());
        mac.update(BODY);
        let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "evt_1".parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.to_string().parse().unwrap());
        headers.insert("webhook-signature", format!("v1,AAAA {signature}").parse().unwrap());
        headers
    }

    #[test]
    fn only_fresh_webhooks_signed_with_a_known_key_are_believed() {
        let encoded = BASE64_STANDARD.encode(NEW);
        let secrets = format!("whsec_{encoded}, whsec_{}", BASE64_STANDARD.encode(OLD));
        let secrets = WebhookSecrets::parse(&SecretString::from(secrets)).unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut unsigned = signed(NEW, now.timestamp());
        unsigned.remove("webhook-signature");
        for (headers, expected) in [
            (signed(NEW, now.timestamp()), "evt_1"),
            (signed(OLD, now.timestamp() + 299), "evt_1"),
            (
                signed(b"a stolen key, long enough", now.timestamp()),
                "the signature is wrong",
            ),
            (signed(NEW, now.timestamp() - 301), "the time is more than 300 s off"),
            (unsigned, "the header `webhook-signature` is missing"),
        ] {
            let seen = secrets
                .verify(&headers, BODY, now)
                .unwrap_or_else(|error| error.to_string());
            assert_eq!(seen, expected);
        }
        for secret in ["secret", "whsec_", "whsec_c2hvcnQ="] {
            let secret = SecretString::from(secret);
            assert!(WebhookSecrets::parse(&secret).is_err());
            assert!(StripeSecrets::parse(&secret).is_err());
        }
    }
}
