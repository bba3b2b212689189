//! What is loaded in batches.

use crate::accounts::Accounts;
use crate::domain::{Address, Session, User};
use service::loader::Loader;

/// A clone for each request.
#[derive(Clone)]
pub(super) struct Loaders {
    pub(super) users: Loader<String, User>,
    pub(super) addresses: Loader<String, Address>,
    pub(super) addresses_of: Loader<String, Vec<Address>>,
    pub(super) sessions_of: Loader<String, Vec<Session>>,
}

impl Loaders {
    pub(super) fn new(accounts: &Accounts) -> Loaders {
        let (store, clock) = (accounts.store.clone(), accounts.clock.clone());
        let users = store.clone();
        let addresses = store.clone();
        let addresses_of = store.clone();
        Loaders {
            users: Loader::new(move |ids| {
                let store = users.clone();
                async move { store.users_by_id(ids).await }
            }),
            addresses: Loader::new(move |ids| {
                let store = addresses.clone();
                async move { store.addresses_by_id(ids).await }
            }),
            addresses_of: Loader::new(move |user_ids| {
                let store = addresses_of.clone();
                async move { store.addresses_of(user_ids).await }
            }),
            sessions_of: Loader::new(move |user_ids| {
                let (store, now) = (store.clone(), clock.now());
                async move { store.sessions_of(user_ids, now).await }
            }),
        }
    }
}
