//! What was tried, and how often.

use super::Store;
use crate::domain::{Attempts, WINDOW};
use crate::entity::login_failure;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

impl Store {
    /// Counts one attempt of each kind, and answers whether all of them may still be made. Behind the first of which there
    /// were too many none is counted: who may not try any more cannot use up what others may.
    ///
    /// Counted before it is made, and as failed until it succeeds: of many at once, as many as the limit get through.
    pub(crate) async fn take_attempts(&self, attempts: &[Attempts], now: DateTime<Utc>) -> Result<bool, DbErr> {
        for attempts in attempts {
            // The row is locked between the two statements, so each attempt reads its own number.
            let transaction = self.database.begin().await?;
            count(&transaction, attempts, now).await?;
            let counted = login_failure::Entity::find_by_id(&attempts.key).one(&transaction);
            let is_allowed = counted.await?.is_none_or(|row| row.failures <= attempts.attempts_max);
            transaction.commit().await?;
            if !is_allowed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many attempts are counted.
    #[cfg(test)]
    pub(crate) async fn attempts_counted(&self, attempts: &Attempts) -> i32 {
        let counted = login_failure::Entity::find_by_id(&attempts.key).one(self.database.read());
        counted.await.unwrap().map_or(0, |row| row.failures)
    }

    /// Takes one attempt back: it succeeded.
    pub(crate) async fn give_attempt_back(&self, attempts: &Attempts) -> Result<(), DbErr> {
        use login_failure::Column;
        login_failure::Entity::update_many()
            .col_expr(Column::Failures, Expr::col(Column::Failures).sub(1))
            .filter(Column::AttemptsKey.eq(&attempts.key))
            .filter(Column::Failures.gt(0))
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// Forgets the attempts of `attempts`.
    pub(crate) async fn forget_attempts(&self, attempts: &Attempts) -> Result<(), DbErr> {
        forget(self.database.write(), attempts).await
    }
}

pub(super) async fn forget(connection: &impl ConnectionTrait, attempts: &Attempts) -> Result<(), DbErr> {
    login_failure::Entity::delete_by_id(&attempts.key)
        .exec(connection)
        .await?;
    Ok(())
}

/// One statement: counts on, or begins a new window.
async fn count(connection: &impl ConnectionTrait, attempts: &Attempts, now: DateTime<Utc>) -> Result<(), DbErr> {
    use login_failure::Column;
    let first = login_failure::ActiveModel {
        attempts_key: Set(attempts.key.clone()),
        failures: Set(1),
        window_ends_at: Set(now + WINDOW),
    };
    let of_row = |column: Column| Expr::col((login_failure::Entity, column));
    let is_over = || of_row(Column::WindowEndsAt).lte(now);
    let failures = CaseStatement::new()
        .case(is_over(), 1)
        .finally(of_row(Column::Failures).add(1));
    let window = CaseStatement::new()
        .case(is_over(), Expr::val(now + WINDOW))
        .finally(of_row(Column::WindowEndsAt));
    // MySQL assigns in this order, and later expressions see what earlier ones have assigned: the window comes last.
    let conflict = OnConflict::column(Column::AttemptsKey)
        .value(Column::Failures, failures)
        .value(Column::WindowEndsAt, window)
        .to_owned();
    login_failure::Entity::insert(first)
        .on_conflict(conflict)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}
