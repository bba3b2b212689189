//! Sessions and their refresh tokens.

use super::Store;
use crate::domain::{Device, Secret, Session};
use crate::entity::{refresh_token, session};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder,
};
use std::collections::HashMap;

/// What became of a refresh token that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// It was good: the session goes on.
    Rotated(Session),
    /// Nobody was ever given it, or its session was ended.
    Unknown,
    /// It was good once. Somebody has a copy, so the session has been ended.
    Reused,
    /// It was good, but too late.
    Expired,
}

impl Store {
    /// Opens a session with its first refresh token, and forgets those of the user that have run out.
    pub(crate) async fn open_session(&self, session: Session, token: &Secret) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        let run_out = session::Column::UserId
            .eq(&session.user_id)
            .and(session::Column::ExpiresAt.lte(session.created_at));
        delete_sessions(&transaction, run_out).await?;
        let id = session.id.clone();
        let model = session::ActiveModel {
            id: Set(session.id),
            user_id: Set(session.user_id),
            user_agent: Set(session.device.user_agent),
            ip_prefix: Set(session.device.ip_prefix),
            created_at: Set(session.created_at),
            last_used_at: Set(session.last_used_at),
            expires_at: Set(session.expires_at),
        };
        session::Entity::insert(model)
            .exec_without_returning(&transaction)
            .await?;
        insert_token(&transaction, &id, token).await?;
        transaction.commit().await
    }

    /// Exchanges the refresh token `old` for `new`, which lives until `expires_at`.
    pub(crate) async fn rotate(
        &self,
        old: &Secret,
        new: &Secret,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<Rotation, DbErr> {
        let transaction = self.database.begin().await?;
        // One statement decides who used the token first.
        let used = refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::UsedAt, Expr::val(now))
            .filter(refresh_token::Column::TokenHash.eq(old.hash()))
            .filter(refresh_token::Column::UsedAt.is_null())
            .exec(&transaction)
            .await?;
        let Some(token) = refresh_token::Entity::find_by_id(old.hash()).one(&transaction).await? else {
            return Ok(Rotation::Unknown);
        };
        if used.rows_affected == 0 {
            delete_sessions(&transaction, session::Column::Id.eq(token.session_id)).await?;
            transaction.commit().await?;
            return Ok(Rotation::Reused);
        }
        let Some(model) = session::Entity::find_by_id(&token.session_id).one(&transaction).await? else {
            return Ok(Rotation::Unknown);
        };
        if model.expires_at <= now {
            delete_sessions(&transaction, session::Column::Id.eq(token.session_id)).await?;
            transaction.commit().await?;
            return Ok(Rotation::Expired);
        }
        insert_token(&transaction, &model.id, new).await?;
        let change = session::ActiveModel {
            last_used_at: Set(now),
            expires_at: Set(expires_at),
            ..Default::default()
        };
        let same = session::Column::Id.eq(&model.id);
        session::Entity::update_many()
            .set(change)
            .filter(same)
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Rotation::Rotated(Session {
            last_used_at: now,
            expires_at,
            ..model.into()
        }))
    }

    /// The open sessions of `user_ids`, newest first, by user.
    pub(crate) async fn sessions_of(
        &self,
        user_ids: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<HashMap<String, Vec<Session>>, DbErr> {
        let open = session::Entity::find()
            .filter(session::Column::UserId.is_in(user_ids))
            .filter(session::Column::ExpiresAt.gt(now))
            .order_by_desc(session::Column::Id);
        let mut by_user: HashMap<String, Vec<Session>> = HashMap::new();
        for model in open.all(self.database.read()).await? {
            by_user.entry(model.user_id.clone()).or_default().push(model.into());
        }
        Ok(by_user)
    }

    /// Ends one session of a user.
    pub(crate) async fn end_session(&self, id: &str, user_id: &str) -> Result<(), DbErr> {
        delete_sessions(
            self.database.write(),
            session::Column::Id.eq(id).and(session::Column::UserId.eq(user_id)),
        )
        .await
    }

    /// Ends all sessions of a user, but for `kept`.
    pub(crate) async fn end_sessions(&self, user_id: &str, kept: Option<&str>) -> Result<(), DbErr> {
        let of_user = session::Column::UserId.eq(user_id);
        let ended = match kept {
            Some(kept) => of_user.and(session::Column::Id.ne(kept)),
            None => of_user,
        };
        delete_sessions(self.database.write(), ended).await
    }
}

/// Deletes sessions; their refresh tokens go with them.
async fn delete_sessions(
    connection: &impl ConnectionTrait,
    which: sea_orm::sea_query::SimpleExpr,
) -> Result<(), DbErr> {
    session::Entity::delete_many().filter(which).exec(connection).await?;
    Ok(())
}

async fn insert_token(transaction: &DatabaseTransaction, session_id: &str, token: &Secret) -> Result<(), DbErr> {
    let model = refresh_token::ActiveModel {
        token_hash: Set(token.hash()),
        session_id: Set(session_id.to_owned()),
        used_at: Set(None),
    };
    refresh_token::Entity::insert(model)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

impl From<session::Model> for Session {
    fn from(model: session::Model) -> Session {
        Session {
            id: model.id,
            user_id: model.user_id,
            device: Device {
                user_agent: model.user_agent,
                ip_prefix: model.ip_prefix,
            },
            created_at: model.created_at,
            last_used_at: model.last_used_at,
            expires_at: model.expires_at,
        }
    }
}
