//! Refresh tokens, cookies, logout, and the published keys.

use crate::shop::{PASSWORD, Shop, user_errors};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use service::testing::{TempSqlite, client, each_database, get};
use std::time::Duration;

const REFRESH: &str = "mutation($token: String) { userTokenRefresh(refreshToken: $token) {
    tokens { accessToken refreshToken } userErrors { code field } } }";

async fn refresh(shop: &Shop, token: &Value) -> Value {
    shop.data(REFRESH, json!({ "token": token }), None).await["userTokenRefresh"].clone()
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let first = shop.register("mira").await["tokens"]["refreshToken"].clone();
        let second = refresh(&shop, &first).await["tokens"]["refreshToken"].clone();
        let third = refresh(&shop, &second).await["tokens"]["refreshToken"].clone();
        assert!(third.is_string() && third != second && second != first);
        shop.service.clock.advance(Duration::from_secs(11));

        assert_eq!(user_errors(&refresh(&shop, &first).await), "TOKEN_INVALID@refreshToken");
        assert_eq!(
            user_errors(&refresh(&shop, &third).await),
            "TOKEN_INVALID@refreshToken",
            "the thief's copy too"
        );
        assert_eq!(user_errors(&shop.login("mira@example.com", PASSWORD).await), "");
    })
    .await;
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_both_go_on() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let token = shop.register("mira").await["tokens"]["refreshToken"].clone();
        let (one, other) = tokio::join!(refresh(&shop, &token), refresh(&shop, &token));
        let (one, other) = (&one["tokens"]["refreshToken"], &other["tokens"]["refreshToken"]);
        assert!(one.is_string() && other.is_string() && one != other);
        let (one, other) = tokio::join!(refresh(&shop, one), refresh(&shop, other));
        assert!(one["tokens"].is_object() && other["tokens"].is_object());

        shop.service.clock.advance(Duration::from_secs(11));
        assert_eq!(user_errors(&refresh(&shop, &token).await), "TOKEN_INVALID@refreshToken");
        assert_eq!(
            user_errors(&refresh(&shop, &one["tokens"]["refreshToken"]).await),
            "TOKEN_INVALID@refreshToken",
            "a moment later it is a copy"
        );
    })
    .await;
}

/// Over and over, two tabs refresh at once; then both hold what either of them stored last.
#[tokio::test]
async fn two_tabs_go_on_for_as_long_as_they_like() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let mut token = shop.register("mira").await["tokens"]["refreshToken"].clone();
        let mut left_over = Value::Null;
        for round in 0..10 {
            shop.service.clock.advance(Duration::from_secs(15 * 60));
            let (one, other) = tokio::join!(refresh(&shop, &token), refresh(&shop, &token));
            let mut given = [one, other];
            assert!(
                given.iter().all(|tab| tab["tokens"].is_object()),
                "round {round}: {given:?}"
            );
            // Now the one, now the other answer comes last.
            given.rotate_left(round % 2);
            left_over = given[0]["tokens"]["refreshToken"].clone();
            token = given[1]["tokens"]["refreshToken"].clone();
        }

        // A copy of a token that nobody came back with is found out like any other.
        shop.service.clock.advance(Duration::from_secs(15 * 60));
        token = refresh(&shop, &token).await["tokens"]["refreshToken"].clone();
        assert!(token.is_string());
        shop.service.clock.advance(Duration::from_secs(11));
        for token in [&left_over, &token] {
            assert_eq!(user_errors(&refresh(&shop, token).await), "TOKEN_INVALID@refreshToken");
        }
    })
    .await;
}

/// Tabs that keep their tokens to themselves, and refresh when their access tokens expire.
#[tokio::test]
async fn two_tabs_that_share_nothing_go_on_while_they_refresh_at_once() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let token = shop.register("mira").await["tokens"]["refreshToken"].clone();
        let mut tabs = [token.clone(), token];
        for round in 0..10 {
            let (one, other) = tokio::join!(refresh(&shop, &tabs[0]), refresh(&shop, &tabs[1]));
            tabs = [one, other].map(|tab| tab["tokens"]["refreshToken"].clone());
            assert!(tabs.iter().all(Value::is_string), "round {round}");
            shop.service.clock.advance(Duration::from_secs(15 * 60));
        }
    })
    .await;
}

/// The answers of a hasty moment come in any order: whichever is stored last is good.
#[tokio::test]
async fn a_token_of_a_moment_ago_stays_good_beside_one_that_is_used() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let token = shop.register("mira").await["tokens"]["refreshToken"].clone();
        let first = refresh(&shop, &token).await["tokens"]["refreshToken"].clone();
        let stored_last = refresh(&shop, &token).await["tokens"]["refreshToken"].clone();
        assert!(refresh(&shop, &first).await["tokens"].is_object());
        shop.service.clock.advance(Duration::from_secs(15 * 60));
        assert!(refresh(&shop, &stored_last).await["tokens"].is_object());
    })
    .await;
}

#[tokio::test]
async fn a_storm_of_refreshes_with_one_token_ends_the_session() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let token = shop.register("mira").await["tokens"]["refreshToken"].clone();
        let storm = futures::future::join_all((0..20).map(|_| refresh(&shop, &token))).await;
        let given: Vec<&Value> = storm
            .iter()
            .map(|payload| &payload["tokens"]["refreshToken"])
            .filter(|token| token.is_string())
            .collect();
        assert_eq!(given.len(), 5);
        for token in given {
            assert_eq!(user_errors(&refresh(&shop, token).await), "TOKEN_INVALID@refreshToken");
        }
    })
    .await;
}

#[tokio::test]
async fn an_account_has_at_most_fifty_sessions() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let first = shop.register("mira").await["tokens"]["refreshToken"].clone();
    let mut access = String::new();
    for _ in 0..50 {
        shop.service.clock.advance(Duration::from_secs(1));
        let tokens = shop.login("mira@example.com", PASSWORD).await["tokens"].clone();
        access = tokens["accessToken"].as_str().unwrap().to_owned();
    }
    let me = shop.data("{ me { sessions { id } } }", json!({}), Some(&access)).await;
    assert_eq!(me["me"]["sessions"].as_array().unwrap().len(), 50);
    assert_eq!(user_errors(&refresh(&shop, &first).await), "TOKEN_INVALID@refreshToken");
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_without_use() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let token = shop.register("mira").await["tokens"]["refreshToken"].clone();
    shop.service.clock.advance(Duration::from_secs(29 * 86_400));
    let token = refresh(&shop, &token).await["tokens"]["refreshToken"].clone();
    shop.service.clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(user_errors(&refresh(&shop, &token).await), "TOKEN_EXPIRED@refreshToken");
}

#[tokio::test]
async fn logout_ends_this_session_or_all() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let here = shop.register("mira").await["tokens"].clone();
        let elsewhere = shop.login("mira@example.com", PASSWORD).await["tokens"].clone();
        let token = here["accessToken"].as_str();
        let me = shop.data("{ me { sessions { id current } } }", json!({}), token).await;
        let current: Vec<&Value> = me["me"]["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| &session["current"])
            .collect();
        assert_eq!(current, [&json!(false), &json!(true)], "newest first");

        shop.data("mutation { userLogout { userErrors { code } } }", json!({}), token)
            .await;
        assert_eq!(
            user_errors(&refresh(&shop, &here["refreshToken"]).await),
            "TOKEN_INVALID@refreshToken"
        );
        let next = refresh(&shop, &elsewhere["refreshToken"]).await["tokens"].clone();
        assert!(next.is_object(), "the other session goes on");

        let token = next["accessToken"].as_str();
        shop.data(
            "mutation { userLogout(everywhere: true) { userErrors { code } } }",
            json!({}),
            token,
        )
        .await;
        assert_eq!(
            user_errors(&refresh(&shop, &next["refreshToken"]).await),
            "TOKEN_INVALID@refreshToken"
        );
    })
    .await;
}

#[tokio::test]
async fn a_cookie_holds_the_refresh_token_when_asked() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let login = "mutation { userLogin(input: { email: \"ada@hansa.example\", password: \"demo-password-1\",
        useCookie: true }) { tokens { accessToken refreshToken } } }";
    let client = client(&shop.service.app.public);
    let (_, headers, body) = client.send(json!({ "query": login }), HeaderMap::new()).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["data"]["userLogin"]["tokens"]["refreshToken"], Value::Null);
    let cookie = headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("hansa_refresh=") && cookie.contains("; HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );

    let pair = cookie.split(';').next().unwrap();
    let sent = HeaderMap::from_iter([(
        header::COOKIE,
        HeaderValue::try_from(format!("theme=dark; {pair}")).unwrap(),
    )]);
    let (_, headers, body) = client.send(json!({ "query": REFRESH }), sent).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert!(
        body["data"]["userTokenRefresh"]["tokens"]["accessToken"].is_string(),
        "{body:#}"
    );
    let next = headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert_ne!(next, cookie);

    // With the cookie alone, as after a break of more than fifteen minutes.
    let with = |cookie: &str| {
        let pair = cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(pair).unwrap())])
    };
    let taken_away = |headers: &HeaderMap| headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0");
    let logout = json!({ "query": "mutation { userLogout { userErrors { code } } }" });
    let (_, headers, body) = client.send(logout.clone(), with(&next)).await;
    assert_eq!(&body[..], br#"{"data":{"userLogout":{"userErrors":[]}}}"#);
    assert!(taken_away(&headers), "{headers:?}");
    let (_, headers, body) = client.send(json!({ "query": REFRESH }), with(&next)).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        user_errors(&body["data"]["userTokenRefresh"]),
        "TOKEN_INVALID@refreshToken"
    );
    assert!(taken_away(&headers), "{headers:?}");
    let (_, headers, _) = client.send(logout, HeaderMap::new()).await;
    assert!(!headers.contains_key(header::SET_COOKIE), "nobody has nothing to end");
}

#[tokio::test]
async fn a_session_is_refreshed_so_often_and_then_later() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let mut token = shop.register("mira").await["tokens"]["refreshToken"].clone();
    for _ in 0..60 {
        token = refresh(&shop, &token).await["tokens"]["refreshToken"].clone();
    }
    assert_eq!(
        user_errors(&refresh(&shop, &token).await),
        "TOO_MANY_ATTEMPTS@refreshToken"
    );
    shop.service.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(user_errors(&refresh(&shop, &token).await), "", "the session goes on");
}

#[tokio::test]
async fn an_expired_access_token_still_reaches_refresh_but_no_private_field() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let tokens = shop.register("mira").await["tokens"].clone();
    let expired = shop
        .service
        .keys
        .token_expiring_in(&service::auth::Viewer::user("usr_1", &[]), -120);
    assert_eq!(
        shop.codes("{ me { id } }", json!({}), Some(&expired)).await,
        ["UNAUTHENTICATED"]
    );
    let data = shop
        .data(REFRESH, json!({ "token": tokens["refreshToken"] }), Some(&expired))
        .await;
    assert_eq!(user_errors(&data["userTokenRefresh"]), "");
}

#[tokio::test]
async fn the_keys_are_published() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let (status, headers, body) = get(&shop.service.app.public, "/.well-known/jwks.json").await;
    let keys: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &headers[header::CACHE_CONTROL]),
        (StatusCode::OK, &HeaderValue::from_static("public, max-age=60"))
    );
    let key = &keys["keys"][0];
    assert_eq!(
        [&key["kty"], &key["crv"], &key["alg"], &key["use"]],
        ["OKP", "Ed25519", "EdDSA", "sig"]
    );
    assert!(key.get("d").is_none(), "never the private half");
}
