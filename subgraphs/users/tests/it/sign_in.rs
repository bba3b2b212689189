//! Registration, login, passwords.

use crate::shop::{PASSWORD, Shop, secret_in, user_errors};
use futures::StreamExt as _;
use futures::future::join_all;
use serde_json::json;
use service::testing::{TempSqlite, each_database};
use std::time::Duration;
use users::EmailVerification;

#[tokio::test]
async fn registration_signs_in() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let payload = shop.register("mira").await;
        assert_eq!(payload["user"]["email"], "mira@example.com");
        let token = payload["tokens"]["accessToken"].as_str().unwrap();
        let me = shop
            .data(
                "{ me { id displayName email emailVerified roles } }",
                json!({}),
                Some(token),
            )
            .await;
        assert_eq!(me["me"]["id"], payload["user"]["id"]);
        assert_eq!(me["me"]["roles"], json!(["CUSTOMER"]));
        assert_eq!(me["me"]["emailVerified"], false);

        assert_eq!(user_errors(&shop.register("MIRA").await), "EMAIL_TAKEN@input.email");
        assert_eq!(user_errors(&shop.login("Mira@Example.com", PASSWORD).await), "");
    })
    .await;
}

/// To MySQL and MariaDB `á` is `a`, unless they are told otherwise.
#[tokio::test]
async fn addresses_that_differ_in_an_accent_are_two() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        for (email, expected) in [
            ("ada@hansa.example", ""),
            ("adá@hansa.example", "INVALID_CREDENTIALS@"),
            ("ada@hánsa.example", "INVALID_CREDENTIALS@"),
        ] {
            assert_eq!(
                user_errors(&shop.login(email, "demo-password-1").await),
                expected,
                "{email}"
            );
        }
        let (mira, other) = (shop.register("mira").await, shop.register("mirá").await);
        assert_eq!(other["user"]["email"], "mirá@example.com");
        for (email, registered) in [("mira@example.com", mira), ("MIRÁ@example.com", other)] {
            assert_eq!(
                shop.login(email, PASSWORD).await["user"]["id"],
                registered["user"]["id"],
                "{email}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_with_several_mistakes_gets_them_all_at_once() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let register = "mutation { userRegister(input: { email: \"nobody\", password: \"short\", displayName: \" \",
        locale: \"Deutsch\" }) { accepted user { id } userErrors { code field } } }";
    let payload = &shop.data(register, json!({}), None).await["userRegister"];
    assert_eq!(
        user_errors(payload),
        "EMAIL_INVALID@input.email PASSWORD_TOO_SHORT@input.password REQUIRED@input.displayName INVALID@input.locale"
    );
    assert_eq!(payload["accepted"], false);
}

#[tokio::test]
async fn a_failed_login_does_not_tell_whether_the_address_is_known() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let known = shop.login("ada@hansa.example", "not her password").await;
    let unknown = shop.login("nobody@hansa.example", "not her password").await;
    let malformed = shop.login("nobody", "not her password").await;
    assert_eq!(known, unknown);
    assert_eq!(known, malformed);
    assert_eq!(user_errors(&known), "INVALID_CREDENTIALS@");
}

/// The time is that of one argon2 hash (see `password_hasher`) and of the statements.
#[tokio::test]
async fn a_failed_login_takes_as_many_statements_for_an_unknown_address() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let login = "mutation($email: String!) { userLogin(input: { email: $email, password: \"wrong password\" }) {
        userErrors { code } } }";
    let known = shop
        .statements_of(login, json!({ "email": "ada@hansa.example" }), None)
        .await;
    let unknown = shop
        .statements_of(login, json!({ "email": "nobody@hansa.example" }), None)
        .await;
    assert_eq!(known, unknown);
}

#[tokio::test]
async fn too_many_failures_lock_an_account_for_a_while() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        for name in ["ada", "nobody"] {
            let email = format!("{name}@hansa.example");
            for _ in 0..10 {
                assert_eq!(
                    user_errors(&shop.login(&email, "wrong password").await),
                    "INVALID_CREDENTIALS@"
                );
            }
            assert_eq!(
                user_errors(&shop.login(&email, "demo-password-1").await),
                "TOO_MANY_ATTEMPTS@"
            );
        }
        assert_eq!(
            user_errors(&shop.login("support@hansa.example", "demo-password-1").await),
            ""
        );
        shop.service.clock.advance(Duration::from_secs(15 * 60 + 1));
        assert_eq!(
            user_errors(&shop.login("ada@hansa.example", "demo-password-1").await),
            ""
        );
    })
    .await;
}

#[tokio::test]
async fn of_many_guesses_at_once_ten_are_looked_at() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let guesses = (0..40).map(|_| shop.login("ada@hansa.example", "wrong password"));
        let answers: Vec<String> = futures::future::join_all(guesses)
            .await
            .iter()
            .map(user_errors)
            .collect();
        let looked_at = answers.iter().filter(|answer| *answer == "INVALID_CREDENTIALS@");
        assert_eq!(looked_at.count(), 10, "{answers:?}");

        // What is counted is in the database: another replica, or the same one after a restart, knows it too.
        let other = Shop::start(&url).await;
        let login = other.login("ada@hansa.example", "demo-password-1").await;
        assert_eq!(user_errors(&login), "TOO_MANY_ATTEMPTS@");
    })
    .await;
}

/// From one network, over many accounts.
#[tokio::test]
async fn a_network_that_guesses_too_often_waits() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let client = service::testing::client(&shop.service.app.public);
    let login = async |email: String, password: &str, address: &'static str| {
        let headers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x-forwarded-for"),
            http::HeaderValue::from_static(address),
        )]);
        let query = "mutation($input: UserLoginInput!) { userLogin(input: $input) { userErrors { code field } } }";
        let variables = json!({ "input": { "email": email, "password": password } });
        let (_, _, body) = client
            .send(json!({ "query": query, "variables": variables }), headers)
            .await;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        user_errors(&body["data"]["userLogin"])
    };
    for _ in 0..5 {
        let answer = login("support@hansa.example".to_owned(), "demo-password-1", "192.0.2.1").await;
        assert_eq!(answer, "", "logins that succeed are not counted");
    }
    for guess in 0..100 {
        let answer = login(format!("nobody{guess}@example.com"), "wrong password", "192.0.2.1").await;
        assert_eq!(answer, "INVALID_CREDENTIALS@");
    }
    let ada = || "ada@hansa.example".to_owned();
    assert_eq!(
        login(ada(), "demo-password-1", "192.0.2.200").await,
        "TOO_MANY_ATTEMPTS@"
    );
    assert_eq!(login(ada(), "demo-password-1", "198.51.100.1").await, "");

    let support = || "support@hansa.example".to_owned();
    for _ in 0..11 {
        assert_eq!(
            login(support(), "wrong password", "192.0.2.1").await,
            "TOO_MANY_ATTEMPTS@"
        );
    }
    let elsewhere = login(support(), "demo-password-1", "198.51.100.1").await;
    assert_eq!(elsewhere, "", "a network that waits locks no account");
}

#[tokio::test]
async fn a_password_is_changed_a_few_times_and_then_later() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let token = shop.customer("mira").await;
    let change = "mutation($current: String!, $new: String!) {
        userPasswordChange(currentPassword: $current, newPassword: $new) { user { id } userErrors { code field } } }";
    let passwords = [PASSWORD, "a new good password"];
    let answers: Vec<String> = futures::stream::iter(0..7)
        .then(|number| {
            let variables = json!({ "current": passwords[number % 2], "new": passwords[(number + 1) % 2] });
            let changed = shop.data(change, variables, Some(&token));
            async { user_errors(&changed.await["userPasswordChange"]) }
        })
        .collect()
        .await;
    let (done, refused) = answers.split_at(5);
    assert!(done.iter().all(String::is_empty), "{answers:?}");
    assert_eq!(refused[0], "TOO_MANY_ATTEMPTS@");
    let mails = shop.mails_to("mira@example.com", 6).await;
    assert_eq!(mails.len(), 6, "one to confirm the address, and one for each change");
}

/// To MySQL a deletion that finds nothing may lock the place of what others are about to insert.
#[tokio::test]
async fn many_register_and_leave_at_once() {
    each_database(|url| async move {
        let shop = &Shop::start(&url).await;
        let registered = join_all((0..30).map(|number| async move { shop.register(&format!("many{number}")).await }));
        let registered = registered.await;
        let leave = "mutation($password: String!) { userDelete(password: $password) { userErrors { code field } } }";
        let left = join_all(registered[..10].iter().map(|payload| {
            let token = payload["tokens"]["accessToken"].as_str();
            shop.data(leave, json!({ "password": PASSWORD }), token)
        }));
        for data in left.await {
            assert_eq!(user_errors(&data["userDelete"]), "");
        }
    })
    .await;
}

#[tokio::test]
async fn a_password_change_needs_the_old_one_and_ends_other_sessions() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let token = shop.customer("mira").await;
    let elsewhere = shop.login("mira@example.com", PASSWORD).await;
    let change = "mutation($current: String!, $new: String!) {
        userPasswordChange(currentPassword: $current, newPassword: $new) { user { id } userErrors { code field } } }";
    for (current, new, expected) in [
        (
            "wrong password",
            "a new good password",
            "INVALID_CREDENTIALS@currentPassword",
        ),
        (PASSWORD, "short", "PASSWORD_TOO_SHORT@newPassword"),
        (PASSWORD, "mira@example.com", "PASSWORD_TOO_COMMON@newPassword"),
        (PASSWORD, "a new good password", ""),
    ] {
        let data = shop
            .data(change, json!({ "current": current, "new": new }), Some(&token))
            .await;
        assert_eq!(user_errors(&data["userPasswordChange"]), expected, "{current} {new}");
    }
    assert_eq!(
        user_errors(&shop.login("mira@example.com", PASSWORD).await),
        "INVALID_CREDENTIALS@"
    );
    assert_eq!(
        user_errors(&shop.login("mira@example.com", "a new good password").await),
        ""
    );
    let refresh = "mutation($token: String) { userTokenRefresh(refreshToken: $token) { userErrors { code field } } }";
    let data = shop
        .data(refresh, json!({ "token": elsewhere["tokens"]["refreshToken"] }), None)
        .await;
    assert_eq!(user_errors(&data["userTokenRefresh"]), "TOKEN_INVALID@refreshToken");
}

#[tokio::test]
async fn where_addresses_must_be_confirmed_registration_tells_nothing() {
    let database = TempSqlite::new();
    let shop = Shop::start_with(&database.url, EmailVerification::Required).await;
    let (first, second) = (shop.register("mira").await, shop.register("mira").await);
    assert_eq!(first, second);
    assert_eq!(
        first,
        json!({ "accepted": true, "user": null, "tokens": null, "userErrors": [] })
    );
    let mails = shop.mails_to("mira@example.com", 2).await;
    assert!(
        mails.iter().any(|mail| mail.contains("You have an account already")),
        "{mails:?}"
    );
    let confirmation = mails.iter().find(|mail| mail.contains("token=")).unwrap();

    // The one has this password, the other one had an account before: who registered both must not hear which.
    assert_eq!(shop.register("ada").await, first);
    for _ in 0..10 {
        let unconfirmed = shop.login("mira@example.com", PASSWORD).await;
        assert_eq!(user_errors(&unconfirmed), "INVALID_CREDENTIALS@");
        assert_eq!(shop.login("ada@hansa.example", PASSWORD).await, unconfirmed);
    }
    for email in ["mira@example.com", "ada@hansa.example"] {
        assert_eq!(user_errors(&shop.login(email, PASSWORD).await), "TOO_MANY_ATTEMPTS@");
    }
    shop.mails_to("mira@example.com", 5).await;
    shop.service.clock.advance(Duration::from_secs(15 * 60 + 1));
    let verify =
        "mutation($token: String!) { userEmailVerify(token: $token) { user { id } userErrors { code field } } }";
    shop.data(verify, json!({ "token": secret_in(confirmation) }), None)
        .await;
    assert_eq!(user_errors(&shop.login("mira@example.com", PASSWORD).await), "");
}
