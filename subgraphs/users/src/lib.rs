//! The users service: accounts, sessions, profiles and addresses.
//!
//! Owns the entities `User` and `Address` (key `id`), and signs the access tokens of the whole shop. Invariants: an
//! email address belongs to at most one account; a default address belongs to its user; a refresh token works once;
//! passwords and tokens are stored only as hashes. Knows nothing of carts and orders.

mod accounts;
mod config;
mod domain;
mod entity;
mod graphql;
mod internal;
mod keyring;
mod mail;
mod migration;
mod password_hasher;
mod postman;
mod seed;
mod store;

pub use config::{EmailVerification, UsersConfig};

use accounts::Accounts;
use keyring::Keyring;
use password_hasher::PasswordHasher;
use postman::Postman;
use service::database::Database;
use service::{Routes, Service, ServiceContext};
use std::sync::Arc;
use store::Store;

/// The users service.
#[derive(Debug)]
pub struct Users;

/// The federation SDL of the subgraph.
#[must_use]
pub fn sdl() -> String {
    graphql::sdl()
}

impl Service for Users {
    const NAME: &'static str = "users";
    const EVENTS: bool = true;
    type Config = UsersConfig;
    type Migrator = migration::Migrator;

    fn sdl() -> String {
        sdl()
    }

    async fn seed(database: &Database) -> anyhow::Result<()> {
        seed::seed(database).await
    }

    async fn routes(context: ServiceContext, config: UsersConfig) -> anyhow::Result<Routes> {
        let store = Store::new(context.database.clone());
        let keyring = Keyring::open(&config.jwt_keys_dir, store.clone(), context.clock.clone()).await?;
        context.verifier.set_keys(&keyring.jwks());
        tokio::spawn(
            keyring
                .clone()
                .reload(context.verifier.clone(), context.shutdown.clone()),
        );
        let mailer = mail::mailer(&config)?;
        let accounts = Accounts::new(accounts::Parts {
            store: store.clone(),
            hasher: PasswordHasher::new(config.password_hashes_max),
            outbox: Arc::default(),
            relay: context.relay,
            keyring: keyring.clone(),
            tokens: context.verifier.settings().clone(),
            clock: context.clock.clone(),
            config,
        });
        let postman = Postman {
            accounts: accounts.clone(),
            mailer,
        };
        tokio::spawn(postman.run(context.shutdown));
        Ok(Routes {
            public: graphql::router(accounts, context.verifier).merge(keyring::router(keyring)),
            internal: internal::router(store),
            ..Routes::default()
        })
    }
}
