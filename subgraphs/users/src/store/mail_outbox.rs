//! Mails that wait to be sent.

use super::Store;
use super::users::{Credentials, lock_verified};
use crate::domain::Occasion;
use crate::entity::mail_outbox;
use chrono::{DateTime, Duration, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};

/// Mails that are taken, and delivered, at once: as many connections to the mail server.
const DUE_MAX: u64 = 8;

/// A mail that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewMail {
    pub(crate) occasion: Occasion,
    /// Address of the recipient.
    pub(crate) email: String,
    /// The account it is about, where it is known.
    pub(crate) user_id: Option<String>,
}

/// A mail that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueMail {
    pub(crate) id: String,
    pub(crate) mail: NewMail,
    /// Times it was tried in vain.
    pub(crate) attempt: i32,
    pub(crate) created_at: DateTime<Utc>,
}

impl Store {
    /// Stores a mail to be sent.
    pub(crate) async fn enqueue_mail(&self, mail: NewMail, now: DateTime<Utc>) -> Result<(), DbErr> {
        insert_mail(self.database.write(), mail, now).await
    }

    /// The same for somebody who has given the password; false when that is not the account's any more.
    pub(crate) async fn enqueue_verified_mail(
        &self,
        mail: NewMail,
        verified: &Credentials,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        if lock_verified(&transaction, verified).await?.is_none() {
            return Ok(false);
        }
        insert_mail(&transaction, mail, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Mails to send now, oldest first; each is handed to one caller for `lease`.
    pub(crate) async fn take_due_mails(&self, now: DateTime<Utc>, lease: Duration) -> Result<Vec<DueMail>, DbErr> {
        use mail_outbox::Column;
        let due = mail_outbox::Entity::find()
            .filter(Column::NextAt.lte(now))
            .order_by_asc(Column::NextAt)
            .order_by_asc(Column::Id)
            .limit(DUE_MAX)
            .all(self.database.read())
            .await?;
        let mut taken = Vec::new();
        for row in due {
            let claimed = mail_outbox::Entity::update_many()
                .col_expr(Column::NextAt, Expr::value(now + lease))
                .filter(Column::Id.eq(&row.id).and(Column::NextAt.eq(row.next_at)))
                .exec(self.database.write())
                .await?;
            let Some(occasion) = Occasion::parse(&row.occasion) else {
                // A newer version wrote it, and will send it.
                continue;
            };
            if claimed.rows_affected == 1 {
                taken.push(DueMail {
                    id: row.id,
                    mail: NewMail {
                        occasion,
                        email: row.email,
                        user_id: row.user_id,
                    },
                    attempt: row.attempt,
                    created_at: row.created_at,
                });
            }
        }
        Ok(taken)
    }

    /// The mail is on its way, or pointless by now.
    pub(crate) async fn mail_done(&self, id: &str) -> Result<(), DbErr> {
        mail_outbox::Entity::delete_by_id(id)
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// The mail was not taken; it is tried again at `next_at`.
    pub(crate) async fn mail_postponed(&self, due: &DueMail, next_at: DateTime<Utc>) -> Result<(), DbErr> {
        mail_outbox::Entity::update_many()
            .col_expr(mail_outbox::Column::Attempt, Expr::value(due.attempt + 1))
            .col_expr(mail_outbox::Column::NextAt, Expr::value(next_at))
            .filter(mail_outbox::Column::Id.eq(&due.id))
            .exec(self.database.write())
            .await?;
        Ok(())
    }
}

/// Stores a mail, in the transaction of what it is about.
pub(super) async fn insert_mail(
    connection: &impl ConnectionTrait,
    mail: NewMail,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let model = mail_outbox::ActiveModel {
        id: Set(service::id::new("mail")),
        occasion: Set(mail.occasion.as_str().to_owned()),
        email: Set(mail.email),
        user_id: Set(mail.user_id),
        attempt: Set(0),
        created_at: Set(now),
        next_at: Set(now),
    };
    mail_outbox::Entity::insert(model)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

/// Forgets the mails that would confirm a new address of an account, whose row is locked.
pub(super) async fn forget_address_changes(connection: &impl ConnectionTrait, user_id: &str) -> Result<(), DbErr> {
    let of_user = mail_outbox::Column::UserId.eq(user_id);
    let which = of_user.and(mail_outbox::Column::Occasion.eq(Occasion::ChangeEmail.as_str()));
    forget_mails(connection, which).await
}

/// Forgets mails of an account, whose row is locked.
pub(super) async fn forget_mails(connection: &impl ConnectionTrait, which: SimpleExpr) -> Result<(), DbErr> {
    // Found first, since a deletion by these columns would lock every mail on MySQL, and the place of those to come.
    let found = mail_outbox::Entity::find()
        .select_only()
        .column(mail_outbox::Column::Id)
        .filter(which);
    let ids: Vec<String> = found.into_tuple().all(connection).await?;
    if !ids.is_empty() {
        let these = mail_outbox::Entity::delete_many().filter(mail_outbox::Column::Id.is_in(ids));
        these.exec(connection).await?;
    }
    Ok(())
}
