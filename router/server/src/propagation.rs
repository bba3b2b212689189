//! Which headers go from a client's request into the requests to subgraphs, and the cleaned client address.
//!
//! The way back (`set-cookie`) is collected by `executor`, by the names that [`HeadersConfig::response_names`] gives it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use trace_context::TraceContext;

use crate::config::{HeadersConfig, IpNetwork};

/// Name of the header that says for whom a proxy speaks: client first, then every proxy passed.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Compiled form of the header rules towards subgraphs.
#[derive(Debug)]
pub(crate) struct Propagation {
    request_names: Vec<HeaderName>,
    trusted_proxies: Vec<IpNetwork>,
}

impl Propagation {
    pub(crate) fn new(config: &HeadersConfig) -> Self {
        Self {
            request_names: config.request_names(),
            trusted_proxies: config.trusted_proxies.0.clone(),
        }
    }

    /// The headers for every subgraph request made on behalf of a client's request.
    ///
    /// * `peer`: address at the other end of the connection; `None` when there is no connection (in-process calls).
    pub(crate) fn upstream(&self, client: &HeaderMap, peer: Option<IpAddr>, trace: &TraceContext) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.request_names.len() + 2);
        for name in &self.request_names {
            for value in client.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some(peer) = peer {
            let text = self.forwarded_for(client, peer);
            headers.insert(
                X_FORWARDED_FOR,
                HeaderValue::from_str(&text).expect("addresses are a header value"),
            );
        }
        trace.write(&mut headers);
        headers
    }

    /// The way from the client to the router, as far as it can be believed, client first.
    ///
    /// Anybody can write `x-forwarded-for`; only what a trusted proxy appended is true. So the list is read from its end,
    /// and ends with the first address that is not a trusted proxy: that is the client.
    fn forwarded_for(&self, client: &HeaderMap, peer: IpAddr) -> String {
        let claimed: Vec<&str> = client
            .get_all(X_FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let mut way = vec![peer.to_canonical()];
        for address in claimed.iter().rev() {
            let nearest_known = way[way.len() - 1];
            let Ok(address) = address.parse::<IpAddr>() else { break };
            if !self
                .trusted_proxies
                .iter()
                .any(|network| network.contains(nearest_known))
            {
                break;
            }
            way.push(address.to_canonical());
        }
        let way: Vec<String> = way.iter().rev().map(IpAddr::to_string).collect();
        way.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(entries: &[(&'static str, &'static str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        entries.iter().map(parse).collect()
    }

    #[test]
    fn only_listed_headers_go_on() {
        let propagation = Propagation::new(&HeadersConfig::default());
        let client = headers(&[
            ("authorization", "Bearer x"),
            ("x-tenant", "acme"),
            ("cookie", "a=1"),
            ("host", "shop"),
        ]);
        let sent = propagation.upstream(&client, None, &TraceContext::from_headers(&client));
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "cookie", "traceparent"]);
    }

    #[test]
    fn forwarded_for_is_believed_as_far_as_proxies_are_trusted() {
        let trusted_proxies = vec![IpNetwork::try_from("10.0.0.0/8".to_owned()).expect("a network")];
        let propagation = Propagation {
            request_names: Vec::new(),
            trusted_proxies,
        };
        for (peer, claimed, expected) in [
            ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9, 10.0.0.1"),
            (
                "10.0.0.1",
                "1.2.3.4, 203.0.113.9, 10.0.0.2",
                "203.0.113.9, 10.0.0.2, 10.0.0.1",
            ),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "nonsense, 203.0.113.9", "203.0.113.9, 10.0.0.1"),
            ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1, 10.0.0.1"),
        ] {
            let client = headers(&[("x-forwarded-for", claimed)]);
            let found = propagation.forwarded_for(&client, peer.parse().expect("an address"));
            assert_eq!(found, expected, "{peer} {claimed}");
        }
    }
}
