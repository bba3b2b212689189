//! Events by NATS JetStream: one stream of the shop, one durable consumer a service.
//!
//! The stream is made when it is not there; one that is there stays as its operator made it. An event counts as sent
//! when the broker has stored it, and as taken when the transaction of its effect is committed. The broker drops what is
//! sent twice within [`DUPLICATES_WINDOW`]; the inbox knows the rest.

use super::EventConsumer;
use super::inbox::{BAD_ID, consume, has_usable_id};
use super::migration::ID_BYTES_MAX;
use super::parked::Parked;
use super::relay::delay;
use super::transport::{SendError, Transport};
use crate::clock::Clock;
use crate::contract::events::Event;
use crate::fault;
use anyhow::{Context as _, anyhow};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, Stream};
use async_nats::jetstream::{self, AckKind, Message};
use async_nats::{ConnectOptions, ServerAddr};
use futures::TryStreamExt;
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long the broker remembers ids of what was sent: longer than the relay's longest wait between two attempts.
const DUPLICATES_WINDOW: Duration = Duration::from_secs(600);
/// Longest wait for the broker's word that it has stored an event. Below the relay's lease.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an event is one replica's to take; then the broker hands it to another.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Events that one replica takes at the same time.
const TAKEN_AT_ONCE: usize = 8;
/// Events that are handed out and not acknowledged, to all replicas of a service together.
const UNACKNOWLEDGED_MAX: i64 = 256;
/// Pause after the broker has failed.
const RETRY: Duration = Duration::from_secs(2);

/// Where the broker is.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// `nats://host:4222` or `tls://host:4222`, and several of a cluster with commas between; may hold user and password.
    pub url: String,
    /// File with a user's credentials (JWT and seed), as `nsc` writes it.
    pub credentials_file: Option<PathBuf>,
    /// File with the certificates that vouch for the broker, beside those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Name of the stream, and first part of its subjects: `hansa.orders.paid`.
    pub stream: String,
    /// How long the stream keeps events.
    pub kept: Duration,
}

/// A connection to the broker, which comes back by itself. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Nats {
    pub(super) context: jetstream::Context,
    pub(super) options: Arc<NatsOptions>,
}

impl Nats {
    /// Begins to connect; a broker that is away is waited for in the background.
    ///
    /// # Errors
    /// When the address or a file cannot be read.
    pub(crate) async fn connect(options: NatsOptions, service: &'static str) -> anyhow::Result<Nats> {
        // Somebody else in the process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Not the cause: it repeats the address, which may hold a password.
        let (servers, login) = parse_servers(&options.url)
            .ok_or_else(|| anyhow!("NATS_URL must be `nats://host:port` or `tls://host:port`"))?;
        let mut connect = ConnectOptions::new().name(service).retry_on_initial_connect();
        if let Some((user, password)) = login {
            connect = connect.user_and_password(user, password);
        }
        if let Some(path) = &options.credentials_file {
            connect = connect
                .credentials_file(path)
                .await
                .with_context(|| format!("the NATS credentials in `{}` could not be read", path.display()))?;
        }
        if let Some(path) = &options.ca_file {
            connect = connect.add_root_certificates(path.clone());
        }
        let client = connect.connect(servers).await.context("NATS could not be set up")?;
        let mut context = jetstream::new(client);
        context.set_timeout(SEND_TIMEOUT);
        Ok(Nats {
            context,
            options: Arc::new(options),
        })
    }

    /// The stream, made if need be.
    pub(super) async fn stream(&self) -> Result<Stream, async_nats::Error> {
        let name = &self.options.stream;
        match self.context.get_stream(name).await {
            Ok(stream) => Ok(stream),
            Err(error) if is_absent(&error) => {
                tracing::info!(nats.stream = name, "Making the stream `{name}`");
                let config = stream::Config {
                    name: name.clone(),
                    subjects: vec![format!("{name}.>")],
                    max_age: self.options.kept,
                    duplicate_window: DUPLICATES_WINDOW,
                    ..stream::Config::default()
                };
                Ok(self.context.create_stream(config).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn publish(&self, event: &Event, payload: Vec<u8>) -> Result<(), async_nats::Error> {
        let subject = format!("{}.{}", self.options.stream, event.event_type);
        let message = || {
            PublishMessage::build()
                .payload(payload.clone().into())
                .message_id(&event.id)
                .expected_stream(&self.options.stream)
        };
        match self.context.send_publish(subject.clone(), message()).await?.await {
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => {
                self.stream().await?;
                self.context.send_publish(subject, message()).await?.await?;
                Ok(())
            }
            stored => Ok(stored.map(|_| ())?),
        }
    }
}

/// User and password.
type Login = (String, String);

/// The servers of a list, and the login that one of them holds: the client looks at the hosts alone.
pub(super) fn parse_servers(list: &str) -> Option<(Vec<ServerAddr>, Option<Login>)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (mut servers, mut login) = (Vec::new(), None);
    for server in list.split(',') {
        let mut url = Url::parse(server.trim()).ok()?;
        if !url.username().is_empty() {
            login = Some((decoded(url.username()), decoded(url.password().unwrap_or_default())));
            url.set_username("").ok()?;
            url.set_password(None).ok()?;
        }
        servers.push(ServerAddr::from_url(url).ok()?);
    }
    Some((servers, login))
}

fn is_absent(error: &jetstream::context::GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error)
        if error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND)
}

#[async_trait::async_trait]
impl Transport for Nats {
    async fn send(&self, event: &Event) -> Result<(), SendError> {
        let payload = serde_json::to_vec(event).map_err(|error| SendError::Refused(error.to_string()))?;
        let bytes_max = self.context.client().server_info().max_payload;
        if bytes_max > 0 && payload.len() > bytes_max {
            let (bytes, limit) = (payload.len(), bytes_max);
            return Err(SendError::Refused(format!("{bytes} bytes, and NATS takes {limit}")));
        }
        // Whatever else the broker says is about the broker: no disk, no leader, no permission.
        match tokio::time::timeout(SEND_TIMEOUT, self.publish(event, payload)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SendError::Unreachable(format!("NATS: {error}"))),
            Err(_) => Err(SendError::Unreachable("NATS did not answer in time".to_owned())),
        }
    }
}

/// Takes the events of the stream for one service.
pub(crate) struct Subscriber {
    pub(crate) service: &'static str,
    pub(crate) nats: Nats,
    pub(crate) consumer: Arc<dyn EventConsumer>,
    pub(crate) parked: Parked,
    pub(crate) clock: Clock,
    /// Deliveries after which an event is parked that is refused.
    pub(crate) refusals_max: i32,
}

impl Subscriber {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let taking = shutdown.run_until_cancelled(self.take_all()).await;
            if let Some(Err(error)) = taking {
                tracing::warn!(%error, "NATS failed; it will be tried again");
                // Ends early when there is no more to wait for.
                let _ = shutdown.run_until_cancelled(tokio::time::sleep(RETRY)).await;
            }
        }
    }

    async fn take_all(&self) -> Result<(), async_nats::Error> {
        let config = pull::Config {
            durable_name: Some(self.service.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: UNACKNOWLEDGED_MAX,
            // No `max_deliver`: a broker that stops by itself leaves an event nowhere when we die at its last delivery.
            // No filter: several subjects need NATS 2.10, and what is of no interest is acknowledged at once.
            ..pull::Config::default()
        };
        let stream = self.nats.stream().await?;
        let consumer: PullConsumer = stream.get_or_create_consumer(self.service, config).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(TAKEN_AT_ONCE)
            .messages()
            .await?;
        messages
            .map_err(async_nats::Error::from)
            .try_for_each_concurrent(TAKEN_AT_ONCE, |message| self.take(message))
            .await
    }

    async fn take(&self, message: Message) -> Result<(), async_nats::Error> {
        let delivered = message.info().map_or(1, |info| info.delivered);
        let taken = match serde_json::from_slice::<Event>(&message.payload) {
            Ok(event) if !has_usable_id(&event) => Err((true, anyhow::anyhow!(BAD_ID))),
            Ok(event) => consume(&*self.consumer, &event)
                .await
                .map_err(|error| (error.is_refusal(), anyhow::Error::from(error))),
            Err(error) => Err((true, anyhow::Error::from(error).context("no event"))),
        };
        let Err((is_refusal, error)) = taken else {
            fault::point(&format!("{}.events.taken", self.service));
            return message.ack().await;
        };
        let (id, error) = (id_of(&message), format!("{error:#}"));
        // A database that fails says nothing about the event, however often it comes.
        if !is_refusal || delivered < i64::from(self.refusals_max) {
            tracing::warn!(event.id = id, error, "Event `{id}` failed; it comes again");
            return self.later(&message, delivered).await;
        }
        let text = String::from_utf8_lossy(&message.payload);
        match self.parked.park(&id, &text, &error, self.clock.now()).await {
            Ok(()) => {
                tracing::error!(
                    event.id = id,
                    error,
                    "Event `{id}` was refused too often, and is parked"
                );
                message.ack().await
            }
            Err(unstored) => {
                tracing::error!(event.id = id, error = %unstored, "Event `{id}` could not be parked; it comes again");
                self.later(&message, delivered).await
            }
        }
    }

    async fn later(&self, message: &Message, delivered: i64) -> Result<(), async_nats::Error> {
        let delay = delay(i32::try_from(delivered).unwrap_or(i32::MAX));
        message.ack_with(AckKind::Nak(delay.to_std().ok())).await
    }
}

/// The id under which it was sent; a message of somebody else has its place in the stream.
fn id_of(message: &Message) -> String {
    let sent = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
    match sent {
        Some(id) if (1..=ID_BYTES_MAX as usize).contains(&id.as_str().len()) => id.as_str().to_owned(),
        _ => format!("nats:{}", message.info().map_or(0, |info| info.stream_sequence)),
    }
}
