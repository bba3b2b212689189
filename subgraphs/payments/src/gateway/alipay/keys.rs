//! RSA keys as Alipay's tools hand them out: PEM, or the bare base64 of it.

use anyhow::{Context as _, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

/// Keys of one side: a private one that signs, or public ones that verify (two while the other side changes its own).
pub struct AlipayKeys {
    private: Option<KeyPair>,
    public: Vec<Vec<u8>>,
}

impl AlipayKeys {
    /// Reads our private key, PKCS#8 or PKCS#1, of at least 2048 bits.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn private(text: &SecretString) -> anyhow::Result<Self> {
        let [der] = ders(text.expose_secret())?
            .try_into()
            .map_err(|_| anyhow::anyhow!("one private key is needed"))?;
        let key = KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der));
        // The library's reason says nothing of the key itself, and nothing useful either.
        let key = key.map_err(|_| anyhow::anyhow!("it holds no RSA private key (PKCS#8 or PKCS#1)"))?;
        anyhow::ensure!(key.public_modulus_len() >= 256, "the RSA key is shorter than 2048 bits");
        Ok(Self {
            private: Some(key),
            public: Vec::new(),
        })
    }

    /// Reads Alipay's public keys.
    ///
    /// # Errors
    /// When there is none, or one is not of the right form.
    pub fn public(text: &SecretString) -> anyhow::Result<Self> {
        let public = ders(text.expose_secret())?;
        anyhow::ensure!(!public.is_empty(), "a public key of Alipay is needed");
        Ok(Self { private: None, public })
    }

    /// The base64 of the RSA2 signature (PKCS#1 v1.5 with SHA-256); `None` without a private key.
    pub(super) fn sign(&self, text: &str) -> Option<String> {
        let key = self.private.as_ref()?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .ok()?;
        Some(BASE64_STANDARD.encode(signature))
    }

    /// Whether `signature` in base64 is one of `text` by any of the public keys.
    pub(super) fn verify(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else {
            return false;
        };
        self.public.iter().any(|der| {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
            key.verify(text, &signature).is_ok()
        })
    }
}

/// The content of every PEM block; without any block, each line is the base64 of one key.
fn ders(text: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let decode = |base64: &str| BASE64_STANDARD.decode(base64).context("a key is PEM or base64");
    if !text.contains("-----BEGIN") {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        return lines.map(decode).collect();
    }
    let mut keys = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----BEGIN") {
            block = Some(String::new());
        } else if line.starts_with("-----END") {
            match block.take() {
                Some(base64) => keys.push(decode(&base64)?),
                None => bail!("a PEM block ends that never began"),
            }
        } else if let Some(block) = &mut block {
            block.push_str(line);
        }
    }
    Ok(keys)
}
