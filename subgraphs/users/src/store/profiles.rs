//! What people say of themselves.

use super::Store;
use super::addresses::has_address;
use super::users::{UserChange, change_user, lock_user};
use crate::domain::{ProfileChange, Refusal};
use chrono::{DateTime, Utc};
use sea_orm::DbErr;

/// What became of a change of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProfileOutcome {
    /// It was made, if there is such an account.
    Done,
    /// It breaks these rules.
    Refused(Vec<Refusal>),
    /// The address that this argument names is not the account's.
    UnknownAddress(&'static str),
}

impl Store {
    /// Changes the profile of an account, and which addresses are the default ones. What `change` does not name stays as it
    /// is at that moment.
    pub(crate) async fn change_profile(
        &self,
        user_id: &str,
        change: &ProfileChange,
        now: DateTime<Utc>,
    ) -> Result<ProfileOutcome, DbErr> {
        let transaction = self.database.begin().await?;
        let Some(user) = lock_user(&transaction, user_id).await? else {
            return Ok(ProfileOutcome::Done);
        };
        let profile = match user.profile.changed(change) {
            Ok(profile) => profile,
            Err(refusals) => return Ok(ProfileOutcome::Refused(refusals)),
        };
        let defaults = [
            ("defaultShippingAddressId", &change.default_shipping_address_id),
            ("defaultBillingAddressId", &change.default_billing_address_id),
        ];
        for (field, wanted) in defaults {
            if let Some(Some(id)) = wanted
                && !has_address(&transaction, id, user_id).await?
            {
                return Ok(ProfileOutcome::UnknownAddress(field));
            }
        }
        let change = UserChange {
            profile: Some(profile),
            default_shipping_address_id: change.default_shipping_address_id.clone(),
            default_billing_address_id: change.default_billing_address_id.clone(),
            ..UserChange::default()
        };
        change_user(&transaction, user_id, change, now).await?;
        transaction.commit().await?;
        Ok(ProfileOutcome::Done)
    }
}
