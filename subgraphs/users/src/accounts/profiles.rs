//! Profiles, addresses and roles.

use super::{Accounts, Answer, below};
use crate::domain::{ADDRESSES_MAX, Address, AddressInput, ProfileChange, Reason, Refusal, User};
use crate::store::{ProfileOutcome, UserChange};
use service::auth::Role;

impl Accounts {
    /// Changes the profile, and which addresses are the default ones.
    pub(crate) async fn update(&self, user_id: &str, change: ProfileChange) -> Answer<User> {
        match self.store.change_profile(user_id, &change, self.clock.now()).await? {
            ProfileOutcome::Done => self.existing_user(user_id).await,
            ProfileOutcome::Refused(refusals) => Err(below("input")(refusals).into()),
            ProfileOutcome::UnknownAddress(field) => Err(unknown_address(field).below("input").into()),
        }
    }

    /// Adds an address.
    pub(crate) async fn create_address(
        &self,
        user_id: &str,
        lines: AddressInput,
        make_default: bool,
    ) -> Answer<(Address, User)> {
        let postal = lines.checked().map_err(below("input"))?;
        let user = self.existing_user(user_id).await?;
        let address = Address {
            id: service::id::new("adr"),
            user_id: user.id,
            postal,
        };
        if !self
            .store
            .create_address(address.clone(), make_default, self.clock.now())
            .await?
        {
            let message = format!("An account has at most {ADDRESSES_MAX} addresses; delete one first.");
            return Err(Refusal::new(Reason::AddressLimitReached, message).into());
        }
        Ok((address, self.existing_user(user_id).await?))
    }

    /// Replaces the lines of an address. Orders keep the lines they were placed with.
    pub(crate) async fn update_address(&self, user_id: &str, id: &str, lines: AddressInput) -> Answer<(Address, User)> {
        let postal = lines.checked().map_err(below("input"))?;
        if !service::id::is("adr", id) || !self.store.change_address(id, user_id, postal.clone()).await? {
            return Err(unknown_address("id").into());
        }
        let address = Address {
            id: id.to_owned(),
            user_id: user_id.to_owned(),
            postal,
        };
        Ok((address, self.existing_user(user_id).await?))
    }

    /// Deletes an address.
    pub(crate) async fn delete_address(&self, user_id: &str, id: &str) -> Answer<User> {
        if !service::id::is("adr", id) || !self.store.delete_address(id, user_id, self.clock.now()).await? {
            return Err(unknown_address("id").into());
        }
        self.existing_user(user_id).await
    }

    /// Sets the roles of somebody; everybody stays a customer. Works from their next refresh on.
    pub(crate) async fn set_roles(&self, user_id: &str, roles: Vec<Role>) -> Answer<User> {
        let mut roles: Vec<Role> = roles.into_iter().chain([Role::Customer]).collect();
        roles.sort();
        roles.dedup();
        let change = UserChange {
            roles: Some(roles),
            ..UserChange::default()
        };
        if !service::id::is("usr", user_id) || !self.store.change_user(user_id, change, self.clock.now()).await? {
            return Err(Refusal::of("userId", Reason::NotFound, "There is no such account.").into());
        }
        self.existing_user(user_id).await
    }
}

fn unknown_address(field: &str) -> Refusal {
    Refusal::of(field, Reason::NotFound, "You have no such address.")
}
