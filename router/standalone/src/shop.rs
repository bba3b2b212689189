//! The five services of one process, wired to each other without sockets.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use http::StatusCode;
use orders::Orders;
use payments::Payments;
use products::Products;
use reviews::Reviews;
use service::auth::{InternalKey, TokenSettings, TokenVerifier};
use service::clock::Clock;
use service::database::DatabaseOptions;
use service::events::EventOptions;
use service::peer::Peers;
use service::{App, AssembleOptions, Service, assemble};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use url::Url;
use users::Users;

use crate::DataFolder;

/// Where the process listens: links and webhooks need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    pub(crate) sandbox: SocketAddr,
}

/// Every service, migrated and seeded.
pub(crate) struct Shop {
    users: App,
    products: App,
    orders: App,
    payments: App,
    reviews: App,
    sandbox: Router,
    shutdown: CancellationToken,
}

impl Shop {
    pub(crate) async fn assemble(data: &DataFolder, addresses: Addresses) -> Result<Self> {
        let wiring = Wiring::new(data);
        let sandbox = wiring.sandbox(addresses)?;

        let mut users_config = defaults::<<Users as Service>::Config>();
        users_config.jwt_keys_dir = data.token_keys();
        let mut products_config = defaults::<<Products as Service>::Config>();
        products_config.media_base_url = url(addresses.public, "")?;
        let mut payments_config = defaults::<<Payments as Service>::Config>();
        payments_config.gateway_url = url(addresses.sandbox, "")?;
        payments_config.gateway_api_key = Some(sandbox_gateway::config::DEMO_API_KEY.into());
        payments_config.gateway_webhook_secrets = Some(sandbox_gateway::config::DEMO_WEBHOOK_SECRET.into());

        let (users, products, orders, payments, reviews) = tokio::try_join!(
            wiring.assemble::<Users>(users_config),
            wiring.assemble::<Products>(products_config),
            wiring.assemble::<Orders>(defaults()),
            wiring.assemble::<Payments>(payments_config),
            wiring.assemble::<Reviews>(defaults()),
        )?;
        for (peer, app) in [
            (&wiring.peers.users, &users),
            (&wiring.peers.products, &products),
            (&wiring.peers.orders, &orders),
            (&wiring.peers.payments, &payments),
            (&wiring.peers.reviews, &reviews),
        ] {
            if let Some(peer) = peer {
                peer.bind(app.internal.clone());
            }
        }
        Ok(Self {
            users,
            products,
            orders,
            payments,
            reviews,
            sandbox,
            shutdown: wiring.shutdown,
        })
    }

    /// What the router calls, by name of the subgraph.
    pub(crate) fn subgraph_apps(&self) -> [(&'static str, Router); 5] {
        [
            (Users::NAME, self.users.public.clone()),
            (Products::NAME, self.products.public.clone()),
            (Orders::NAME, self.orders.public.clone()),
            (Payments::NAME, self.payments.public.clone()),
            (Reviews::NAME, self.reviews.public.clone()),
        ]
    }

    /// What the outside world reaches beside GraphQL: pictures, token keys, webhooks.
    pub(crate) fn edge(&self) -> Router {
        let (products, users) = (self.products.public.clone(), self.users.public.clone());
        let webhook = self.payments.webhook.clone();
        // One fallback and no routes of its own: a route's parameters would be added to those of the app it leads to.
        Router::new().fallback(move |request: Request| {
            let app = match request.uri().path() {
                path if path.starts_with("/media/") => Some(products.clone()),
                path if path.starts_with("/webhooks/") => webhook.clone(),
                "/.well-known/jwks.json" => Some(users.clone()),
                _ => None,
            };
            async move {
                match app {
                    Some(app) => app.oneshot(request).await.into_response(),
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }
        })
    }

    /// The payment gateway's API and pages.
    pub(crate) fn sandbox(&self) -> Router {
        self.sandbox.clone()
    }

    /// Ends background work and closes the databases.
    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        // All at once: each one waits for the disk, and whoever pressed Ctrl-C waits for them.
        tokio::join!(
            self.users.database.close(),
            self.products.database.close(),
            self.orders.database.close(),
            self.payments.database.close(),
            self.reviews.database.close(),
        );
    }
}

/// What all services of the process share.
struct Wiring<'a> {
    data: &'a DataFolder,
    verifier: TokenVerifier,
    internal_key: InternalKey,
    peers: Peers,
    shutdown: CancellationToken,
}

impl<'a> Wiring<'a> {
    fn new(data: &'a DataFolder) -> Self {
        // New at each start: nobody outside this process signs or verifies with it.
        let internal_key = InternalKey::generate();
        Self {
            data,
            verifier: TokenVerifier::in_process(&TokenSettings::default()),
            peers: Peers::in_process(&internal_key),
            internal_key,
            shutdown: CancellationToken::new(),
        }
    }

    async fn assemble<S: Service>(&self, config: S::Config) -> Result<App> {
        let options = AssembleOptions {
            database_url: self.data.database_url(S::NAME),
            database_options: DatabaseOptions {
                connections_max: readers(),
                ..DatabaseOptions::default()
            },
            migrate: true,
            seed: true,
            verifier: self.verifier.clone(),
            internal_key: self.internal_key.clone(),
            peers: self.peers.clone(),
            events: EventOptions::default(),
            shutdown: self.shutdown.clone(),
            clock: Clock::System,
        };
        assemble::<S>(options, config).await
    }

    fn sandbox(&self, addresses: Addresses) -> Result<Router> {
        sandbox_gateway::app(sandbox_gateway::Config {
            webhook: Some(sandbox_gateway::config::WebhookTarget {
                url: url(addresses.public, "/webhooks/sandbox")?,
                secret: sandbox_gateway::config::DEMO_WEBHOOK_SECRET.to_owned(),
            }),
            public_url: Some(url(addresses.sandbox, "")?),
            journal: Some(self.data.sandbox_journal()),
            seed: true,
            ..sandbox_gateway::Config::default()
        })
    }
}

/// Connections that read each database: as many as can read at the same time, since each is a thread with its own
/// prepared statements and pages.
fn readers() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let most = DatabaseOptions::default().connections_max;
    u32::try_from(cores).unwrap_or(most).clamp(2, most)
}

/// SDL of every subgraph, by name.
pub(crate) fn sdls() -> [(&'static str, String); 5] {
    [
        (Users::NAME, Users::sdl()),
        (Products::NAME, Products::sdl()),
        (Orders::NAME, Orders::sdl()),
        (Payments::NAME, Payments::sdl()),
        (Reviews::NAME, Reviews::sdl()),
    ]
}

/// A service's settings as its own binary has them without flags; the environment counts here as it does there.
fn defaults<C: clap::Args>() -> C {
    let command = C::augment_args(clap::Command::new("defaults").no_binary_name(true));
    let matches = command.get_matches_from(std::iter::empty::<&str>());
    C::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn url(address: SocketAddr, path: &str) -> Result<Url> {
    // 0.0.0.0 is a place to listen at, not one to go to.
    let host = if address.ip().is_unspecified() {
        "127.0.0.1".to_owned()
    } else {
        address.ip().to_string()
    };
    let host = if address.is_ipv6() && !address.ip().is_unspecified() {
        format!("[{host}]")
    } else {
        host
    };
    Ok(Url::parse(&format!("http://{host}:{}{path}", address.port()))?)
}
