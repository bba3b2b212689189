//! What two who come at once do to each other, in the worst order: the steps of the use cases one by one.

use super::{Accounts, Answer, Failure, NewAccount, Parts};
use crate::config::UsersConfig;
use crate::domain::{Device, Purpose, Reason, Secret};
use crate::keyring::Keyring;
use crate::migration::Migrator;
use crate::password_hasher::PasswordHasher;
use crate::store::{MailToken, Store};
use service::auth::TokenSettings;
use service::clock::Clock;
use service::database::{Database, DatabaseOptions};
use service::events::RelayBell;
use service::testing::each_database;
use std::sync::Arc;

const EMAIL: &str = "ada@hansa.example";
const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "a new good password";

/// Runs `test` with the use cases of a shop in which only Ada has an account, on each database.
async fn with_ada(test: impl AsyncFn(Accounts)) {
    let test = &test;
    each_database(|url| async move {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let (store, clock) = (Store::new(database.clone()), Clock::manual(service::seed::opening()));
        let keyring = Keyring::open(folder.path(), store.clone(), clock.clone()).await;
        let accounts = Accounts::new(Parts {
            store,
            hasher: PasswordHasher::new(4),
            keyring: keyring.unwrap(),
            outbox: Arc::default(),
            relay: RelayBell::default(),
            tokens: TokenSettings::default(),
            clock,
            config: UsersConfig::default(),
        });
        let ada = NewAccount {
            email: EMAIL.to_owned(),
            password: PASSWORD.to_owned(),
            display_name: "Ada".to_owned(),
            locale: None,
        };
        accounts.register(ada, Device::default()).await.unwrap();
        test(accounts).await;
        database.close().await;
    })
    .await;
}

/// Why something was refused; nothing when it was not.
fn refused<T>(answer: Answer<T>) -> Vec<Reason> {
    match answer {
        Ok(_) => Vec::new(),
        Err(Failure::Refused(refusals)) => refusals.into_iter().map(|refusal| refusal.reason).collect(),
        Err(failure) => panic!("{failure:?}"),
    }
}

#[tokio::test]
async fn a_secret_that_went_to_another_address_resets_nothing() {
    with_ada(async |accounts| {
        let ada = accounts.store.user_with_email(EMAIL).await.unwrap().unwrap();
        for (email, expected) in [("ada@hánsa.example", vec![Reason::TokenInvalid]), (EMAIL, vec![])] {
            let secret = Secret::generate();
            let token = MailToken {
                user_id: ada.id.clone(),
                purpose: Purpose::ResetPassword,
                email: email.to_owned(),
            };
            let now = accounts.clock.now();
            accounts.store.create_mail_token(&token, &secret, now).await.unwrap();
            let reset = accounts.reset_password(secret.text(), NEW_PASSWORD.to_owned(), Device::default());
            assert_eq!(refused(reset.await), expected, "{email}");
        }
    })
    .await;
}
