//! Silence, lost answers, races and the clock.

use std::time::Duration;

use expect_test::expect;
use futures::future::join_all;
use orders::Migrator;
use orders::domain::{Edit, LEASE, OrderFile, OrderStatus, Step};
use orders::driver::Driver;
use orders::neighbours::Neighbours;
use orders::store::{Driven, KeyUse, Placed, Store};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use service::auth::{InternalKey, Role};
use service::clock::Clock;
use service::contract::products::ReleaseReply;
use service::database::{Database, DatabaseOptions};
use service::events::RelayBell;
use service::peer::Peers;
use service::testing::{TempSqlite, each_database};
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, input, shown};
use crate::state_machine::{paid_and_given_back, placed_order};

#[tokio::test(flavor = "multi_thread")]
async fn one_lease_has_one_runner_on_every_database() {
    each_database(|url| async move {
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let (store, placed) = (Store::new(database.clone()), placed_order());
        let (id, now) = (placed.order.id.clone(), placed.order.placed_at);
        let key = KeyUse {
            id: "key".to_owned(),
            request_hash: "hash".to_owned(),
            payment_id: None,
        };
        store.place(&placed, &key, None).await.unwrap().unwrap();
        let claims = join_all((0..8).map(|_| store.claim(&id, now))).await;
        let leases: Vec<String> = claims.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(leases.len(), 1, "one of eight runners wins on {url}");
        let almost = now + LEASE - chrono::TimeDelta::seconds(1);
        assert_eq!(store.claim(&id, almost).await.unwrap(), None);
        let later = now + LEASE;
        let second = store.claim(&id, later).await.unwrap().unwrap();
        let edit = Edit {
            actor: "system",
            now: later,
        };
        let act = |file: &mut OrderFile| assert!(file.cancel(None, &edit));
        let file = store.file(&id).await.unwrap().unwrap();
        let driven = |lease| Driven {
            file: &file,
            lease,
            now: later,
            lane: None,
        };
        // The first comes back late: what it has heard does not count.
        assert_eq!(store.finish_step(driven(&leases[0]), act).await.unwrap(), None);
        let status = |file: Option<OrderFile>| file.unwrap().order.status;
        assert_eq!(status(store.file(&id).await.unwrap()), OrderStatus::Pending, "on {url}");
        let finished = store.finish_step(driven(&second), act).await.unwrap();
        assert_eq!(status(finished.clone()), OrderStatus::Cancelled);
        // There is stock to let go of, so the second goes on; when there is nothing more to do, the lease ends.
        assert_eq!(store.claim(&id, later).await.unwrap(), None);
        let soon = later + chrono::TimeDelta::seconds(1);
        let done = |file: &mut OrderFile| file.saga.next_at = Some(soon);
        let driven = Driven {
            file: &finished.unwrap(),
            ..driven(&second)
        };
        store.finish_step(driven, done).await.unwrap().unwrap();
        assert_eq!(store.claim(&id, later).await.unwrap(), None, "nothing is due");
        assert!(store.claim(&id, soon).await.unwrap().is_some(), "the lease has ended");
        database.close().await;
    })
    .await;
}

/// Reviews waits for that event, and an order comes to `PAID` once.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_paid_and_given_back_at_once_tells_that_it_was_paid() {
    each_database(|url| async move {
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let (store, (placed, after)) = (Store::new(database.clone()), paid_and_given_back());
        let key = KeyUse {
            id: "key".to_owned(),
            request_hash: "hash".to_owned(),
            payment_id: None,
        };
        store.place(&placed, &key, None).await.unwrap().unwrap();
        let changed = store.change(&placed.order.id, |file| {
            let (number, version) = (file.order.number, file.order.version);
            *file = after.clone();
            (file.order.number, file.order.version) = (number, version);
            Ok::<(), std::convert::Infallible>(())
        });
        changed.await.unwrap().unwrap().unwrap();
        let count = "SELECT count(*) FROM event_outbox WHERE event LIKE '%orders.paid%'";
        let backend = database.read().get_database_backend();
        let row = database
            .read()
            .query_one_raw(sea_orm::Statement::from_string(backend, count));
        let row = row.await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 1, "on {url}");
        database.close().await;
    })
    .await;
}

/// An order of somebody else: who pays none of them has few.
fn another_order() -> OrderFile {
    let mut file = placed_order();
    file.order.id = service::id::new("ord");
    file.order.user_id = service::id::new("usr");
    for line in &mut file.lines {
        line.id = service::id::new("oln");
    }
    for event in &mut file.new_events {
        event.id = service::id::new("oev");
    }
    file
}

fn key_of(id: &str) -> KeyUse {
    KeyUse {
        id: id.to_owned(),
        request_hash: "hash".to_owned(),
        payment_id: None,
    }
}

/// Twenty orders at once are stored a few together; two of them have one key, and only one of these is stored.
#[tokio::test(flavor = "multi_thread")]
async fn orders_placed_at_once_have_numbers_without_gaps_on_every_database() {
    each_database(|url| async move {
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let store = Store::new(database.clone());
        let place = async |number: usize| {
            let file = another_order();
            let key = key_of(&format!("key {}", number.max(1)));
            let placed = store.place(&file, &key, None).await.unwrap().unwrap();
            (file.order.id, placed)
        };
        let placed = join_all((0..20).map(place)).await;
        let mut numbers = Vec::new();
        let mut known = Vec::new();
        for (id, placed) in &placed {
            match placed {
                Placed::New(file) => {
                    assert_eq!(store.file(id).await.unwrap().as_ref(), Some(&**file), "on {url}");
                    numbers.push(file.order.number);
                }
                Placed::KnownKey { order_id, .. } => known.push(order_id),
            }
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (100_001..=100_019).collect::<Vec<_>>(), "on {url}");
        let [first, second, ..] = &placed[..] else {
            unreachable!()
        };
        assert!(known == [&first.0] || known == [&second.0], "on {url}");
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_are_counted_and_events_taken_once_on_every_database() {
    each_database(|url| async move {
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let (store, placed) = (Store::new(database.clone()), placed_order());
        assert_eq!(store.longest_due().await.unwrap(), None);
        let (id, now) = (placed.order.id.clone(), placed.order.placed_at);
        let key = KeyUse {
            id: "key".to_owned(),
            request_hash: "hash".to_owned(),
            payment_id: None,
        };
        store.place(&placed, &key, None).await.unwrap().unwrap();
        let open = store.open_sagas().await.unwrap();
        assert_eq!(
            open.into_iter().collect::<Vec<_>>(),
            [("RESERVE".to_owned(), 1)],
            "on {url}"
        );
        assert_eq!(store.longest_due().await.unwrap(), Some(now));
        let version = async || store.file(&id).await.unwrap().unwrap().order.version;
        let begun = version().await;
        let once = async |event, attempt| {
            let act = |file: &mut OrderFile| file.saga.attempt = attempt;
            let changed = store.change_once(&id, (event, now), act).await.unwrap();
            (changed, version().await - begun)
        };
        // An event that changes nothing leaves the order as it is for whoever drives it, and is known afterwards.
        assert_eq!(once("evt_0", 0).await, (false, 0), "on {url}");
        assert_eq!(once("evt_0", 7).await, (false, 0), "on {url}");
        assert_eq!(once("evt_1", 7).await, (true, 1), "on {url}");
        assert_eq!(once("evt_1", 8).await, (false, 1), "on {url}");
        database.close().await;
    })
    .await;
}

/// Payments keeps every place of its lane waiting; what products is to do goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_service_holds_up_nothing_that_another_does() {
    let file = TempSqlite::new();
    let database = Database::connect(&file.url, &DatabaseOptions::default()).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    let store = Store::new(database.clone());
    let now = placed_order().order.placed_at;
    let mut released = String::new();
    for number in 0..40 {
        let mut file = another_order();
        (file.saga.step, file.order.payment_id) = (Step::Capture, Some("pay_1".to_owned()));
        if number == 39 {
            file.saga.step = Step::Release;
            released.clone_from(&file.order.id);
        }
        let key = key_of(&number.to_string());
        store.place(&file, &key, None).await.unwrap().unwrap();
    }
    let peers = Peers::in_process(&InternalKey::generate());
    let silent = axum::Router::new().fallback(std::future::pending::<axum::http::StatusCode>);
    peers.payments.as_ref().unwrap().bind(silent);
    let released_reply = || async { axum::Json(ReleaseReply::Released) };
    peers
        .products
        .as_ref()
        .unwrap()
        .bind(axum::Router::new().fallback(released_reply));
    let bell = RelayBell::default();
    let driver = Driver::new(store.clone(), Neighbours::new(peers), Clock::manual(now), bell);
    let shutdown = CancellationToken::new();
    tokio::spawn(driver.run(shutdown.clone()));
    for _ in 0..200 {
        if store.file(&released).await.unwrap().unwrap().saga.step == Step::Done {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.file(&released).await.unwrap().unwrap().saga.step, Step::Done);
    // Those that there is no place for are left to others.
    let left = store.due(Step::LANES[1], now, 100).await.unwrap();
    assert_eq!(left.len(), 39 - 16);
    shutdown.cancel();
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_keys_are_forgotten_and_goods_that_nobody_keeps_are_counted_on_every_database() {
    each_database(|url| async move {
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let store = Store::new(database.clone());
        let placed = placed_order();
        let now = placed.order.placed_at;
        store.place(&placed, &key_of("old"), None).await.unwrap().unwrap();
        assert_eq!(store.forget_keys(now).await.unwrap(), 0, "on {url}");
        assert!(store.key("old").await.unwrap().is_some());
        let later = now + chrono::TimeDelta::days(30);
        assert_eq!(store.forget_keys(later).await.unwrap(), 1, "on {url}");
        assert_eq!(store.key("old").await.unwrap(), None);
        let undecided = store.change(&placed.order.id, |file| {
            file.order.status = OrderStatus::PaymentProcessing;
            file.saga.step = Step::AwaitOutcome;
            file.saga.reserved_until = Some(now);
            Ok::<(), std::convert::Infallible>(())
        });
        undecided.await.unwrap().unwrap().unwrap();
        assert_eq!(store.held_up(now).await.unwrap(), 0, "on {url}");
        let soon = now + chrono::TimeDelta::seconds(1);
        assert_eq!(store.held_up(soon).await.unwrap(), 1, "on {url}");
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_or_price_gone_between_quote_and_reservation() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    shop.shelf.raise_prices();
    let raised = shop.create(input("raised", &[(&shoe, 1)])).await;
    assert_eq!(shown(&raised), "FAILED PRICE_CHANGED at  of a variant");
    assert_eq!(shop.shelf.count(&shoe), (5, 0));
    shop.shelf.snatch();
    let snatched = shop.create(input("snatched", &[(&shoe, 1)])).await;
    assert_eq!(shown(&snatched), "FAILED OUT_OF_STOCK at  of a variant");
    // The same call again tells the same.
    assert_eq!(shop.create(input("snatched", &[(&shoe, 1)])).await, snatched);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_answer_is_lost_is_paid_once() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 50);
    for token in [
        "tok_timeout_after_success",
        "tok_timeout_before",
        "tok_500_after_success",
        "tok_capture_timeout_after_success",
        "tok_capture_500_then_ok",
        "tok_async_10s",
    ] {
        let order_id = shop.place(&[(&shoe, 1)]).await;
        let paying = shop.pay(&order_id, token).await;
        assert!(
            ["PAYMENT_PROCESSING", "PAID"].contains(&shown(&paying).as_str()),
            "{token}: {}",
            shown(&paying)
        );
        if shown(&paying) == "PAYMENT_PROCESSING" {
            let again = shop.pay(&order_id, "tok_ok").await;
            assert!(
                shown(&again).contains("NOT_PAYABLE") || shown(&again).contains("ALREADY_PAID"),
                "{}",
                shown(&again)
            );
        }
        shop.wait_for(&order_id, "PAID").await;
        assert_eq!(shop.payments(&order_id).await, ["CAPTURED 94.80 back 0.00"], "{token}");
    }
    assert_eq!(shop.shelf.count(&shoe), (44, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn products_away_for_a_moment_delays_an_order() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    shop.shelf.set_down(true);
    assert_eq!(shown(&shop.pay(&order_id, "tok_ok").await), "PAYMENT_PROCESSING");
    shop.shelf.set_down(false);
    shop.wait_for(&order_id, "PAID").await;
    assert_eq!(shop.shelf.count(&shoe), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_known_by_its_key_while_products_is_away() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let placed = shop.create(input("key", &[(&shoe, 1)])).await;
    shop.shelf.set_down(true);
    let again = shop.create(input("key", &[(&shoe, 1)])).await;
    assert!(placed["order"]["id"].is_string(), "{placed}");
    assert_eq!(again["order"]["id"], placed["order"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_paid_in_time_expires() {
    let clock = Clock::manual(chrono::Utc::now());
    let shop = Shop::open_at(clock.clone()).await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let (waiting, asked, paid) = (
        shop.place(&[(&shoe, 1)]).await,
        shop.place(&[(&shoe, 1)]).await,
        shop.place(&[(&shoe, 1)]).await,
    );
    shop.pay(&asked, "tok_3ds").await;
    assert_eq!(shown(&shop.pay(&paid, "tok_ok").await), "PAID");
    clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(shop.order(&waiting, "status").await["status"], "AWAITING_PAYMENT");
    clock.advance(Duration::from_secs(61));
    shop.wait_for(&waiting, "EXPIRED").await;
    shop.wait_for(&asked, "EXPIRED").await;
    assert_eq!(
        shown(&shop.pay(&waiting, "tok_ok").await),
        "EXPIRED RESERVATION_EXPIRED at input.orderId"
    );
    for _ in 0..200 {
        if shop.shelf.count(&shoe) == (4, 0) {
            break;
        }
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(shop.shelf.count(&shoe), (4, 0));
    assert_eq!(shop.payments(&asked).await, ["VOIDED 0.00 back 0.00"]);
    assert_eq!(shop.order(&paid, "status").await["status"], "PAID");
    expect![[r#"
        PENDING by shopper
        AWAITING_PAYMENT by system
        PAYMENT_PROCESSING by shopper
        REQUIRES_ACTION by system
        EXPIRED by system"#]]
    .assert_eq(&shop.story(&asked).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_reserved_fails_in_the_end() {
    let clock = Clock::manual(chrono::Utc::now());
    let shop = Shop::open_at(clock.clone()).await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    shop.shelf.set_reserving_down(true);
    let created = shop.create(input("k", &[(&shoe, 1)])).await;
    assert_eq!(shown(&created), "PENDING");
    let order_id = created["order"]["id"].as_str().unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(shop.order(order_id, "status").await["status"], "PENDING");
    clock.advance(Duration::from_secs(61));
    shop.wait_for(order_id, "FAILED").await;
    let reason = shop.order(order_id, "failureReason").await;
    assert_eq!(reason["failureReason"], "INTERNAL");
    // The same call again tells the same, and asks nobody to reserve.
    shop.shelf.set_reserving_down(false);
    assert_eq!(
        shop.create(input("k", &[(&shoe, 1)])).await["order"]["status"],
        "FAILED"
    );
    assert_eq!(shop.shelf.count(&shoe), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_that_are_gone_when_the_money_is_held_cost_nothing() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    shop.shelf.lapse();
    shop.pay(&order_id, "tok_ok").await;
    shop.wait_for(&order_id, "FAILED").await;
    assert_eq!(
        shop.order(&order_id, "failureReason canPay").await,
        json!({"failureReason": "OUT_OF_STOCK", "canPay": false})
    );
    assert_eq!(shop.payments(&order_id).await, ["VOIDED 0.00 back 0.00"]);
    assert_eq!(shop.ledger().await, ["voided of 9480 EUR taken 0 back 0"]);
}

/// SQLite's limit on pages stands for the disk.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_on_the_disk_is_not_acknowledged() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 1_000);
    let disk = shop.orders.app.database.write();
    let limit = async |pages: &str| {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        disk.execute_unprepared(&pragma).await.unwrap();
    };
    let create =
        "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id } userErrors { code } } }";
    let home = json!({ "name": "Ada", "line1": "Road 1", "city": "Town", "countryCode": "DE" });
    let (mut placed, mut refused) = (0, None);
    while refused.is_none() && placed < 500 {
        // Less than there are is as many as there are. Again and again: the connection that it is of is given up when a
        // step of a saga is the first that does not fit.
        limit("1").await;
        // Each by somebody else: who pays none of them has few.
        let token = shop.token(100 + placed, &[Role::Customer]);
        let lines = json!([{ "variantId": shoe, "quantity": 1 }]);
        let input = json!({ "input": { "idempotencyKey": "k", "lines": lines, "shippingAddress": home } });
        let answer = shop.orders.query(create, input.clone(), Some(&token)).await;
        if answer["errors"].is_null() {
            assert_eq!(answer["data"]["orderCreate"]["userErrors"], json!([]));
            placed += 1;
        } else {
            assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR");
            refused = Some((input, token));
        }
    }
    let (refused, token) = refused.expect("the disk is full at some time");
    limit("1000000").await;
    // What was acknowledged is there, what was not has left nothing behind, and can be asked for again.
    let answer = shop.orders.query(create, refused, Some(&token)).await;
    assert!(answer["data"]["orderCreate"]["order"]["id"].is_string(), "{answer:#}");
    let admin = shop.token(0, &[Role::Admin]);
    for _ in 0..1_200 {
        let query =
            "{ all: orders { totalCount } waiting: orders(filter: {status: [AWAITING_PAYMENT]}) { totalCount } }";
        let orders = shop.orders.query(query, json!({}), Some(&admin)).await["data"].clone();
        assert_eq!(orders["all"]["totalCount"], placed + 1);
        if orders["waiting"] == orders["all"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(shop.shelf.count(&shoe), (1_000, i64::try_from(placed + 1).unwrap()));
}
