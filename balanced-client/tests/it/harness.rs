//! Replicas that can be killed, and a name server that can be told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use balanced_client::{ClientOptions, HttpClient, Origin, Repeat, Resolver, SendError};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

/// Longest wait of any test for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on an address of its own.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicUsize>,
    /// Accepted since the start.
    pub(crate) connections: Arc<AtomicUsize>,
    /// Open now.
    pub(crate) open: Arc<AtomicUsize>,
    /// A permit is needed for each answer.
    pub(crate) answers: Arc<Semaphore>,
    task: AbortHandle,
}

impl Replica {
    /// The replica 127.0.0.`host`.
    pub(crate) async fn start(host: u8) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, host], 0))).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS / 2));
        let [requests, connections, open] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let counters = (Arc::clone(&requests), Arc::clone(&connections), Arc::clone(&open));
        let task = tokio::spawn(accept(listener, counters, Arc::clone(&answers))).abort_handle();
        Self {
            address,
            requests,
            connections,
            open,
            answers,
            task,
        }
    }

    /// Closes the listener and all connections, whatever is under way.
    pub(crate) async fn kill(&self) {
        self.task.abort();
        await_until("the replica is dead", || self.task.is_finished()).await;
    }

    /// Lets requests wait until answers are permitted again.
    pub(crate) fn hold(&self) {
        self.answers.forget_permits(usize::MAX);
    }

    /// Requests since the last time this was asked.
    pub(crate) fn take_requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

type Counters = (Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>);

async fn accept(listener: TcpListener, (requests, connections, open): Counters, answers: Arc<Semaphore>) {
    // Dropped, and with it all connections, when this task is aborted.
    let mut tasks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::Relaxed);
        let guard = Open::new(&open);
        let (requests, answers) = (Arc::clone(&requests), Arc::clone(&answers));
        let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
            let (requests, answers) = (Arc::clone(&requests), Arc::clone(&answers));
            async move {
                requests.fetch_add(1, Ordering::Relaxed);
                let host = request.headers()["host"].to_str().unwrap().to_owned();
                drop(request.into_body().collect().await);
                drop(answers.acquire().await.unwrap());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(host))))
            }
        });
        tasks.spawn(async move {
            // The client goes away as it pleases.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            drop(guard);
        });
    }
}

struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The addresses of the one name that there is.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<Vec<SocketAddr>>>);

impl Names {
    pub(crate) fn of(replicas: &[&Replica]) -> Self {
        let names = Self::default();
        names.set(replicas);
        names
    }

    pub(crate) fn set(&self, replicas: &[&Replica]) {
        *self.0.lock().unwrap() = replicas.iter().map(|replica| replica.address).collect();
    }

    pub(crate) fn resolver(&self) -> Resolver {
        let names = self.clone();
        Resolver::new(move |_, _| {
            let addresses = names.0.lock().unwrap().clone();
            async move { Ok(addresses) }
        })
    }

    /// A client that looks the name up every 50 ms.
    pub(crate) fn origin(&self) -> Origin {
        let options = ClientOptions {
            resolve_interval: Duration::from_millis(50),
            ..ClientOptions::default()
        };
        HttpClient::new(options, self.resolver())
            .origin(&"http://shop".parse().unwrap())
            .unwrap()
    }
}

/// One request, to its end.
pub(crate) async fn ask(origin: &Origin, repeat: Repeat) -> Result<String, SendError> {
    let request = Request::post("/graphql").body(Bytes::from_static(b"{}")).unwrap();
    let response = origin.send(&request, repeat).await?;
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| SendError::Lost(error.into()))?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

/// `count` requests, twelve at a time, each of which must succeed.
pub(crate) async fn load(origin: &Origin, count: usize) {
    let mut workers = JoinSet::new();
    for _ in 0..12 {
        let origin = origin.clone();
        workers.spawn(async move {
            for _ in 0..count / 12 {
                assert_eq!(ask(&origin, Repeat::Harmless).await.unwrap(), "shop");
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
}

pub(crate) async fn await_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
