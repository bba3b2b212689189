//! Sessions and their refresh tokens.

use super::Store;
use super::users::{Credentials, lock_verified};
use crate::domain::{Attempts, Device, Secret, Session};
use crate::entity::{refresh_token, session};
use chrono::{DateTime, Duration, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};
use service::database::{OneOf as _, Transaction};
use std::collections::HashMap;

/// Two tabs that refresh at once, and a client that lost the answer and asks again, hand in a token that was used just
/// now. Within this time each of them gets a token of its own. The price: a copy that is used as quickly goes unnoticed
/// until one of the two comes back with a token that is older.
const REFRESH_GRACE: Duration = Duration::seconds(10);
/// Good tokens of one session, beyond which even such haste is taken for a copy. Those that nobody came back with do not
/// count for long: see [`use_token`].
const LIVE_TOKENS_MAX: u64 = 5;
/// Sessions of one account; opening one more ends the one that was not used for longest.
const SESSIONS_MAX: u64 = 50;

/// What became of a refresh token that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// It was good: the session goes on.
    Rotated(Session),
    /// Nobody was ever given it, or its session was ended.
    Unknown,
    /// It was good once, more than a moment ago. Somebody has a copy, so the session has been ended.
    Reused,
    /// It was good, but too late.
    Expired,
    /// Its session was refreshed too often in a short time.
    TooOften,
}

impl Store {
    /// Opens a session with its first refresh token, and forgets those of the user that have run out; false when the
    /// password that was verified for it is not the account's any more.
    pub(crate) async fn open_session(
        &self,
        session: Session,
        token: &Secret,
        verified: &Credentials,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        if lock_verified(&transaction, verified).await?.is_none() {
            return Ok(false);
        }
        let run_out = session::Column::UserId
            .eq(&session.user_id)
            .and(session::Column::ExpiresAt.lte(session.created_at));
        // Found first: a deletion that finds none locks the place of sessions to come on MySQL, of other users too.
        let run_out = session_ids(session::Entity::find().filter(run_out), &transaction).await?;
        end_each(&transaction, run_out).await?;
        let (id, user_id) = (session.id.clone(), session.user_id.clone());
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
        insert_token(&transaction, &id, token, session.created_at).await?;
        end_surplus(&transaction, &user_id).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Exchanges the refresh token `old` for `new`; the session then lives for `lifetime`.
    pub(crate) async fn rotate(
        &self,
        old: &Secret,
        new: &Secret,
        now: DateTime<Utc>,
        lifetime: Duration,
    ) -> Result<Rotation, DbErr> {
        // Read before the transaction begins: MySQL would show it everything as it was at its first read, while another
        // one still holds the session.
        let found = refresh_token::Entity::find_by_id(old.hash());
        let Some(found) = found.one(self.database.read()).await? else {
            return Ok(Rotation::Unknown);
        };
        let attempts = [Attempts::refresh_of(&found.session_id)];
        if !self.take_attempts(&attempts, now).await? {
            return Ok(Rotation::TooOften);
        }
        let transaction = self.database.begin().await?;
        // The session's row is locked first, here as wherever a session ends: whoever comes second then sees what the
        // first one did, and the two never wait for each other.
        let Some((token, model)) = lock_session_of(&transaction, &found).await? else {
            return Ok(Rotation::Unknown);
        };
        let this = session::Column::Id.eq(&model.id);
        if let Some(used_at) = token.used_at {
            let in_grace = now - used_at <= REFRESH_GRACE;
            if !in_grace || live_tokens(&transaction, &model.id).await? >= LIVE_TOKENS_MAX {
                delete_sessions(&transaction, this).await?;
                transaction.commit().await?;
                return Ok(Rotation::Reused);
            }
        }
        if model.expires_at <= now {
            delete_sessions(&transaction, this).await?;
            transaction.commit().await?;
            return Ok(Rotation::Expired);
        }
        if token.used_at.is_none() {
            use_token(&transaction, &token, now).await?;
        }
        // A token that was used a lifetime ago would have run out by itself: its reuse proves nothing any more.
        refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::SessionId.eq(&model.id))
            .filter(refresh_token::Column::UsedAt.lt(now - lifetime))
            .exec(&transaction)
            .await?;
        insert_token(&transaction, &model.id, new, now).await?;
        let expires_at = now + lifetime;
        let change = session::ActiveModel {
            last_used_at: Set(now),
            expires_at: Set(expires_at),
            ..Default::default()
        };
        session::Entity::update_many()
            .set(change)
            .filter(this)
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
            .filter(session::Column::UserId.is_one_of(user_ids))
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

    /// The id of the session that a good refresh token belongs to, and that of its user.
    pub(crate) async fn session_of(&self, token: &Secret) -> Result<Option<(String, String)>, DbErr> {
        let found = refresh_token::Entity::find_by_id(token.hash()).filter(refresh_token::Column::UsedAt.is_null());
        let Some(found) = found.one(self.database.read()).await? else {
            return Ok(None);
        };
        let session = session::Entity::find_by_id(found.session_id).one(self.database.read());
        Ok(session.await?.map(|session| (session.id, session.user_id)))
    }

    /// Ends all sessions of a user.
    pub(crate) async fn end_sessions(&self, user_id: &str) -> Result<(), DbErr> {
        delete_sessions(self.database.write(), session::Column::UserId.eq(user_id)).await
    }
}

/// The token as it is now and its session, both locked until the end of the transaction.
async fn lock_session_of(
    transaction: &Transaction,
    found: &refresh_token::Model,
) -> Result<Option<(refresh_token::Model, session::Model)>, DbErr> {
    let session = session::Entity::find_by_id(&found.session_id).lock_exclusive();
    let Some(session) = session.one(transaction).await? else {
        return Ok(None);
    };
    let token = refresh_token::Entity::find_by_id(&found.token_hash).lock_exclusive();
    Ok(token.one(transaction).await?.map(|token| (token, session)))
}

/// Marks a good token as used, and with it those that were given out beside an earlier one and that nobody came back with:
/// otherwise each lost answer would leave a token that is good for as long as its session.
///
/// Two tabs share what either of them was given last, and one that still holds its own has [`REFRESH_GRACE`] as after any
/// use. Whoever comes with it later has a copy, or is the owner of whom somebody else has one.
async fn use_token(transaction: &Transaction, token: &refresh_token::Model, now: DateTime<Utc>) -> Result<(), DbErr> {
    use refresh_token::Column;
    // One that was given out just now may be the last that the tabs were given, whichever is used first.
    let left_over = Column::IssuedAt.is_null().or(Column::IssuedAt.lt(now - REFRESH_GRACE));
    refresh_token::Entity::update_many()
        .col_expr(Column::UsedAt, Expr::val(now))
        .filter(Column::SessionId.eq(&token.session_id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::TokenHash.eq(&token.token_hash).or(left_over))
        .exec(transaction)
        .await?;
    Ok(())
}

/// How many tokens of a session are good.
async fn live_tokens(transaction: &Transaction, session_id: &str) -> Result<u64, DbErr> {
    refresh_token::Entity::find()
        .filter(refresh_token::Column::SessionId.eq(session_id))
        .filter(refresh_token::Column::UsedAt.is_null())
        .count(transaction)
        .await
}

/// Ends the sessions of a user that are used least, when there are too many.
async fn end_surplus(transaction: &Transaction, user_id: &str) -> Result<(), DbErr> {
    let surplus = session::Entity::find()
        .filter(session::Column::UserId.eq(user_id))
        .order_by_desc(session::Column::LastUsedAt)
        .order_by_desc(session::Column::Id)
        .offset(SESSIONS_MAX)
        .limit(SESSIONS_MAX);
    end_each(transaction, session_ids(surplus, transaction).await?).await
}

async fn session_ids(which: Select<session::Entity>, transaction: &Transaction) -> Result<Vec<String>, DbErr> {
    let ids = which.select_only().column(session::Column::Id);
    ids.into_tuple().all(transaction).await
}

async fn end_each(transaction: &Transaction, ids: Vec<String>) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    delete_sessions(transaction, session::Column::Id.is_in(ids)).await
}

/// Deletes sessions; their refresh tokens go with them.
pub(super) async fn delete_sessions(
    connection: &impl ConnectionTrait,
    which: sea_orm::sea_query::SimpleExpr,
) -> Result<(), DbErr> {
    session::Entity::delete_many().filter(which).exec(connection).await?;
    Ok(())
}

async fn insert_token(
    transaction: &Transaction,
    session_id: &str,
    token: &Secret,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let model = refresh_token::ActiveModel {
        token_hash: Set(token.hash()),
        session_id: Set(session_id.to_owned()),
        used_at: Set(None),
        issued_at: Set(Some(now)),
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
