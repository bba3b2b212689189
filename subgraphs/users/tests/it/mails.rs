//! What is confirmed by mail.

use crate::shop::{PASSWORD, Shop, user_errors};
use serde_json::{Value, json};
use service::testing::{TempSqlite, TestOptions, each_database};
use std::time::Duration;
use users::EmailVerification;

const VERIFY: &str = "mutation($token: String!) { userEmailVerify(token: $token) {
    user { email emailVerified } userErrors { code field } } }";
const RESET: &str = "mutation($token: String!, $password: String!) {
    userPasswordReset(token: $token, newPassword: $password) { user { id } tokens { accessToken } userErrors { code field } } }";

async fn verify(shop: &Shop, token: &str) -> Value {
    shop.data(VERIFY, json!({ "token": token }), None).await["userEmailVerify"].clone()
}

async fn request_reset(shop: &Shop, email: &str) {
    let request =
        "mutation($email: String!) { userPasswordResetRequest(email: $email) { accepted userErrors { code } } }";
    let data = shop.data(request, json!({ "email": email }), None).await;
    assert_eq!(
        data["userPasswordResetRequest"],
        json!({ "accepted": true, "userErrors": [] })
    );
}

#[tokio::test]
async fn an_address_is_confirmed_once() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    shop.customer("mira").await;
    let token = shop.mailed_token("mira@example.com", 1).await;
    assert_eq!(
        verify(&shop, &token).await["user"],
        json!({ "email": "mira@example.com", "emailVerified": true })
    );
    assert_eq!(user_errors(&verify(&shop, &token).await), "TOKEN_INVALID@token");
    assert_eq!(user_errors(&verify(&shop, "junk").await), "TOKEN_INVALID@token");
}

#[tokio::test]
async fn links_lead_to_the_shop_wherever_it_is() {
    let database = TempSqlite::new();
    let shop = Shop::start_changed(&database.url, TestOptions::default(), |config| {
        config.shop_url = "https://example.com/shop/".parse().unwrap();
    })
    .await;
    shop.customer("mira").await;
    request_reset(&shop, "mira@example.com").await;
    let mails = shop.mails_to("mira@example.com", 2).await;
    for page in ["verify-email", "reset-password"] {
        let link = format!("https://example.com/shop/{page}?token=");
        assert!(mails.iter().any(|mail| mail.contains(&link)), "{mails:?}");
    }
}

#[tokio::test]
async fn an_old_link_is_refused() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let access = shop.customer("mira").await;
    let token = shop.mailed_token("mira@example.com", 1).await;
    shop.service.clock.advance(Duration::from_secs(3 * 86_400));
    assert_eq!(user_errors(&verify(&shop, &token).await), "TOKEN_EXPIRED@token");

    let again = "mutation { userEmailVerificationRequest { accepted userErrors { code field } } }";
    for expected in ["", "", "", "TOO_MANY_ATTEMPTS@"] {
        let data = shop.data(again, json!({}), Some(&access)).await;
        assert_eq!(user_errors(&data["userEmailVerificationRequest"]), expected);
    }
    let second = shop.mailed_token("mira@example.com", 2).await;
    shop.mails_to("mira@example.com", 4).await;
    assert_eq!(
        verify(&shop, &second).await["user"]["emailVerified"],
        true,
        "nobody knows which of several mails is read"
    );
    assert_eq!(
        user_errors(&verify(&shop, &shop.mailed_token("mira@example.com", 4).await).await),
        "TOKEN_INVALID@token",
        "but the others are good for nothing then"
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
        let taken = verify(&shop, &shop.mailed_token("ada@hansa.example", 1).await).await;
        assert_eq!(user_errors(&taken), "EMAIL_TAKEN@");

        let variables = json!({ "to": "mira.new@example.com", "password": PASSWORD });
        shop.data(change, variables, Some(&access)).await;
        assert_eq!(
            user_errors(&shop.login("mira@example.com", PASSWORD).await),
            "",
            "until then the old one counts"
        );
        let done = verify(&shop, &shop.mailed_token("mira.new@example.com", 1).await).await;
        assert_eq!(
            done["user"],
            json!({ "email": "mira.new@example.com", "emailVerified": true })
        );
        assert_eq!(
            user_errors(&shop.login("mira@example.com", PASSWORD).await),
            "INVALID_CREDENTIALS@"
        );
        assert_eq!(user_errors(&shop.login("mira.new@example.com", PASSWORD).await), "");
        let told = shop.mails_to("mira@example.com", 2).await;
        assert!(told[1].contains("Your email address was changed"), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let earlier = shop.register("mira").await["tokens"]["refreshToken"].clone();
    let unused = shop.mailed_token("mira@example.com", 1).await;
    request_reset(&shop, "Mira@example.com").await;
    let token = shop.mailed_token("mira@example.com", 2).await;
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
    let told = shop.mails_to("mira@example.com", 3).await;
    assert!(told[2].contains("Your password was changed"), "{told:?}");
    assert_eq!(user_errors(&verify(&shop, &unused).await), "TOKEN_INVALID@token");
    let refresh = "mutation($token: String) { userTokenRefresh(refreshToken: $token) { userErrors { code field } } }";
    let data = shop.data(refresh, json!({ "token": earlier }), None).await;
    assert_eq!(user_errors(&data["userTokenRefresh"]), "TOKEN_INVALID@refreshToken");
}

#[tokio::test]
async fn a_reset_does_the_same_for_an_unknown_address() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let request =
        "mutation($email: String!) { userPasswordResetRequest(email: $email) { accepted userErrors { code } } }";
    let mut seen = Vec::new();
    for email in ["nobody@example.com", "ada@hansa.example"] {
        // More than are sent: the answer stays the same.
        for _ in 0..5 {
            seen.push(shop.data(request, json!({ "email": email }), None).await);
        }
    }
    seen.push(shop.data(request, json!({ "email": "nonsense" }), None).await);
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
    shop.mails_to("ada@hansa.example", 3).await;
    assert_eq!(shop.mails().len(), 3, "at most three, and none to strangers");
}

/// To MySQL and MariaDB `á` is `a`, unless they are told otherwise.
#[tokio::test]
async fn a_reset_mail_for_another_spelling_is_not_sent() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        for email in ["ada@hánsa.example", "adá@hansa.example", "ada@hansa.example"] {
            request_reset(&shop, email).await;
        }
        shop.mails_to("ada@hansa.example", 1).await;
        // Mails are sent in rounds, so that with this one all from before would be there.
        request_reset(&shop, "ada@hansa.example").await;
        shop.mails_to("ada@hansa.example", 2).await;
        assert_eq!(shop.mails().len(), 2, "{:?}", shop.mails());
    })
    .await;
}

#[tokio::test]
async fn two_who_use_one_link_at_once_set_one_password() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        request_reset(&shop, "ada@hansa.example").await;
        let token = shop.mailed_token("ada@hansa.example", 1).await;
        let reset = |password: &'static str| {
            let variables = json!({ "token": token, "password": password });
            shop.data(RESET, variables, None)
        };
        let (one, other) = tokio::join!(reset("a new good password"), reset("a third good password"));
        let won = [one, other].map(|data| data["userPasswordReset"]["tokens"].is_object());
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
    })
    .await;
}

/// Whoever guesses at an account locks it for a while; its owner comes in by mail.
#[tokio::test]
async fn a_reset_opens_an_account_that_was_locked_by_guesses() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    for _ in 0..11 {
        shop.login("ada@hansa.example", "wrong password").await;
    }
    request_reset(&shop, "ada@hansa.example").await;
    let token = shop.mailed_token("ada@hansa.example", 1).await;
    let variables = json!({ "token": token, "password": "a new good password" });
    shop.data(RESET, variables, None).await;
    let login = shop.login("ada@hansa.example", "a new good password").await;
    assert_eq!(user_errors(&login), "");
}

#[tokio::test]
async fn the_first_admin_proves_the_address_by_a_reset() {
    let database = TempSqlite::new();
    let shop = Shop::start_changed(&database.url, TestOptions::default(), |config| {
        config.admin_email = Some("Boss@example.com".to_owned());
    })
    .await;
    let roles = "{ me { roles } }";
    let token = shop.customer("boss").await;
    verify(&shop, &shop.mailed_token("boss@example.com", 1).await).await;
    let me = shop.data(roles, json!({}), Some(&token)).await;
    assert_eq!(
        me["me"]["roles"],
        json!(["CUSTOMER"]),
        "somebody else may have registered the address, and waited for the click"
    );
    request_reset(&shop, "boss@example.com").await;
    let secret = shop.mailed_token("boss@example.com", 2).await;
    let variables = json!({ "token": secret, "password": "a new good password" });
    let data = shop.data(RESET, variables, None).await;
    let token = data["userPasswordReset"]["tokens"]["accessToken"].as_str();
    let me = shop.data(roles, json!({}), token).await;
    assert_eq!(me["me"]["roles"], json!(["CUSTOMER", "ADMIN"]));
}

/// Whether or not it is known, and from wherever: no test has a network.
#[tokio::test]
async fn nobody_is_sent_mails_by_registering_their_address_again_and_again() {
    each_database(|url| async move {
        let shop = Shop::start_with(&url, EmailVerification::Required).await;
        for name in ["mira", "mira", "mira"] {
            assert_eq!(user_errors(&shop.register(name).await), "");
        }
        let known = "mutation { userRegister(input: { email: \"ada@hansa.example\", displayName: \"Ada\",
            password: \"correct horse battery\" }) { accepted user { id email } tokens { accessToken refreshToken }
            userErrors { code field } } }";
        for _ in 0..3 {
            assert_eq!(
                user_errors(&shop.data(known, json!({}), None).await["userRegister"]),
                ""
            );
        }
        let refused = shop.register("mira").await;
        assert_eq!(user_errors(&refused), "TOO_MANY_ATTEMPTS@");
        assert_eq!(shop.data(known, json!({}), None).await["userRegister"], refused);
        shop.mails_to("mira@example.com", 3).await;
        shop.mails_to("ada@hansa.example", 3).await;
        assert_eq!(shop.mails().len(), 6);
        shop.service.clock.advance(Duration::from_secs(15 * 60 + 1));
        assert_eq!(user_errors(&shop.register("mira").await), "");
    })
    .await;
}

#[tokio::test]
async fn an_account_that_is_made_and_deleted_again_and_again_sends_few_mails() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let leave = "mutation($password: String!) { userDelete(password: $password) { userErrors { code field } } }";
    for _ in 0..3 {
        let token = shop.customer("mira").await;
        let left = shop.data(leave, json!({ "password": PASSWORD }), Some(&token)).await;
        assert_eq!(user_errors(&left["userDelete"]), "");
    }
    assert_eq!(user_errors(&shop.register("mira").await), "TOO_MANY_ATTEMPTS@");
}
