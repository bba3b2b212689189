//! What has run out is deleted, and the age of signing keys.

use super::Store;
use super::sessions::delete_sessions;
use super::users::fold_names;
use crate::entity::{login_failure, mail_token, session, signing_key};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter};
use std::collections::HashMap;

impl Store {
    /// Deletes sessions, secrets and counters whose time is over, and folds names that a release before wrote.
    pub(crate) async fn sweep(&self, now: DateTime<Utc>) -> Result<(), DbErr> {
        let connection = self.database.write();
        delete_sessions(connection, session::Column::ExpiresAt.lte(now)).await?;
        mail_token::Entity::delete_many()
            .filter(mail_token::Column::ExpiresAt.lte(now))
            .exec(connection)
            .await?;
        login_failure::Entity::delete_many()
            .filter(login_failure::Column::WindowEndsAt.lte(now))
            .exec(connection)
            .await?;
        fold_names(connection).await
    }

    /// When each of the keys `kids` was first seen by any replica; those that are new are seen `now`.
    pub(crate) async fn keys_seen(
        &self,
        kids: &[String],
        now: DateTime<Utc>,
    ) -> Result<HashMap<String, DateTime<Utc>>, DbErr> {
        let rows = kids.iter().map(|kid| signing_key::ActiveModel {
            kid: Set(kid.clone()),
            first_seen_at: Set(now),
        });
        let known = OnConflict::column(signing_key::Column::Kid)
            .do_nothing_on([signing_key::Column::Kid])
            .to_owned();
        signing_key::Entity::insert_many(rows)
            .on_conflict(known)
            .exec_without_returning(self.database.write())
            .await?;
        let seen = signing_key::Entity::find()
            .filter(signing_key::Column::Kid.is_in(kids))
            .all(self.database.write())
            .await?;
        Ok(seen.into_iter().map(|row| (row.kid, row.first_seen_at)).collect())
    }
}
