//! Each adapter against the real sandbox over a socket: the rows of the failure table that are about payments.

use expect_test::expect;
use service::id;

use crate::shop::{Shop, ShopOptions, each_shop, outcome, request_through, shown, with_webhooks};

#[tokio::test(flavor = "multi_thread")]
async fn stripe_has_a_story_for_each_token() {
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
            "",
        ] {
            let state = shop
                .authorize(&id::new("pay"), &request_through("stripe", token))
                .await
                .unwrap();
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
            card number: FAILED held 0 taken 0 back 0 resource_missing
            : REQUIRES_ACTION held 0 taken 0 back 0 
        "#]]
        .assert_eq(&story);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_through_each_gateway_that_holds() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        for gateway in ["sandbox", "stripe"] {
            let payment_id = id::new("pay");
            let mut story = String::new();
            let request = request_through(gateway, "tok_ok");
            story += &format!("authorize: {}\n", outcome(shop.authorize(&payment_id, &request).await));
            for (action, key, amount_minor) in [
                ("capture", "c", None),
                ("capture", "c", None),
                ("refunds", "r1", Some(1_000)),
                ("refunds", "r1", Some(1_000)),
                ("refunds", "r2", Some(3_598)),
                ("refunds", "r3", None),
            ] {
                let acted = shop.act(&payment_id, action, key, amount_minor).await;
                story += &format!("{action} {key}: {}\n", outcome(acted));
            }
            let booked = shop.booked(&payment_id).await;
            story += &format!("booked {}: {}\n", booked.len(), booked[0]["refunded_minor"]);
            let voided = id::new("pay");
            shop.authorize(&voided, &request_through(gateway, "tok_ok"))
                .await
                .unwrap();
            story += &format!("void: {}\n", outcome(shop.act(&voided, "void", "v", None).await));
            expect![[r#"
                authorize: AUTHORIZED held 4597 taken 0 back 0
                capture c: CAPTURED held 4597 taken 4597 back 0
                capture c: CAPTURED held 4597 taken 4597 back 0
                refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
                refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
                refunds r2: 422 AMOUNT_TOO_LARGE
                refunds r3: REFUNDED held 4597 taken 4597 back 4597 Succeeded 1000 Succeeded 3597
                booked 1: 4597
                void: VOIDED held 4597 taken 0 back 0
            "#]]
            .assert_eq(&story);
        }
    })
    .await;
}

/// Silence and 500, before and after the work, at each operation: the outcome is found out, and nothing happens twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_never_moves_money_twice() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let answers = ["timeout_after", "timeout_before", "error_after", "error_before"];
        let mut payments = Vec::new();
        for gateway in ["sandbox", "stripe"] {
            for operation in ["create", "capture", "void", "refund"] {
                for answer in answers {
                    let payment_id = id::new("pay");
                    let name = format!("{gateway} {operation} {answer}");
                    let request = request_through(gateway, "tok_ok");
                    if operation == "create" {
                        shop.create_fault(&payment_id, answer).await;
                    }
                    let created = shop.authorize(&payment_id, &request).await.unwrap();
                    let expected = if operation == "create" {
                        "PROCESSING"
                    } else {
                        "AUTHORIZED"
                    };
                    assert_eq!(created.status.as_str(), expected, "{name}");
                    let (steps, end): (&[&str], _) = match operation {
                        "create" => (&[], "AUTHORIZED"),
                        "capture" => (&["capture"], "CAPTURED"),
                        "void" => (&["void"], "VOIDED"),
                        _ => (&["capture", "refunds"], "REFUNDED"),
                    };
                    for step in steps {
                        if step.starts_with(operation) {
                            shop.call_fault(operation, answer).await;
                        }
                        shop.act(&payment_id, step, step, None).await.unwrap();
                    }
                    payments.push((name, payment_id, end));
                }
            }
        }
        for (name, payment_id, end) in payments {
            let state = shop.wait_for(&payment_id, end).await;
            let booked = shop.booked(&payment_id).await;
            assert_eq!(booked.len(), 1, "{name}");
            assert_eq!(booked[0]["captured_minor"], state.captured_minor, "{name}");
            assert_eq!(booked[0]["refunded_minor"], state.refunded_minor, "{name}");
            let refunds = booked[0]["refunds"].as_array().unwrap().len();
            assert_eq!(refunds, usize::from(end == "REFUNDED"), "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alipay_is_paid_by_qr_code_or_on_a_page() {
    each_shop(with_webhooks(), async |shop: Shop| {
        let mut story = String::new();
        for token in ["qr", "page"] {
            let payment_id = id::new("pay");
            let request = request_through("alipay", token);
            story += &format!("{token}: {}\n", outcome(shop.authorize(&payment_id, &request).await));
            let url = shop.action_url(&payment_id).await;
            let page = shop.open_page(&url).await;
            shop.decide(&page, "approve").await;
            story += &format!("  approved: {}\n", shown(&shop.wait_for(&payment_id, "CAPTURED").await));
            for (action, key, amount_minor) in [
                ("capture", "c", None),
                ("void", "v", None),
                ("refunds", "r1", Some(1_000)),
                ("refunds", "r1", Some(1_000)),
                ("refunds", "r2", Some(4_000)),
                ("refunds", "r3", None),
            ] {
                let acted = shop.act(&payment_id, action, key, amount_minor).await;
                story += &format!("  {action} {key}: {}\n", outcome(acted));
            }
            let booked = shop.booked(&payment_id).await;
            story += &format!("  booked {}: {}\n", booked.len(), booked[0]["refunded_minor"]);
        }
        let mut euros = request_through("alipay", "qr");
        euros.currency_code = "EUR".to_owned();
        story += &format!("euros: {}\n", outcome(shop.authorize(&id::new("pay"), &euros).await));
        expect![[r#"
            qr: REQUIRES_ACTION held 0 taken 0 back 0
              approved: CAPTURED held 4597 taken 4597 back 0
              capture c: CAPTURED held 4597 taken 4597 back 0
              void v: CAPTURED held 4597 taken 4597 back 0
              refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
              refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
              refunds r2: 422 AMOUNT_TOO_LARGE
              refunds r3: REFUNDED held 4597 taken 4597 back 4597 Succeeded 1000 Succeeded 3597
              booked 1: 4597
            page: REQUIRES_ACTION held 0 taken 0 back 0
              approved: CAPTURED held 4597 taken 4597 back 0
              capture c: CAPTURED held 4597 taken 4597 back 0
              void v: CAPTURED held 4597 taken 4597 back 0
              refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
              refunds r1: PARTIALLY_REFUNDED held 4597 taken 4597 back 1000 Succeeded 1000
              refunds r2: 422 AMOUNT_TOO_LARGE
              refunds r3: REFUNDED held 4597 taken 4597 back 4597 Succeeded 1000 Succeeded 3597
              booked 1: 4597
            euros: 422 GATEWAY_UNKNOWN
        "#]]
        .assert_eq(&story);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alipay_finds_lost_answers_by_our_own_numbers() {
    each_shop(with_webhooks(), async |shop: Shop| {
        for answer in ["timeout_after", "timeout_before", "error_after", "error_before"] {
            let payment_id = id::new("pay");
            shop.call_fault("create", answer).await;
            let asked = shop
                .authorize(&payment_id, &request_through("alipay", "qr"))
                .await
                .unwrap();
            assert_eq!(asked.status.as_str(), "PROCESSING", "{answer}");
            shop.wait_for(&payment_id, "REQUIRES_ACTION").await;
            let page = shop.open_page(&shop.action_url(&payment_id).await).await;
            shop.decide(&page, "approve").await;
            shop.wait_for(&payment_id, "CAPTURED").await;
            shop.call_fault("refund", answer).await;
            shop.act(&payment_id, "refunds", "r", Some(597)).await.unwrap();
            shop.wait_for(&payment_id, "PARTIALLY_REFUNDED").await;
            let booked = shop.booked(&payment_id).await;
            let (count, refunded) = (booked.len(), &booked[0]["refunded_minor"]);
            assert_eq!((count, refunded.as_i64()), (1, Some(597)), "{answer}");
        }
        // Opened and given up: closed at once.
        let payment_id = id::new("pay");
        shop.authorize(&payment_id, &request_through("alipay", "page"))
            .await
            .unwrap();
        shop.open_page(&shop.action_url(&payment_id).await).await;
        expect!["VOIDED held 0 taken 0 back 0"].assert_eq(&outcome(shop.act(&payment_id, "void", "v", None).await));
    })
    .await;
}

/// The shopper decides while webhooks are lost, doubled, late, out of order and wrongly signed.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_right_whatever_happens_to_webhooks() {
    each_shop(with_webhooks(), async |shop: Shop| {
        let mut waiting = Vec::new();
        for fault in ["none", "duplicate", "delay", "reorder", "drop", "wrong_signature"] {
            shop.fault(fault).await;
            for (gateway, token, end) in [
                ("sandbox", "tok_3ds", "AUTHORIZED"),
                ("stripe", "tok_3ds", "AUTHORIZED"),
                ("alipay", "page", "CAPTURED"),
            ] {
                let payment_id = id::new("pay");
                let asked = shop
                    .authorize(&payment_id, &request_through(gateway, token))
                    .await
                    .unwrap();
                assert_eq!(asked.status.as_str(), "REQUIRES_ACTION", "{fault} {gateway}");
                let page = shop.open_page(&shop.action_url(&payment_id).await).await;
                shop.decide(&page, "approve").await;
                waiting.push((format!("{fault} {gateway}"), payment_id, end));
            }
        }
        for (name, payment_id, end) in waiting {
            let state = shop.wait_for(&payment_id, end).await;
            assert_eq!(state.authorized_minor, 4_597, "{name}");
        }
        let metrics = shop.metrics().await;
        for (gateway, outcome) in [
            ("sandbox", "refused"),
            ("stripe", "refused"),
            ("alipay", "refused"),
            ("sandbox", "repeated"),
            ("stripe", "repeated"),
            ("alipay", "repeated"),
        ] {
            let line = format!("payments_webhooks_total{{gateway=\"{gateway}\",outcome=\"{outcome}\"}}");
            assert!(metrics.contains(&line), "{line} in {metrics}");
        }
    })
    .await;
}

/// The gateway's event overtakes its own answer, which never comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_may_come_before_the_answer() {
    each_shop(with_webhooks(), async |shop: Shop| {
        for gateway in ["sandbox", "stripe"] {
            let payment_id = id::new("pay");
            let request = request_through(gateway, "tok_timeout_after_success");
            let asked = shop.authorize(&payment_id, &request);
            let (asked, settled) = tokio::join!(asked, async {
                loop {
                    let path = format!("/internal/payments/{payment_id}");
                    let state = shop.internal.call::<(), service::contract::payments::PaymentState>(
                        http::Method::GET,
                        &path,
                        None,
                    );
                    match state.await {
                        Ok(state) if state.status.as_str() == "AUTHORIZED" => return state,
                        _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                    }
                }
            });
            // The answer that was waited for in vain takes nothing back.
            assert_eq!(asked.unwrap().status.as_str(), "AUTHORIZED", "{gateway}");
            assert_eq!(settled.authorized_minor, 4_597, "{gateway}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shoppers_browser_confirms_with_the_client_secret() {
    use axum::body::Body;
    use tower::ServiceExt as _;
    each_shop(with_webhooks(), async |shop: Shop| {
        let payment_id = id::new("pay");
        shop.authorize(&payment_id, &request_through("stripe", ""))
            .await
            .unwrap();
        let secret = shop.action_url(&payment_id).await;
        let (intent, _) = secret.split_once("_secret_").unwrap();
        for (token, end) in [("tok_declined", "REQUIRES_ACTION"), ("tok_ok", "AUTHORIZED")] {
            let form = format!("client_secret={secret}&payment_method={token}");
            let confirm = http::Request::post(format!("/v1/payment_intents/{intent}/confirm"));
            shop.gateway
                .clone()
                .oneshot(confirm.body(Body::from(form)).unwrap())
                .await
                .unwrap();
            shop.wait_for(&payment_id, end).await;
        }
    })
    .await;
}

/// Its secret is in a browser, and the shop has closed the payment.
#[tokio::test(flavor = "multi_thread")]
async fn a_declined_intent_cannot_be_confirmed_with_another_card() {
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, ShopOptions::default()).await;
    for (token, decision) in [("tok_declined", None), ("tok_3ds", Some("decline"))] {
        let payment_id = id::new("pay");
        shop.authorize(&payment_id, &request_through("stripe", token))
            .await
            .unwrap();
        if let Some(decision) = decision {
            let page = shop.open_page(&shop.action_url(&payment_id).await).await;
            shop.decide(&page, decision).await;
        }
        shop.wait_for(&payment_id, "DECLINED").await;
        assert_eq!(shop.booked(&payment_id).await[0]["status"], "voided", "{token}");
    }
}

/// A release that adds a gateway is not everywhere at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_has_begun_another_without_its_gateway_answers_for() {
    let sqlite = service::testing::TempSqlite::new();
    let new = Shop::open(&sqlite.url, ShopOptions::default()).await;
    let without = ShopOptions {
        flags: vec![("gateways", "generic".to_owned())],
        ..ShopOptions::default()
    };
    let old = Shop::open(&sqlite.url, without).await;
    let (payment_id, request) = (id::new("pay"), request_through("stripe", "tok_ok"));
    let fresh = old
        .authorize(&id::new("pay"), &request_through("stripe", "tok_ok"))
        .await;
    assert_eq!(outcome(fresh), "422 GATEWAY_UNKNOWN");
    new.authorize(&payment_id, &request).await.unwrap();
    let repeated = outcome(old.authorize(&payment_id, &request).await);
    assert_eq!(repeated, "AUTHORIZED held 4597 taken 0 back 0");
}

/// Refunds at the same time never give back more than was taken, whichever database decides.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refunds_never_exceed_what_was_captured() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        for gateway in ["sandbox", "stripe"] {
            let payment_id = id::new("pay");
            shop.authorize(&payment_id, &request_through(gateway, "tok_ok"))
                .await
                .unwrap();
            shop.act(&payment_id, "capture", "c", None).await.unwrap();
            let (shop, id) = (&shop, payment_id.as_str());
            let refunds = (0..8).map(|number| async move {
                let refunded = shop.act(id, "refunds", &format!("r{number}"), Some(1_000)).await;
                outcome(refunded).split(' ').next().unwrap().to_owned()
            });
            let outcomes = futures::future::join_all(refunds).await;
            let accepted = outcomes
                .iter()
                .filter(|outcome| *outcome == "PARTIALLY_REFUNDED")
                .count();
            let state = shop.state(&payment_id).await;
            assert!(accepted <= 4 && state.refunded_minor <= 4_000, "{outcomes:?}");
            assert!(state.refunds.len() <= 4, "{state:?}");
            // Whoever was refused because too many came at once may ask again, and gets what is left.
            for number in 0..8 {
                let _ = shop
                    .act(&payment_id, "refunds", &format!("r{number}"), Some(1_000))
                    .await;
            }
            let state = shop.state(&payment_id).await;
            assert_eq!(state.refunded_minor, 4_000, "{state:?}");
            assert_eq!(shop.booked(&payment_id).await[0]["refunded_minor"], 4_000);
        }
    })
    .await;
}
