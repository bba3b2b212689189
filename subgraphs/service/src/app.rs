//! What a service is, and how its parts become an [`App`] that a process serves.

use crate::auth::{InternalKey, TokenVerifier};
use crate::body_deadline::BODY_TIMEOUT;
use crate::clock::Clock;
use crate::database::{Database, DatabaseOptions};
use crate::events::{
    EventConsumer, EventOptions, Nats, Parked, PeerTransport, Relay, RelayBell, Subscriber, Transport,
};
use crate::graphql::Stopping;
use crate::peer::Peers;
use crate::{body_deadline, events, internal, telemetry};
use anyhow::Context;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use sea_orm_migration::MigratorTrait;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

/// A domain service: what it is called, its settings, its tables, and its routes.
pub trait Service: Send + Sync + 'static {
    /// Name of the service, its binary, subgraph, database and `service` label.
    const NAME: &'static str;

    /// Whether a commit must be on disk before it is answered; see [`DatabaseOptions::durable`].
    const DURABLE: bool = false;

    /// Whether it writes or reads events; then [`events::Migration`] and [`events::LongEvents`] are among its
    /// migrations.
    const EVENTS: bool = false;

    /// The service's own settings. Doc comments are the help text.
    type Config: clap::Args + Clone + std::fmt::Debug + Send + Sync;

    /// The service's migrations.
    type Migrator: MigratorTrait;

    /// The federation SDL, by [`crate::graphql::sdl`].
    fn sdl() -> String;

    /// Fills empty tables with the demo shop; does nothing to tables that have rows.
    fn seed(database: &Database) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// The service's routes. Background work is spawned here and ends with `context.shutdown`.
    fn routes(context: ServiceContext, config: Self::Config) -> impl Future<Output = anyhow::Result<Routes>> + Send;
}

/// What a service is given.
#[derive(Clone)]
pub struct ServiceContext {
    /// Its database, with current tables (unless a job migrates them later; then readiness waits).
    pub database: Database,
    /// Verifies access tokens.
    pub verifier: TokenVerifier,
    /// Signs and verifies calls between services.
    pub internal_key: InternalKey,
    /// The other services.
    pub peers: Peers,
    /// To be rung when an event was written.
    pub relay: RelayBell,
    /// Ends background work.
    pub shutdown: CancellationToken,
    /// The time.
    pub clock: Clock,
}

/// The routes of a service, as it makes them; [`assemble`] adds the layers that all services have.
#[derive(Default)]
pub struct Routes {
    /// `/graphql`, and whatever else the router or the edge may reach.
    pub public: Router,
    /// `/internal/…`, for other services.
    pub internal: Router,
    /// `/webhooks/…`, for gateways.
    pub webhook: Option<Router>,
    /// Reads the events of other services.
    pub events: Option<Arc<dyn EventConsumer>>,
}

/// A service that is ready to be served, over sockets or within the process.
#[derive(Debug)]
pub struct App {
    /// `/graphql`, and whatever else the router or the edge may reach.
    pub public: Router,
    /// `/internal/…`, for requests that other services signed.
    pub internal: Router,
    /// `/livez`, `/readyz`, `/metrics`.
    pub admin: Router,
    /// `/webhooks/…`, for gateways.
    pub webhook: Option<Router>,
    /// The database, to be closed after the last request.
    pub database: Database,
}

/// Everything [`assemble`] needs beside the service's own settings.
#[derive(Clone)]
pub struct AssembleOptions {
    /// `sqlite:…`, `postgres:…` or `mysql:…`.
    pub database_url: String,
    /// How to use it, but for `durable`, which the service says itself.
    pub database_options: DatabaseOptions,
    /// Bring the tables up to date first.
    pub migrate: bool,
    /// Fill empty tables with the demo shop first.
    pub seed: bool,
    /// Verifies access tokens.
    pub verifier: TokenVerifier,
    /// Signs and verifies calls between services.
    pub internal_key: InternalKey,
    /// The other services.
    pub peers: Peers,
    /// How events are kept and sent.
    pub events: EventOptions,
    /// Ends background work, and readiness.
    pub shutdown: CancellationToken,
    /// The time.
    pub clock: Clock,
}

impl AssembleOptions {
    /// Options for a service alone: its own token keys and internal key, no peers, current tables, no seed data.
    #[must_use]
    pub fn alone(database_url: impl Into<String>, verifier: TokenVerifier) -> AssembleOptions {
        AssembleOptions {
            database_url: database_url.into(),
            database_options: DatabaseOptions::default(),
            migrate: true,
            seed: false,
            verifier,
            internal_key: InternalKey::generate(),
            peers: Peers::default(),
            events: EventOptions::default(),
            shutdown: CancellationToken::new(),
            clock: Clock::System,
        }
    }
}

/// Builds a service: connects, migrates and seeds as told, and puts the common layers around its routes.
///
/// # Errors
/// When the database cannot be reached or migrated, or the service's settings are wrong.
pub async fn assemble<S: Service>(options: AssembleOptions, config: S::Config) -> anyhow::Result<App> {
    let database_options = DatabaseOptions {
        durable: S::DURABLE,
        ..options.database_options
    };
    let database = Database::connect(&options.database_url, &database_options).await?;
    if options.migrate {
        database
            .migrate::<S::Migrator>()
            .await
            .with_context(|| format!("`{}` could not be migrated", S::NAME))?;
    }
    if options.seed {
        fill::<S>(&database)
            .await
            .with_context(|| format!("`{}` could not be seeded", S::NAME))?;
    }
    telemetry::init_metrics();
    telemetry::record_build(S::NAME);
    tokio::spawn(telemetry::observe_connections(
        S::NAME,
        database.clone(),
        options.shutdown.clone(),
    ));
    let bell = RelayBell::default();
    let context = ServiceContext {
        database: database.clone(),
        verifier: options.verifier.clone(),
        internal_key: options.internal_key.clone(),
        peers: options.peers.clone(),
        relay: bell.clone(),
        shutdown: options.shutdown.clone(),
        clock: options.clock.clone(),
    };
    let mut routes = S::routes(context, config).await?;
    if S::EVENTS {
        carry_events::<S>(&options, &database.for_background(), bell, routes.events.as_ref()).await?;
    }
    // Also where a broker carries events, so that services may turn to it one after the other.
    if let Some(consumer) = routes.events {
        routes.internal = routes.internal.merge(events::router(consumer));
    }
    let stopping = Extension(Stopping(options.shutdown.clone()));
    let layered = |router: Router| {
        let settled = from_fn_with_state(database.clone(), answer_what_is_stored);
        let timed = body_deadline::within(router.layer(CatchPanicLayer::new()).layer(settled), BODY_TIMEOUT);
        telemetry::observed(timed, S::NAME)
    };
    Ok(App {
        public: layered(routes.public.layer(stopping)),
        internal: layered(internal::verified(routes.internal, options.internal_key)),
        admin: admin::<S>(Probe {
            database: database.clone(),
            shutdown: options.shutdown,
        }),
        webhook: routes.webhook.map(layered),
        database: database.clone(),
    })
}

/// Fills empty tables with the demo shop.
///
/// # Errors
/// When the database does not answer, or refuses a row.
pub(crate) async fn fill<S: Service>(database: &Database) -> anyhow::Result<()> {
    S::seed(database).await?;
    Ok(database.analyze().await?)
}

/// Lets no answer out that may tell what a power cut could undo.
async fn answer_what_is_stored(State(database): State<Database>, request: Request, next: Next) -> Response {
    let lost_before = database.lost_commits();
    let response = next.run(request).await;
    match database.settled(lost_before).await {
        Ok(()) => response,
        Err(error) => {
            tracing::error!(%error, "What a request has seen was not stored");
            // Not 500: to who sends events, that would be a refusal of this one, and after some of them it is parked.
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Begins to send the events of the service, and to take those of others.
async fn carry_events<S: Service>(
    options: &AssembleOptions,
    database: &Database,
    bell: RelayBell,
    consumer: Option<&Arc<dyn EventConsumer>>,
) -> anyhow::Result<()> {
    let nats = match &options.events.nats {
        Some(nats) => Some(Nats::connect(nats.clone(), S::NAME).await?),
        None => None,
    };
    let transport: Arc<dyn Transport> = match &nats {
        Some(nats) => Arc::new(nats.clone()),
        None => Arc::new(PeerTransport::new(options.peers.clone())),
    };
    let relay = Relay {
        service: S::NAME,
        database: database.clone(),
        transport,
        clock: options.clock.clone(),
        options: options.events.clone(),
        bell,
        consumer: consumer.cloned(),
    };
    tokio::spawn(relay.run(options.shutdown.clone()));
    if let (Some(nats), Some(consumer)) = (nats, consumer) {
        let subscriber = Subscriber {
            service: S::NAME,
            nats,
            consumer: Arc::clone(consumer),
            parked: Parked::new(database.clone()),
            clock: options.clock.clone(),
            refusals_max: options.events.refusals_max,
        };
        tokio::spawn(subscriber.run(options.shutdown.clone()));
    }
    Ok(())
}

#[derive(Clone)]
struct Probe {
    database: Database,
    shutdown: CancellationToken,
}

fn admin<S: Service>(probe: Probe) -> Router {
    Router::new()
        // The process alone: a database in liveness would restart the fleet whenever it is slow.
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready::<S>))
        .with_state(probe)
        .merge(telemetry::metrics_router())
}

const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

async fn ready<S: Service>(State(probe): State<Probe>) -> Response {
    let not_ready = |reason: &'static str| (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
    if probe.shutdown.is_cancelled() {
        return not_ready("stopping\n");
    }
    if !probe.database.has_room() {
        return not_ready("the disk of the database is full\n");
    }
    let current = probe.database.schema_is_current::<S::Migrator>();
    match tokio::time::timeout(READINESS_TIMEOUT, current).await {
        Ok(Ok(true)) => "ready\n".into_response(),
        Ok(Ok(false)) => not_ready("the tables are older than the program: run `migrate`\n"),
        Ok(Err(_)) | Err(_) => not_ready("the database does not answer\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::DatabaseOptions;
    use crate::testing::{TempSqlite, get};
    use sea_orm::ConnectionTrait as _;

    #[tokio::test]
    async fn an_answer_whose_commit_is_lost_says_that_it_may_be_asked_again() {
        let file = TempSqlite::new();
        let database = Database::connect(&file.url, &DatabaseOptions::default()).await.unwrap();
        let item = "CREATE TABLE item (id INTEGER PRIMARY KEY,
            other INTEGER REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED)";
        database.write().execute_unprepared(item).await.unwrap();
        let of_handler = database.clone();
        let lose = move || async move {
            let transaction = of_handler.begin().await.unwrap();
            let insert = "INSERT INTO item (id, other) VALUES (1, 77)";
            transaction.execute_unprepared(insert).await.unwrap();
            transaction.commit().await.unwrap_err();
        };
        let router = Router::new()
            .route("/", axum::routing::get(lose))
            .layer(from_fn_with_state(database, answer_what_is_stored));
        assert_eq!(get(&router, "/").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
