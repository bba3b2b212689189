//! Who gets how many requests.

use std::sync::atomic::Ordering;
use std::time::Duration;

use balanced_client::{ClientOptions, HttpClient, Repeat};

use crate::harness::{Names, Replica, ask, await_until, load};

const REQUESTS: usize = 3_600;

/// Each of `replicas` got its share since it was last asked, within 15 %.
#[track_caller]
fn check_shares(replicas: &[&Replica]) {
    let requests = replicas
        .iter()
        .map(|replica| replica.take_requests())
        .collect::<Vec<_>>();
    let share = requests.iter().sum::<usize>() as f64 / replicas.len() as f64;
    let fair = requests
        .iter()
        .all(|requests| (*requests as f64 / share - 1.0).abs() <= 0.15);
    assert!(fair, "{requests:?}");
}

#[tokio::test]
async fn each_replica_takes_its_share_also_after_one_is_added_killed_or_removed() {
    let [first, second, third] = [
        Replica::start(2).await,
        Replica::start(3).await,
        Replica::start(4).await,
    ];
    let names = Names::of(&[&first, &second, &third]);
    let origin = names.origin();
    load(&origin, REQUESTS).await;
    check_shares(&[&first, &second, &third]);

    let fourth = Replica::start(5).await;
    names.set(&[&first, &second, &third, &fourth]);
    while fourth.requests.load(Ordering::Relaxed) == 0 {
        load(&origin, 12).await;
    }
    for replica in [&first, &second, &third, &fourth] {
        replica.take_requests();
    }
    load(&origin, REQUESTS).await;
    check_shares(&[&first, &second, &third, &fourth]);

    // Still found under the name, like a pod whose node is gone.
    second.kill().await;
    load(&origin, REQUESTS).await;
    assert_eq!(second.take_requests(), 0);
    check_shares(&[&first, &third, &fourth]);

    names.set(&[&first, &third]);
    await_until("the connections to the removed replica are closed", || {
        fourth.open.load(Ordering::Relaxed) == 0
    })
    .await;
    fourth.take_requests();
    load(&origin, REQUESTS).await;
    assert_eq!(fourth.take_requests(), 0);
    check_shares(&[&first, &third]);
}

#[tokio::test]
async fn a_busy_replica_is_spared() {
    let [slow, quick] = [Replica::start(2).await, Replica::start(3).await];
    let origin = Names::of(&[&slow, &quick]).origin();
    slow.hold();
    // Held until the slow replica has one: from then on it is the busier of the two.
    let mut waiting = tokio::task::JoinSet::new();
    while slow.requests.load(Ordering::Relaxed) == 0 {
        let origin = origin.clone();
        waiting.spawn(async move { ask(&origin, Repeat::Harmless).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    quick.take_requests();
    for _ in 0..200 {
        ask(&origin, Repeat::Harmless).await.unwrap();
    }
    assert_eq!((slow.take_requests(), quick.take_requests()), (1, 200));
    slow.answers.add_permits(1);
    while let Some(answer) = waiting.join_next().await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_request_under_way_ends_although_its_replica_is_removed() {
    let [old, new] = [Replica::start(2).await, Replica::start(3).await];
    let names = Names::of(&[&old]);
    let origin = names.origin();
    old.hold();
    let asking = tokio::spawn({
        let origin = origin.clone();
        async move { ask(&origin, Repeat::Harmful).await }
    });
    await_until("the request is under way", || old.requests.load(Ordering::Relaxed) == 1).await;
    names.set(&[&new]);
    while new.requests.load(Ordering::Relaxed) < 20 {
        ask_if_free(&origin, &old).await;
    }
    old.answers.add_permits(10);
    assert_eq!(asking.await.unwrap().unwrap(), "shop");
    await_until("its connection is closed after it", || {
        old.open.load(Ordering::Relaxed) == 0
    })
    .await;
}

/// Asks, but does not wait for a replica that holds its answers.
async fn ask_if_free(origin: &balanced_client::Origin, held: &Replica) {
    let before = held.requests.load(Ordering::Relaxed);
    let asked = tokio::time::timeout(Duration::from_millis(50), ask(origin, Repeat::Harmless)).await;
    assert!(asked.is_ok_and(|answer| answer.is_ok()) || held.requests.load(Ordering::Relaxed) > before);
}

#[tokio::test]
async fn connections_are_renewed_when_they_are_old() {
    let replica = Replica::start(2).await;
    let options = ClientOptions {
        resolve_interval: Duration::from_millis(20),
        connection_age_max: Duration::from_millis(200),
    };
    let client = HttpClient::new(options, Names::of(&[&replica]).resolver());
    let origin = client.origin(&"http://shop".parse().unwrap()).unwrap();
    while replica.connections.load(Ordering::Relaxed) < 4 {
        ask(&origin, Repeat::Harmful).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(replica.open.load(Ordering::Relaxed) <= 2, "old connections are closed");
    assert!(replica.take_requests() > 40, "connections are kept alive before");
}

#[tokio::test]
async fn urls_of_one_origin_share_its_connections() {
    let replica = Replica::start(2).await;
    let client = HttpClient::new(ClientOptions::default(), Names::of(&[&replica]).resolver());
    let origin = |url: &str| client.origin(&url.parse().unwrap()).unwrap();
    let first = origin("http://shop/graphql");
    for url in ["http://shop/graphql", "http://shop", "http://shop:80/other"] {
        let origin = origin(url);
        ask(&origin, Repeat::Harmful).await.map(drop).unwrap();
    }
    drop(first);
    assert_eq!(replica.connections.load(Ordering::Relaxed), 1);
}
