//! `cors`: which web pages of other origins may call the graph (Fetch specification, "CORS protocol").

use serde::Deserialize;
use url::Url;

use super::HeaderNames;

/// Cross-origin access. Off as long as `origins` is empty: browsers then refuse the pages of other origins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins that may call, like `https://shop.example`; or `"*"` for every page.
    pub origins: Vec<Origin>,
    /// Whether browsers send cookies along. Cannot be had together with `"*"`.
    pub credentials: bool,
    /// Request headers that pages may set, besides `accept`, `authorization`, `content-type`, those of a trace (`traceparent`,
    /// `tracestate`) and those of `headers.request.add`.
    pub headers: HeaderNames,
    /// Seconds for which browsers may remember the answer to a preflight request.
    pub max_age_s: u64,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            credentials: false,
            headers: HeaderNames::default(),
            max_age_s: 3_600,
        }
    }
}

impl CorsConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.credentials && self.origins.contains(&Origin::Any) {
            return Err(
                "`cors.credentials` with the origin \"*\" would let any page act as the signed-in user: \
                        name the origins"
                    .into(),
            );
        }
        Ok(())
    }
}

/// An entry of `cors.origins`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Origin {
    /// `"*"`.
    Any,
    /// Scheme, host and port, in the form that browsers send.
    Exact(String),
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let url = Url::parse(&text).map_err(|_| not_an_origin(&text))?;
        let origin = url.origin();
        if !origin.is_tuple() || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(not_an_origin(&text));
        }
        Ok(Self::Exact(origin.ascii_serialization()))
    }
}

fn not_an_origin(text: &str) -> String {
    format!("`{text}` is not an origin: write scheme, host and port only, like `https://shop.example`, or \"*\"")
}
