//! `headers`: which headers go on to subgraphs and back to clients. Everything else stays here.

use http::{HeaderName, header};
use serde::Deserialize;

use super::IpNetworks;

/// Passed on to subgraphs when nothing is configured.
const REQUEST_DEFAULTS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::ACCEPT_LANGUAGE,
    header::USER_AGENT,
];

/// Passed back to clients when nothing is configured.
const RESPONSE_DEFAULTS: [HeaderName; 1] = [header::SET_COOKIE];

/// Headers that belong to one connection or one body, or that the router writes itself: passing them on breaks HTTP.
const NEVER_PASSED: [&str; 16] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "traceparent",
    "tracestate",
    "x-forwarded-for",
];

/// Header rules, both ways.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// From clients to subgraphs. By default `authorization`, `cookie`, `accept-language` and `user-agent`.
    pub request: HeaderChanges,
    /// From subgraphs to clients. By default `set-cookie`.
    pub response: HeaderChanges,
    /// Proxies in front of the router, as networks (`10.0.0.0/8`): only their `x-forwarded-for` is believed. Behind one that
    /// is not listed, subgraphs take all clients for one. For whoever puts a load balancer in front.
    pub trusted_proxies: IpNetworks,
}

impl HeadersConfig {
    /// Names that go on to subgraphs.
    pub fn request_names(&self) -> Vec<HeaderName> {
        self.request.apply(&REQUEST_DEFAULTS)
    }

    /// Names that go back to clients.
    pub fn response_names(&self) -> Vec<HeaderName> {
        self.response.apply(&RESPONSE_DEFAULTS)
    }
}

/// How a list of headers differs from its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderChanges {
    /// Passed as well.
    pub add: HeaderList,
    /// Not passed although the default has them.
    pub remove: HeaderList,
}

impl HeaderChanges {
    fn apply(&self, defaults: &[HeaderName]) -> Vec<HeaderName> {
        let mut names: Vec<HeaderName> = Vec::new();
        for name in defaults.iter().chain(&self.add.0) {
            if !self.remove.0.contains(name) && !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

/// Names of headers that may be passed from one connection to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct HeaderList(pub Vec<HeaderName>);

impl TryFrom<Vec<String>> for HeaderList {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        let HeaderNames(names) = names.try_into()?;
        let is_kept = |name: &&HeaderName| NEVER_PASSED.contains(&name.as_str()) || name.as_str().starts_with("proxy-");
        match names.iter().find(is_kept) {
            Some(name) => Err(format!(
                "`{name}` belongs to one connection, or is written by the router itself"
            )),
            None => Ok(Self(names)),
        }
    }
}

/// Names of headers, of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct HeaderNames(pub Vec<HeaderName>);

impl TryFrom<Vec<String>> for HeaderNames {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        let parse = |text: &String| {
            text.parse()
                .map_err(|_| format!("`{text}` is not the name of a header"))
        };
        names.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}
