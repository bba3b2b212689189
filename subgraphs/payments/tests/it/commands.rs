//! Commands of orders: each token's story, repeats, refusals, and answers that got lost.

use expect_test::expect;
use service::id;

use crate::shop::{Shop, ShopOptions, each_shop, outcome, request, shown};

#[tokio::test(flavor = "multi_thread")]
async fn each_means_of_payment_has_its_story() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let mut story = String::new();
        for token in [
            "tok_ok",
            "tok_declined_insufficient_funds",
            "tok_3ds",
            "tok_qr",
            "tok_async_10s",
            "tok_500_then_ok",
            "tok_timeout_after_success",
            "tok_timeout_before",
            "card number",
        ] {
            let state = shop.pay(&id::new("pay"), token).await;
            let code = state.decline_code.as_deref().unwrap_or_default();
            story += &format!("{token}: {} {code}\n", shown(&state));
        }
        expect![[r#"
        tok_ok: AUTHORIZED held 4597 taken 0 back 0 
        tok_declined_insufficient_funds: DECLINED held 0 taken 0 back 0 insufficient_funds
        tok_3ds: REQUIRES_ACTION held 0 taken 0 back 0 
        tok_qr: REQUIRES_ACTION held 0 taken 0 back 0 
        tok_async_10s: PROCESSING held 0 taken 0 back 0 
        tok_500_then_ok: PROCESSING held 0 taken 0 back 0 
        tok_timeout_after_success: PROCESSING held 0 taken 0 back 0 
        tok_timeout_before: PROCESSING held 0 taken 0 back 0 
        card number: FAILED held 0 taken 0 back 0 invalid
    "#]]
        .assert_eq(&story);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_does_nothing_twice() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let (payment_id, order) = (id::new("pay"), request("tok_ok"));
        let mut story = String::new();
        for _ in 0..2 {
            story += &format!("authorize: {}\n", outcome(shop.authorize(&payment_id, &order).await));
        }
        let mut other = order.clone();
        other.amount_minor += 1;
        story += &format!(
            "another amount: {}\n",
            outcome(shop.authorize(&payment_id, &other).await)
        );
        story += &format!(
            "another payment: {}\n",
            outcome(shop.authorize(&id::new("pay"), &order).await)
        );
        for (action, key, amount_minor) in [
            ("refunds", "r0", None),
            ("capture", "c", None),
            ("capture", "c", None),
            ("capture", "c2", None),
            ("void", "v", None),
            ("refunds", "r1", Some(1_000)),
            ("refunds", "r1", Some(1_000)),
            ("refunds", "r1", Some(2_000)),
            ("refunds", "r2", Some(4_000)),
            ("refunds", "r3", None),
        ] {
            story += &format!(
                "{action} {key}: {}\n",
                outcome(shop.act(&payment_id, action, key, amount_minor).await)
            );
        }
        let ledger = shop.ledger().await;
        story += &format!("booked {}: {}\n", ledger.len(), ledger[0]["refunded_minor"]);
        // What was refunded whole, and what was declined, makes room for another attempt.
        story += &format!("again: {}\n", outcome(shop.authorize(&id::new("pay"), &order).await));
        expect![[r#"
            authorize: AUTHORIZED held 4597 taken 0 back 0
            authorize: AUTHORIZED held 4597 taken 0 back 0
            another amount: 409 IDEMPOTENCY_KEY_REUSED
            another payment: 409 PAYMENT_OPEN
            refunds r0: 409 NOT_REFUNDABLE
            capture c: CAPTURED held 4597 taken 4597 back 0
            capture c: CAPTURED held 4597 taken 4597 back 0
            capture c2: CAPTURED held 4597 taken 4597 back 0
            void v: CAPTURED held 4597 taken 4597 back 0
            refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
            refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
            refunds r1: 409 IDEMPOTENCY_KEY_REUSED
            refunds r2: 422 AMOUNT_TOO_LARGE
            refunds r3: REFUNDED held 4597 taken 4597 back 4597 Succeeded 1000 Succeeded 3597
            booked 1: 4597
            again: AUTHORIZED held 4597 taken 0 back 0
        "#]]
        .assert_eq(&story);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_lets_the_order_be_paid_again() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        for token in ["tok_ok", "tok_3ds"] {
            let (payment_id, order) = (id::new("pay"), request(token));
            shop.authorize(&payment_id, &order).await.unwrap();
            assert_eq!(
                shown(&shop.act(&payment_id, "void", "v", None).await.unwrap())
                    .split(' ')
                    .next(),
                Some("VOIDED")
            );
            assert!(shop.authorize(&id::new("pay"), &order).await.is_ok());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_attempts_leave_one_open_payment() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let order = request("tok_ok");
        let attempts = (0..8).map(|_| {
            let order = order.clone();
            let shop = &shop;
            async move { outcome(shop.authorize(&id::new("pay"), &order).await) }
        });
        let mut outcomes = futures::future::join_all(attempts).await;
        outcomes.sort();
        outcomes.dedup();
        expect![[r#"
        409 PAYMENT_OPEN
        AUTHORIZED held 4597 taken 0 back 0"#]]
        .assert_eq(&outcomes.join("\n"));
        assert_eq!(shop.ledger().await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_found_out() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        for token in [
            "tok_timeout_after_success",
            "tok_timeout_before",
            "tok_500_after_success",
            "tok_500_then_ok",
        ] {
            let payment_id = id::new("pay");
            assert_eq!(
                shop.pay(&payment_id, token).await.status.as_str(),
                "PROCESSING",
                "{token}"
            );
            assert_eq!(
                outcome(shop.act(&payment_id, "void", "v", None).await),
                "409 NOT_VOIDABLE",
                "{token}"
            );
            shop.wait_for(&payment_id, "AUTHORIZED").await;
            let booked = shop
                .ledger()
                .await
                .iter()
                .filter(|booked| booked["reference"] == payment_id.as_str())
                .count();
            assert_eq!(booked, 1, "{token}");
        }
        for token in ["tok_capture_timeout_after_success", "tok_capture_500_then_ok"] {
            let payment_id = id::new("pay");
            shop.pay(&payment_id, token).await;
            let unknown = shop.act(&payment_id, "capture", "c", None).await.unwrap();
            assert_eq!(unknown.status.as_str(), "AUTHORIZED", "{token}");
            assert_eq!(
                outcome(shop.act(&payment_id, "void", "v", None).await),
                "409 NOT_VOIDABLE",
                "{token}"
            );
            shop.wait_for(&payment_id, "CAPTURED").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refund_gives_nothing_back() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let payment_id = id::new("pay");
        shop.pay(&payment_id, "tok_refund_refused").await;
        shop.act(&payment_id, "capture", "c", None).await.unwrap();
        let refused = shop.act(&payment_id, "refunds", "r", Some(500)).await;
        expect!["CAPTURED held 4597 taken 4597 back 0 Failed 500"].assert_eq(&outcome(refused));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_refund_stands_for_one_request() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let payment_id = id::new("pay");
        shop.pay(&payment_id, "tok_ok").await;
        shop.act(&payment_id, "capture", "c", None).await.unwrap();
        let mut story = String::new();
        for (key, amount_minor) in [
            ("part", Some(500)),
            ("part", Some(500)),
            ("part", None),
            ("rest", None),
            ("rest", None),
        ] {
            let refunded = shop.act(&payment_id, "refunds", key, amount_minor).await;
            story += &format!("{key} {amount_minor:?}: {}\n", outcome(refunded));
        }
        expect![[r#"
            part Some(500): PARTIALLY_REFUNDED held 4597 taken 4597 back 500 Succeeded 500
            part Some(500): PARTIALLY_REFUNDED held 4597 taken 4597 back 500 Succeeded 500
            part None: 409 IDEMPOTENCY_KEY_REUSED
            rest None: REFUNDED held 4597 taken 4597 back 4597 Succeeded 500 Succeeded 4097
            rest None: REFUNDED held 4597 taken 4597 back 4597 Succeeded 500 Succeeded 4097
        "#]]
        .assert_eq(&story);
    })
    .await;
}
