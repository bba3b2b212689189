//! Sessions, and the secrets that clients hold.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;

/// An open session: a family of refresh tokens, of which one is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) device: Device,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// From where a session is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) user_agent: Option<String>,
    /// The network, not the machine: enough to recognise, too little to trace.
    pub(crate) ip_prefix: Option<String>,
}

impl Device {
    pub(crate) fn new(user_agent: Option<&str>, address: Option<&str>) -> Device {
        let user_agent = user_agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(200).collect());
        Device {
            user_agent,
            ip_prefix: address.and_then(|address| prefix(address.parse().ok()?)),
        }
    }
}

impl Device {
    /// The network by which attempts are counted; nothing is counted where the router did not tell the address.
    pub(crate) fn network(&self) -> Option<&str> {
        self.ip_prefix.as_deref()
    }
}

/// The /24 network of an IPv4 address, the /48 network of an IPv6 address.
fn prefix(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Some(format!("{a}.{b}.{c}.0/24"))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Some(format!("{a:x}:{b:x}:{c:x}::/48"))
        }
    }
}

/// A secret of 256 bits that is given to somebody once. We keep its hash.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn generate() -> Secret {
        Secret(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// The text that its holder sends; anything else never matches a hash.
    pub(crate) fn from_text(text: &str) -> Secret {
        Secret(text.trim().to_owned())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// SHA-256 in hexadecimal. No salt and no stretching: 256 random bits cannot be guessed.
    pub(crate) fn hash(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// What a secret sent by mail allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    VerifyEmail,
    ChangeEmail,
    ResetPassword,
}

impl Purpose {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Purpose::VerifyEmail => "VERIFY_EMAIL",
            Purpose::ChangeEmail => "CHANGE_EMAIL",
            Purpose::ResetPassword => "RESET_PASSWORD",
        }
    }

    /// How long it may wait in a mailbox.
    pub(crate) fn lifetime(self) -> chrono::Duration {
        match self {
            Purpose::VerifyEmail | Purpose::ChangeEmail => chrono::Duration::days(2),
            Purpose::ResetPassword => chrono::Duration::hours(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_network_of_a_device_is_kept() {
        for (address, expected) in [
            ("192.0.2.77", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.77", Some("192.0.2.0/24")),
            ("2001:db8:1:2::3", Some("2001:db8:1::/48")),
            ("unknown", None),
        ] {
            assert_eq!(
                Device::new(None, Some(address)).ip_prefix.as_deref(),
                expected,
                "{address}"
            );
        }
    }
}
