//! RSA2 signatures of the sandbox's Alipay.

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::config::AlipayAccount;

/// The gateway's private key and the shop's public one.
pub(crate) struct AlipaySide {
    private: KeyPair,
    public: Vec<u8>,
}

impl AlipaySide {
    pub(crate) fn new(account: &AlipayAccount) -> anyhow::Result<Self> {
        let private = KeyPair::from_pkcs8(&der(&account.private_key)?);
        Ok(Self {
            private: private.map_err(|_| anyhow::anyhow!("the private key of Alipay's dialect is no RSA key"))?,
            public: der(&account.app_public_key)?,
        })
    }

    /// The base64 of the signature of `text`.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.private.public_modulus_len()];
        let signed = self
            .private
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        signed.expect("a sound RSA key signs with a buffer of its own length");
        BASE64_STANDARD.encode(signature)
    }

    /// Whether the shop signed `text`.
    pub(crate) fn verify(&self, text: &str, signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public);
        let signature = BASE64_STANDARD.decode(signature);
        signature.is_ok_and(|signature| key.verify(text.as_bytes(), &signature).is_ok())
    }
}

fn der(pem: &str) -> anyhow::Result<Vec<u8>> {
    let base64: String = pem
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    BASE64_STANDARD
        .decode(base64)
        .context("a key of Alipay's dialect is PEM")
}
