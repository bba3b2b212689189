//! What is confirmed by mail.

use crate::shop::{PASSWORD, Shop, user_errors};
use serde_json::{Value, json};
use service::testing::{TempSqlite, each_database};
use std::time::Duration;

const VERIFY: &str = "mutation($token: String!) { userEmailVerify(token: $token) {
    user { email emailVerified } userErrors { code field } } }";
const RESET: &str = "mutation($token: String!, $password: String!) {
    userPasswordReset(token: $token, newPassword: $password) { user { id } tokens { accessToken } userErrors { code field } } }";

async fn verify(shop: &Shop, token: &str) -> Value {
    shop.data(VERIFY, json!({ "token": token }), None).await["userEmailVerify"].clone()
}

/// Resets are sent in the background; waits for the mail.
async fn request_reset(shop: &Shop, email: &str) {
    let before = shop.mails().len();
    let request =
        "mutation($email: String!) { userPasswordResetRequest(email: $email) { accepted userErrors { code } } }";
    let data = shop.data(request, json!({ "email": email }), None).await;
    assert_eq!(
        data["userPasswordResetRequest"],
        json!({ "accepted": true, "userErrors": [] })
    );
    for _ in 0..500 {
        if shop.mails().len() > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no mail to {email}");
}

#[tokio::test]
async fn an_address_is_confirmed_once() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    shop.customer("mira").await;
    let token = shop.mailed_token("mira@example.com");
    assert_eq!(
        verify(&shop, &token).await["user"],
        json!({ "email": "mira@example.com", "emailVerified": true })
    );
    assert_eq!(user_errors(&verify(&shop, &token).await), "TOKEN_INVALID@token");
    assert_eq!(user_errors(&verify(&shop, "junk").await), "TOKEN_INVALID@token");
}

#[tokio::test]
async fn an_old_link_is_refused() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let access = shop.customer("mira").await;
    let token = shop.mailed_token("mira@example.com");
    shop.service.clock.advance(Duration::from_secs(3 * 86_400));
    assert_eq!(user_errors(&verify(&shop, &token).await), "TOKEN_EXPIRED@token");

    let again = "mutation { userEmailVerificationRequest { accepted userErrors { code } } }";
    shop.data(again, json!({}), Some(&access)).await;
    shop.data(again, json!({}), Some(&access)).await;
    assert_eq!(shop.mails().len(), 2, "a second mail within a minute is not sent");
    assert_eq!(
        verify(&shop, &shop.mailed_token("mira@example.com")).await["user"]["emailVerified"],
        true
    );
}

#[tokio::test]
async fn a_new_address_counts_when_it_is_confirmed() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let access = shop.customer("mira").await;
        let change = "mutation($to: String!, $password: String!) {
            userEmailChangeRequest(newEmail: $to, password: $password) { accepted userErrors { code field } } }";
        for (to, password, expected) in [
            ("mira.new@example.com", "wrong password", "INVALID_CREDENTIALS@password"),
            ("nonsense", PASSWORD, "EMAIL_INVALID@newEmail"),
            ("ada@hansa.example", PASSWORD, ""),
        ] {
            let data = shop
                .data(change, json!({ "to": to, "password": password }), Some(&access))
                .await;
            assert_eq!(user_errors(&data["userEmailChangeRequest"]), expected, "{to}");
        }
        let taken = verify(&shop, &shop.mailed_token("ada@hansa.example")).await;
        assert_eq!(user_errors(&taken), "EMAIL_TAKEN@");

        shop.service.clock.advance(Duration::from_secs(61));
        let variables = json!({ "to": "mira.new@example.com", "password": PASSWORD });
        shop.data(change, variables, Some(&access)).await;
        assert_eq!(
            user_errors(&shop.login("mira@example.com", PASSWORD).await),
            "",
            "until then the old one counts"
        );
        let done = verify(&shop, &shop.mailed_token("mira.new@example.com")).await;
        assert_eq!(
            done["user"],
            json!({ "email": "mira.new@example.com", "emailVerified": true })
        );
        assert_eq!(
            user_errors(&shop.login("mira@example.com", PASSWORD).await),
            "INVALID_CREDENTIALS@"
        );
        assert_eq!(user_errors(&shop.login("mira.new@example.com", PASSWORD).await), "");
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    shop.customer("mira").await;
    request_reset(&shop, "Mira@example.com").await;
    let token = shop.mailed_token("mira@example.com");
    let reset = async |password: &str| {
        shop.data(RESET, json!({ "token": token, "password": password }), None)
            .await["userPasswordReset"]
            .clone()
    };
    assert_eq!(user_errors(&reset("short").await), "PASSWORD_TOO_SHORT@newPassword");
    let done = reset("a new good password").await;
    assert!(
        done["tokens"]["accessToken"].is_string(),
        "a weak password did not cost the token: {done:#}"
    );
    assert_eq!(
        user_errors(&reset("a third good password").await),
        "TOKEN_INVALID@token"
    );
    assert_eq!(
        user_errors(&shop.login("mira@example.com", PASSWORD).await),
        "INVALID_CREDENTIALS@"
    );
    assert_eq!(
        user_errors(&shop.login("mira@example.com", "a new good password").await),
        ""
    );
}

#[tokio::test]
async fn a_reset_of_an_unknown_address_answers_the_same() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let request =
        "mutation($email: String!) { userPasswordResetRequest(email: $email) { accepted userErrors { code } } }";
    let answers = [
        shop.data(request, json!({ "email": "nobody@example.com" }), None).await,
        shop.data(request, json!({ "email": "nonsense" }), None).await,
        shop.data(request, json!({ "email": "ada@hansa.example" }), None).await,
    ];
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
