//! What happens when replicas, connections and names fail.

use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balanced_client::{ClientOptions, HttpClient, Repeat, Resolver, SendError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Names, Replica, ask, await_until, load};

#[tokio::test]
async fn what_was_not_sent_goes_to_another_replica() {
    let [dead, alive] = [Replica::start(2).await, Replica::start(3).await];
    dead.kill().await;
    let origin = Names::of(&[&dead, &alive]).origin();
    for _ in 0..100 {
        ask(&origin, Repeat::Harmful).await.unwrap();
    }
    assert_eq!(alive.take_requests(), 100);
}

#[tokio::test]
async fn a_replica_that_is_back_is_used_again() {
    let [first, second] = [Replica::start(2).await, Replica::start(3).await];
    let origin = Names::of(&[&first, &second]).origin();
    load(&origin, 120).await;
    first.kill().await;
    load(&origin, 120).await;
    let back = Replica::start_at(first.address).await;
    let mut asked = 0;
    while back.requests.load(Ordering::Relaxed) == 0 {
        ask(&origin, Repeat::Harmless).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        asked += 1;
        assert!(asked < 1_000, "the replica is not used again");
    }
}

#[tokio::test]
async fn when_all_are_dead_they_are_tried_all_the_same() {
    let replica = Replica::start(2).await;
    let origin = Names::of(&[&replica]).origin();
    replica.kill().await;
    for _ in 0..2 {
        let refused = ask(&origin, Repeat::Harmless).await;
        assert!(matches!(refused, Err(SendError::NotSent(_))), "{refused:?}");
    }
    let _back = Replica::start_at(replica.address).await;
    ask(&origin, Repeat::Harmful).await.unwrap();
}

/// A server that answers `answers` requests on a connection and drops the next one; counts requests.
async fn fickle(answers: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            for turn in 0..=answers {
                // The requests of these tests arrive in one piece.
                if stream.read(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
                seen.fetch_add(1, Ordering::Relaxed);
                if turn < answers {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    stream.write_all(answer).await.unwrap();
                }
            }
        }
    });
    (url, requests)
}

#[tokio::test]
async fn what_may_have_arrived_is_repeated_only_if_harmless_and_the_connection_was_kept() {
    for (answers, repeat, second_succeeds, requests) in [
        (1, Repeat::Harmless, true, 3),
        (1, Repeat::Harmful, false, 2),
        // On fresh connections: the request may be what kills its server.
        (0, Repeat::Harmless, false, 2),
    ] {
        let (url, seen) = fickle(answers).await;
        let origin = HttpClient::default().origin(&url.parse().unwrap()).unwrap();
        assert_eq!(ask(&origin, repeat).await.is_ok(), answers > 0);
        let second = ask(&origin, repeat).await;
        assert_eq!(second.is_ok(), second_succeeds, "{second:?}");
        if let Err(error) = second {
            assert!(matches!(error, SendError::Lost(_)), "{error:?}");
        }
        assert_eq!(seen.load(Ordering::Relaxed), requests, "{repeat:?} after {answers}");
    }
}

#[tokio::test]
async fn a_name_may_be_found_late_and_lost_again() {
    let replica = Replica::start(2).await;
    let answer = Arc::new(Mutex::new(None));
    let resolver = Resolver::new({
        let answer = Arc::clone(&answer);
        move |_, _| {
            let answer: Option<Vec<_>> = answer.lock().unwrap().clone();
            async move { answer.ok_or_else(|| std::io::Error::other("no such name")) }
        }
    });
    let options = ClientOptions {
        resolve_interval: Duration::from_millis(20),
        ..ClientOptions::default()
    };
    let origin = HttpClient::new(options, resolver)
        .origin(&"http://shop".parse().unwrap())
        .unwrap();
    let lost = ask(&origin, Repeat::Harmful).await;
    assert!(
        matches!(&lost, Err(SendError::NotSent(reason)) if reason.to_string() == "no such name"),
        "{lost:?}"
    );
    *answer.lock().unwrap() = Some(vec![replica.address]);
    let mut asked = 0;
    while ask(&origin, Repeat::Harmful).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        asked += 1;
        assert!(asked < 500, "the name is not found");
    }
    for nothing in [None, Some(Vec::new())] {
        *answer.lock().unwrap() = nothing;
        tokio::time::sleep(Duration::from_millis(100)).await;
        ask(&origin, Repeat::Harmful).await.unwrap();
    }
}

#[tokio::test]
async fn tls_is_asked_for_the_name_and_not_the_address() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let resolver = Resolver::new(move |_, _| async move { Ok(vec![address]) });
    let client = HttpClient::new(ClientOptions::default(), resolver);
    let origin = client.origin(&"https://shop.example/graphql".parse().unwrap()).unwrap();
    let asking = tokio::spawn(async move { ask(&origin, Repeat::Harmful).await });
    let (stream, _) = listener.accept().await.unwrap();
    let name = tokio::task::spawn_blocking(move || server_name(stream.into_std().unwrap()));
    assert_eq!(name.await.unwrap().as_deref(), Some("shop.example"));
    let answer = asking.await.unwrap();
    assert!(matches!(answer, Err(SendError::NotSent(_))), "{answer:?}");
}

/// The name in the first message of a TLS client.
fn server_name(stream: std::net::TcpStream) -> Option<String> {
    stream.set_nonblocking(false).unwrap();
    let mut reader = BufReader::new(stream);
    let mut acceptor = rustls::server::Acceptor::default();
    loop {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        acceptor.read_tls(&mut &byte[..]).unwrap();
        if let Some(accepted) = acceptor.accept().ok()? {
            return accepted.client_hello().server_name().map(str::to_owned);
        }
    }
}

#[test]
fn urls_are_checked_at_the_start() {
    let client = HttpClient::default();
    for url in ["shop", "/graphql", "ftp://shop/graphql"] {
        let error = client.origin(&url.parse().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{url}` is not an absolute http or https URL")
        );
    }
}

#[tokio::test]
async fn maintenance_ends_with_the_last_holder() {
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    let resolver = Resolver::new(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err(std::io::Error::other("no such name")) }
    });
    let options = ClientOptions {
        resolve_interval: Duration::from_millis(10),
        ..ClientOptions::default()
    };
    let client = HttpClient::new(options, resolver);
    let origin = client.origin(&"http://shop".parse().unwrap()).unwrap();
    assert!(ask(&origin, Repeat::Harmful).await.is_err());
    await_until("it goes on looking", || lookups.load(Ordering::Relaxed) > 3).await;
    drop(origin);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let ended = lookups.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(lookups.load(Ordering::Relaxed), ended);
}
