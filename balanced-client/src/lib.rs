//! An HTTP/1.1 client that spreads requests over all addresses of a name.
//!
//! A kept-alive connection stays with the replica that it was opened to, so whoever connects to one virtual address loads a
//! few replicas and starves new ones. This client looks the name up itself (a headless Service of Kubernetes has an
//! address per ready pod), keeps connections to each address apart, and sends each request to the less busy of two
//! addresses drawn at random. Names are looked up again at intervals; addresses that do not answer are left out until they
//! do; connections are renewed when they are old.
//!
//! Read [`Origin::send`] for the way of a request, `origin::maintenance` for how the set of addresses changes. Does not follow
//! redirects, speak HTTP/2, bound the time of a request (drop the future) or judge answers: a replica that answers is well.

mod connection;
mod origin;
mod peer;
mod probe;
mod resolver;
mod telemetry;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use hyper_rustls::ConfigBuilderExt;
use rustls::ClientConfig;

pub use self::origin::{Origin, Repeat, ResponseBody, SendError};
pub use self::probe::{ProbeError, probe};
pub use self::resolver::Resolver;

use self::origin::OriginShared;

/// How names are looked up, and how long connections live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Time between two look-ups of a name. 2 s: a pod that ends is still answering when it is no longer found.
    pub resolve_interval: Duration,
    /// Age at which connections are given up, once their request is done. 5 min: behind a virtual address, a new replica
    /// gets its share within that time.
    pub connection_age_max: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            resolve_interval: Duration::from_secs(2),
            connection_age_max: Duration::from_secs(300),
        }
    }
}

/// The connections to all origins. Made once; cheap to clone.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

/// What all origins of a client have in common.
struct Shared {
    options: ClientOptions,
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    /// By `scheme://host:port`. An origin that nobody holds any more ends by itself.
    origins: Mutex<HashMap<String, Weak<OriginShared>>>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpClient")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new(ClientOptions::default(), Resolver::system())
    }
}

/// Why a URL, the one in it, cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an absolute http or https URL")]
pub struct InvalidUrl(pub String);

impl HttpClient {
    /// A client without connections. Certificates are checked against Mozilla's roots.
    pub fn new(options: ClientOptions, resolver: Resolver) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default protocol versions")
            .with_webpki_roots()
            .with_no_client_auth();
        Self(Arc::new(Shared {
            options,
            resolver,
            tls: Arc::new(tls),
            origins: Mutex::default(),
        }))
    }

    /// Scheme, host and port of `url`, as something to send requests to. The same for every URL of one origin, with its
    /// connections, as long as somebody holds it.
    ///
    /// # Errors
    /// When `url` is not `http://…` or `https://…`.
    pub fn origin(&self, url: &Uri) -> Result<Origin, InvalidUrl> {
        let key = origin::Key::of(url).ok_or_else(|| InvalidUrl(url.to_string()))?;
        let mut origins = self.0.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = origins.get(&key.to_string()).and_then(Weak::upgrade) {
            return Ok(Origin(known));
        }
        origins.retain(|_, origin| origin.strong_count() > 0);
        let origin = Arc::new(OriginShared::new(&key, &self.0));
        origins.insert(key.to_string(), Arc::downgrade(&origin));
        Ok(Origin(origin))
    }
}
