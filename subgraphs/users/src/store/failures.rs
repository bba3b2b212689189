//! Failed logins.

use super::Store;
use crate::domain::{Attempts, WINDOW};
use crate::entity::login_failure;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, PaginatorTrait, QueryFilter};

impl Store {
    /// Whether any of `attempts` has failed too often within its window.
    pub(crate) async fn too_many_failures(&self, attempts: &[Attempts], now: DateTime<Utc>) -> Result<bool, DbErr> {
        let exhausted = attempts.iter().fold(Condition::any(), |any, attempts| {
            let key = login_failure::Column::AttemptsKey.eq(&attempts.key);
            any.add(key.and(login_failure::Column::Failures.gte(attempts.failures_max)))
        });
        let current = login_failure::Column::WindowEndsAt.gt(now);
        let found = login_failure::Entity::find()
            .filter(exhausted)
            .filter(current)
            .count(self.database.read());
        Ok(found.await? > 0)
    }

    /// Counts a failure for each of `attempts`.
    pub(crate) async fn record_failure(&self, attempts: &[Attempts], now: DateTime<Utc>) -> Result<(), DbErr> {
        let over = login_failure::Entity::delete_many().filter(login_failure::Column::WindowEndsAt.lte(now));
        over.exec(self.database.write()).await?;
        for attempts in attempts {
            let first = login_failure::ActiveModel {
                attempts_key: Set(attempts.key.clone()),
                failures: Set(1),
                window_ends_at: Set(now + WINDOW),
            };
            let another = Expr::col((login_failure::Entity, login_failure::Column::Failures)).add(1);
            let conflict = OnConflict::column(login_failure::Column::AttemptsKey)
                .value(login_failure::Column::Failures, another)
                .to_owned();
            let insert = login_failure::Entity::insert(first).on_conflict(conflict);
            insert.exec_without_returning(self.database.write()).await?;
        }
        Ok(())
    }

    /// Forgets the failures of `attempts`.
    pub(crate) async fn forget_failures(&self, attempts: &Attempts) -> Result<(), DbErr> {
        login_failure::Entity::delete_by_id(&attempts.key)
            .exec(self.database.write())
            .await?;
        Ok(())
    }
}
