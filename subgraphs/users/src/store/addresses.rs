//! Addresses.

use super::Store;
use super::users::{UserChange, change_user, lock_user};
use crate::domain::{ADDRESSES_MAX, Address, AddressInput};
use crate::entity::address;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder,
};
use service::database::OneOf as _;
use std::collections::HashMap;

impl Store {
    /// The addresses among `ids`, by id.
    pub(crate) async fn addresses_by_id(&self, ids: Vec<String>) -> Result<HashMap<String, Address>, DbErr> {
        let models = address::Entity::find()
            .filter(address::Column::Id.is_one_of(ids))
            .all(self.database.read())
            .await?;
        Ok(models
            .into_iter()
            .map(|model| (model.id.clone(), model.into()))
            .collect())
    }

    /// All addresses of `user_ids`, oldest first, by user.
    pub(crate) async fn addresses_of(&self, user_ids: Vec<String>) -> Result<HashMap<String, Vec<Address>>, DbErr> {
        let of_users = address::Entity::find().filter(address::Column::UserId.is_one_of(user_ids));
        let mut by_user: HashMap<String, Vec<Address>> = HashMap::new();
        for model in of_users
            .order_by_asc(address::Column::Id)
            .all(self.database.read())
            .await?
        {
            by_user.entry(model.user_id.clone()).or_default().push(model.into());
        }
        Ok(by_user)
    }

    /// Stores a new address, and makes it the default one if told; false when the user has too many.
    pub(crate) async fn create_address(
        &self,
        address: Address,
        make_default: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        // Two creations at once wait for each other here, so that the count holds.
        lock_user(&transaction, &address.user_id).await?;
        let of_user = address::Entity::find().filter(address::Column::UserId.eq(&address.user_id));
        if of_user.count(&transaction).await? >= ADDRESSES_MAX {
            return Ok(false);
        }
        if make_default {
            let id = Some(Some(address.id.clone()));
            let change = UserChange {
                default_shipping_address_id: id.clone(),
                default_billing_address_id: id,
                ..UserChange::default()
            };
            change_user(&transaction, &address.user_id, change, now).await?;
        }
        insert_addresses(&transaction, vec![address]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Replaces the lines of an address; false when the user has no such address.
    pub(crate) async fn change_address(&self, id: &str, user_id: &str, lines: AddressInput) -> Result<bool, DbErr> {
        let mut model = active(Address {
            id: id.to_owned(),
            user_id: user_id.to_owned(),
            postal: lines,
        });
        model.id = sea_orm::ActiveValue::NotSet;
        model.user_id = sea_orm::ActiveValue::NotSet;
        let own = address::Column::Id.eq(id).and(address::Column::UserId.eq(user_id));
        let update = address::Entity::update_many()
            .set(model)
            .filter(own)
            .exec(self.database.write())
            .await?;
        // MySQL counts changed rows, not matching ones: the same lines again change none.
        Ok(update.rows_affected > 0 || has_address(self.database.read(), id, user_id).await?)
    }

    /// Deletes an address, also as default address; false when the user has no such address.
    pub(crate) async fn delete_address(&self, id: &str, user_id: &str, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let Some(user) = lock_user(&transaction, user_id).await? else {
            return Ok(false);
        };
        let own = address::Column::Id.eq(id).and(address::Column::UserId.eq(user_id));
        if address::Entity::delete_many()
            .filter(own)
            .exec(&transaction)
            .await?
            .rows_affected
            == 0
        {
            return Ok(false);
        }
        let was = |default: &Option<String>| (default.as_deref() == Some(id)).then_some(None);
        let change = UserChange {
            default_shipping_address_id: was(&user.default_shipping_address_id),
            default_billing_address_id: was(&user.default_billing_address_id),
            ..UserChange::default()
        };
        change_user(&transaction, user_id, change, now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Whether the user has the address.
pub(super) async fn has_address(connection: &impl ConnectionTrait, id: &str, user_id: &str) -> Result<bool, DbErr> {
    if !service::id::is("adr", id) {
        return Ok(false);
    }
    let own = address::Column::Id.eq(id).and(address::Column::UserId.eq(user_id));
    Ok(address::Entity::find().filter(own).count(connection).await? > 0)
}

/// Stores new addresses.
pub(super) async fn insert_addresses(connection: &impl ConnectionTrait, new: Vec<Address>) -> Result<(), DbErr> {
    address::Entity::insert_many(new.into_iter().map(active))
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

fn active(Address { id, user_id, postal }: Address) -> address::ActiveModel {
    address::ActiveModel {
        id: Set(id),
        user_id: Set(user_id),
        name: Set(postal.name),
        company: Set(postal.company),
        line1: Set(postal.line1),
        line2: Set(postal.line2),
        city: Set(postal.city),
        region: Set(postal.region),
        postal_code: Set(postal.postal_code),
        country_code: Set(postal.country_code),
        phone: Set(postal.phone),
    }
}

impl From<address::Model> for Address {
    fn from(model: address::Model) -> Address {
        Address {
            id: model.id,
            user_id: model.user_id,
            postal: AddressInput {
                name: model.name,
                company: model.company,
                line1: model.line1,
                line2: model.line2,
                city: model.city,
                region: model.region,
                postal_code: model.postal_code,
                country_code: model.country_code,
                phone: model.phone,
            },
        }
    }
}
