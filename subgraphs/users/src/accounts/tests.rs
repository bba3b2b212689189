//! What two who come at once do to each other, in the worst order: the steps of the use cases one by one.

use super::{Accounts, Answer, Failure, NewAccount, Parts};
use crate::config::UsersConfig;
use crate::domain::{Attempts, Device, EmailAddress, Occasion, ProfileChange, Reason, Secret};
use crate::keyring::Keyring;
use crate::migration::Migrator;
use crate::password_hasher::{PasswordHasher, Place};
use crate::store::{Credentials, DueMail, MailToken, NewMail, Store};
use chrono::TimeDelta;
use service::auth::TokenSettings;
use service::clock::Clock;
use service::database::{Database, DatabaseOptions};
use service::events::RelayBell;
use service::testing::each_database;
use std::sync::Arc;
use std::time::Duration;

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
        accounts.register(form(EMAIL), Device::default()).await.unwrap();
        test(accounts).await;
        database.close().await;
    })
    .await;
}

fn form(email: &str) -> NewAccount {
    NewAccount {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Ada".to_owned(),
        locale: None,
    }
}

/// Ada's account, as whoever gives the right password finds it.
async fn ada(accounts: &Accounts) -> Credentials {
    let Ok(email) = EmailAddress::parse("email", EMAIL) else {
        panic!("an address")
    };
    accounts.store.credentials(&email).await.unwrap().unwrap()
}

/// The mails that wait, as the postman takes them.
async fn taken_mails(accounts: &Accounts) -> Vec<DueMail> {
    accounts.clock.advance(Duration::from_secs(60));
    let now = accounts.clock.now();
    accounts
        .store
        .take_due_mails(now, TimeDelta::seconds(60))
        .await
        .unwrap()
}

/// Makes a secret for the mail `due` to Ada; `None` when it is not to be sent any more.
async fn secret_for(accounts: &Accounts, due: &DueMail) -> Option<Secret> {
    let token = MailToken {
        user_id: ada(accounts).await.user.id,
        purpose: due.mail.occasion.purpose().unwrap(),
        email: due.mail.email.clone(),
    };
    let (secret, now) = (Secret::generate(), accounts.clock.now());
    let made = accounts.store.create_mail_token(&due.id, &token, &secret, now);
    made.await.unwrap().then_some(secret)
}

/// Replaces Ada's password with a secret that was sent to `email`.
async fn reset(accounts: &Accounts, email: &str) -> Vec<Reason> {
    let sent = accounts.enqueue(Occasion::ResetPassword, None, email).await;
    assert_eq!(refused(sent), []);
    let mut mails = taken_mails(accounts).await;
    mails.retain(|due| due.mail.occasion == Occasion::ResetPassword && due.mail.email == email);
    let secret = secret_for(accounts, mails.last().unwrap()).await.unwrap();
    refused(
        accounts
            .reset_password(secret.text(), NEW_PASSWORD.to_owned(), Device::default())
            .await,
    )
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
        assert_eq!(reset(&accounts, "ada@hánsa.example").await, [Reason::TokenInvalid]);
        assert_eq!(reset(&accounts, EMAIL).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_password_that_is_replaced_while_it_is_checked_allows_nothing() {
    with_ada(async |accounts| {
        let verified = ada(&accounts).await;
        assert_eq!(reset(&accounts, EMAIL).await, []);

        let (store, now, id) = (&accounts.store, accounts.clock.now(), verified.user.id.clone());
        let opened = accounts.open_session(verified.clone(), Device::default()).await;
        assert_eq!(refused(opened), [Reason::InvalidCredentials]);
        let rehashed = accounts.rehash(verified.clone(), PASSWORD).await;
        assert_eq!(refused(rehashed), [Reason::InvalidCredentials]);
        let hash = verified.password_hash.clone();
        assert!(!store.change_password(&verified, None, hash, now).await.unwrap());
        let mail = NewMail {
            occasion: Occasion::ChangeEmail,
            email: "thief@example.com".to_owned(),
            user_id: Some(id.clone()),
        };
        assert!(!store.enqueue_verified_mail(mail, &verified, now).await.unwrap());
        assert!(!store.erase_user(&verified, true, now).await.unwrap());

        let sessions = store.sessions_of(vec![id.clone()], now).await.unwrap();
        assert_eq!(sessions[&id].len(), 1, "that of the reset");
        let login = accounts.login(EMAIL, NEW_PASSWORD, Device::default()).await;
        assert_eq!(refused(login), []);
    })
    .await;
}

#[tokio::test]
async fn two_logins_that_hash_anew_at_once_both_come_in() {
    with_ada(async |accounts| {
        let verified = ada(&accounts).await;
        for _ in 0..2 {
            let rehashed = accounts.rehash(verified.clone(), PASSWORD).await.ok().unwrap();
            assert_ne!(rehashed.password_hash, verified.password_hash);
            let opened = accounts.open_session(rehashed, Device::default()).await;
            assert_eq!(refused(opened), []);
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_password_takes_back_a_new_address_that_was_asked_for() {
    with_ada(async |accounts| {
        let id = ada(&accounts).await.user.id;
        let address_changes = async || {
            let mut mails = taken_mails(&accounts).await;
            mails.retain(|due| due.mail.occasion == Occasion::ChangeEmail);
            mails
        };
        for (password, resets) in [(PASSWORD, true), (NEW_PASSWORD, false)] {
            let asked = accounts.request_email_change(&id, "thief@example.com", password).await;
            assert_eq!(refused(asked), []);
            let taken = address_changes().await;
            assert_eq!(taken.len(), 1);
            if resets {
                assert_eq!(reset(&accounts, EMAIL).await, []);
            } else {
                let changed = accounts.change_password(&id, None, password, "a third good password".to_owned());
                assert_eq!(refused(changed.await), []);
            }
            assert_eq!(address_changes().await, []);
            let secret = secret_for(&accounts, &taken[0]).await;
            assert!(secret.is_none(), "also when the postman holds the mail already");
        }
    })
    .await;
}

#[tokio::test]
async fn a_busy_moment_is_not_an_attempt() {
    with_ada(async |accounts| {
        let id = ada(&accounts).await.user.id;
        let device = || Device::new(None, Some("192.0.2.1"));
        let places: Vec<Place> = std::iter::from_fn(|| accounts.hasher.place().ok()).collect();
        // More than a network may try.
        for _ in 0..101 {
            let login = accounts.login(EMAIL, PASSWORD, device()).await;
            let confirmed = accounts.confirm_password(&id, "password", PASSWORD).await;
            let registered = accounts.register(form("mira@example.com"), device()).await;
            assert!(matches!(login, Err(Failure::Busy)));
            assert!(matches!(confirmed, Err(Failure::Busy)));
            assert!(matches!(registered, Err(Failure::Busy)));
        }
        drop(places);
        assert_eq!(refused(accounts.login(EMAIL, PASSWORD, device()).await), []);
        let registered = accounts.register(form("mira@example.com"), device()).await;
        assert_eq!(refused(registered), []);
    })
    .await;
}

#[tokio::test]
async fn a_right_password_whose_client_has_left_is_not_an_attempt() {
    with_ada(async |accounts| {
        let stopped = accounts.hasher.stop().await;
        for attempt in 1..=10 {
            tokio::select! {
                _ = accounts.login(EMAIL, PASSWORD, Device::default()) => panic!("nothing is hashed"),
                () = counted(&accounts, attempt) => {}
            }
        }
        drop(stopped);
        counted(&accounts, 0).await;
        let login = accounts.login(EMAIL, PASSWORD, Device::default()).await;
        assert_eq!(refused(login), []);
    })
    .await;
}

/// Waits until so many attempts at Ada's password are counted.
async fn counted(accounts: &Accounts, attempts: i32) {
    for _ in 0..1000 {
        if accounts.store.attempts_counted(&Attempts::login_to(EMAIL)).await == attempts {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{attempts} attempts were not counted");
}

#[tokio::test]
async fn two_changes_of_a_profile_at_once_are_both_kept() {
    with_ada(async |accounts| {
        let user_id = ada(&accounts).await.user.id;
        for number in 0..10 {
            let change = |change| accounts.update(&user_id, change);
            let phone = Some(format!("+49 451 12345{number}"));
            let locale = Some(format!("de-{}", ["DE", "AT"][number % 2]));
            let (one, two) = tokio::join!(
                change(ProfileChange {
                    phone: Some(phone.clone()),
                    ..ProfileChange::default()
                }),
                change(ProfileChange {
                    locale: Some(locale.clone()),
                    ..ProfileChange::default()
                }),
            );
            one.unwrap();
            two.unwrap();
            let profile = ada(&accounts).await.user.profile;
            assert_eq!((profile.phone, profile.locale), (phone, locale));
        }
    })
    .await;
}
