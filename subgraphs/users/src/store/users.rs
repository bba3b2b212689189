//! Accounts.

use super::Store;
use super::addresses::insert_addresses;
use super::mail_outbox::{NewMail, insert_mail};
use crate::domain::{Address, EmailAddress, Occasion, Profile, User, folded};
use crate::entity::user;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    SqlErr,
};
use service::auth::Role;
use service::database::OneOf as _;
use service::paging::{Cursor, Keyset, Page, PageArgs};
use std::collections::HashMap;

/// Accounts that are read at once, to fold their names.
const FOLDED_AT_ONCE: u64 = 500;

/// An account and the hash of its password.
///
/// Whoever has given a password that matches the hash is the owner only for as long as the account has this hash: it may
/// be replaced while the password is checked. What a password allows is therefore done in a transaction that begins
/// with [`lock_verified`].
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: User,
    pub(crate) password_hash: String,
}

/// What to change about an account; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserChange {
    pub(crate) profile: Option<Profile>,
    pub(crate) default_shipping_address_id: Option<Option<String>>,
    pub(crate) default_billing_address_id: Option<Option<String>>,
    pub(crate) roles: Option<Vec<Role>>,
    pub(crate) password_hash: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: Option<bool>,
}

impl Store {
    /// The accounts among `ids`, by id.
    pub(crate) async fn users_by_id(&self, ids: Vec<String>) -> Result<HashMap<String, User>, DbErr> {
        let models = user::Entity::find()
            .filter(user::Column::Id.is_one_of(ids))
            .all(self.database.read())
            .await?;
        Ok(models
            .into_iter()
            .map(|model| (model.id.clone(), model.into()))
            .collect())
    }

    /// One account, as the writer sees it.
    pub(crate) async fn user(&self, id: &str) -> Result<Option<User>, DbErr> {
        Ok(user::Entity::find_by_id(id)
            .one(self.database.read())
            .await?
            .map(User::from))
    }

    /// One account, by address in lower case.
    pub(crate) async fn user_with_email(&self, email: &str) -> Result<Option<User>, DbErr> {
        Ok(self.model_with_email(email).await?.map(User::from))
    }

    /// An account and the hash of its password, by address.
    pub(crate) async fn credentials(&self, email: &EmailAddress) -> Result<Option<Credentials>, DbErr> {
        Ok(self.model_with_email(email.as_str()).await?.map(Credentials::from))
    }

    /// The one place where an address finds an account. Compared here once more: to a database that takes `á` for `a`,
    /// whoever owns the one address would be the owner of the other.
    async fn model_with_email(&self, email: &str) -> Result<Option<user::Model>, DbErr> {
        let found = user::Entity::find().filter(user::Column::Email.eq(email));
        let found = found.one(self.database.read()).await?;
        Ok(found.filter(|model| model.email == email))
    }

    /// The same, by id.
    pub(crate) async fn credentials_of(&self, id: &str) -> Result<Option<Credentials>, DbErr> {
        Ok(user::Entity::find_by_id(id)
            .one(self.database.read())
            .await?
            .map(Credentials::from))
    }

    /// Replaces the hash by another one of the same password; false when the password is another one meanwhile, or
    /// somebody else did the same.
    pub(crate) async fn rehash(
        &self,
        verified: &Credentials,
        password_hash: String,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let Some(user) = lock_verified(&transaction, verified).await? else {
            return Ok(false);
        };
        let change = UserChange {
            password_hash: Some(password_hash),
            ..UserChange::default()
        };
        change_user(&transaction, &user.id, change, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Stores a new account and the mail that confirms its address; false when the address is taken.
    pub(crate) async fn create_user(&self, new: Credentials, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let mail = NewMail {
            occasion: Occasion::VerifyEmail,
            email: new.user.email.clone(),
            user_id: Some(new.user.id.clone()),
        };
        let transaction = self.database.begin().await?;
        let inserted = user::Entity::insert(active(new)).exec_without_returning(&transaction);
        if !unless_taken(inserted.await.map(|_| true))? {
            return Ok(false);
        }
        insert_mail(&transaction, mail, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether there is any account.
    pub(crate) async fn has_users(&self) -> Result<bool, DbErr> {
        Ok(user::Entity::find().one(self.database.read()).await?.is_some())
    }

    /// Stores many new accounts and addresses, or none of them.
    pub(crate) async fn create_all(&self, users: Vec<Credentials>, addresses: Vec<Address>) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        user::Entity::insert_many(users.into_iter().map(active))
            .exec_without_returning(&transaction)
            .await?;
        insert_addresses(&transaction, addresses).await?;
        transaction.commit().await
    }

    /// Changes an account; false when there is none.
    pub(crate) async fn change_user(&self, id: &str, change: UserChange, now: DateTime<Utc>) -> Result<bool, DbErr> {
        change_user(self.database.write(), id, change, now).await
    }

    /// A page of accounts, newest first, whose address or name holds `text`.
    pub(crate) async fn users_page(
        &self,
        text: Option<&str>,
        args: &PageArgs,
        counted: bool,
    ) -> Result<Page<User>, DbErr> {
        let mut select = user::Entity::find();
        // No name holds a control character, and PostgreSQL takes no U+0000.
        let text = text.map(|text| text.replace(char::is_control, " "));
        if let Some(text) = text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            // Of accents alone nothing is left, which every name holds.
            let name = Some(folded(text)).filter(|name| !name.is_empty());
            let matches = Condition::any()
                .add(Expr::col(user::Column::Email).like(holds(&text.to_lowercase())))
                .add_option(name.map(|name| Expr::col(user::Column::FoldedName).like(holds(&name))));
            select = select.filter(matches);
        }
        let total = if counted {
            Some(select.clone().count(self.database.read()).await?)
        } else {
            None
        };
        // Ids sort by time of creation.
        let keyset = Keyset::new().descending(Expr::col(user::Column::Id));
        let rows = keyset.apply(select, args).all(self.database.read()).await?;
        let page = args.page(rows, |row| Cursor::new(&(row.id.as_str(),)));
        Ok(page.map(User::from).with_total(total))
    }
}

/// Matches texts in which `part` is. Both have one case, since SQLite knows that of ASCII alone.
fn holds(part: &str) -> LikeExpr {
    let escaped = part.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    LikeExpr::new(format!("%{escaped}%")).escape('!')
}

/// Writes the folded names of accounts that have none, some at a time. May be repeated at any time, by several processes at
/// once.
///
/// Names the columns that it reads: later migrations may add others.
pub(crate) async fn fold_names<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    use user::Column::{DisplayName, FoldedName, Id};
    let mut after = String::new();
    loop {
        let unfolded = user::Entity::find()
            .select_only()
            .columns([Id, DisplayName])
            .filter(Id.gt(&after))
            .filter(FoldedName.is_null())
            .order_by_asc(Id)
            .limit(FOLDED_AT_ONCE)
            .into_tuple::<(String, String)>();
        let rows = unfolded.all(connection).await?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after.clone_from(last);
        for (id, name) in rows {
            // Unless it was changed meanwhile, and folded by that.
            let update = user::Entity::update_many()
                .col_expr(FoldedName, Expr::value(folded(&name)))
                .filter(Id.eq(id))
                .filter(FoldedName.is_null());
            update.exec(connection).await?;
        }
    }
}

pub(super) async fn change_user(
    connection: &impl ConnectionTrait,
    id: &str,
    change: UserChange,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let profile = change.profile;
    let model = user::ActiveModel {
        email: change.email.map_or(NotSet, Set),
        email_verified: change.email_verified.map_or(NotSet, Set),
        password_hash: change.password_hash.map_or(NotSet, Set),
        phone: profile.as_ref().map_or(NotSet, |profile| Set(profile.phone.clone())),
        locale: profile.as_ref().map_or(NotSet, |profile| Set(profile.locale.clone())),
        avatar_url: profile
            .as_ref()
            .map_or(NotSet, |profile| Set(profile.avatar_url.clone())),
        folded_name: profile
            .as_ref()
            .map_or(NotSet, |profile| Set(Some(folded(&profile.display_name)))),
        display_name: profile.map_or(NotSet, |profile| Set(profile.display_name)),
        roles: change.roles.map_or(NotSet, |roles| Set(roles_text(&roles))),
        default_shipping_address_id: change.default_shipping_address_id.map_or(NotSet, Set),
        default_billing_address_id: change.default_billing_address_id.map_or(NotSet, Set),
        updated_at: Set(now),
        ..Default::default()
    };
    let update = user::Entity::update_many()
        .set(model)
        .filter(user::Column::Id.eq(id))
        .exec(connection);
    Ok(update.await?.rows_affected > 0)
}

/// The answer, with a taken address as `false`.
fn unless_taken(answer: Result<bool, DbErr>) -> Result<bool, DbErr> {
    match answer {
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        answer => answer,
    }
}

fn active(Credentials { user, password_hash }: Credentials) -> user::ActiveModel {
    user::ActiveModel {
        id: Set(user.id),
        email: Set(user.email),
        email_verified: Set(user.email_verified),
        password_hash: Set(password_hash),
        folded_name: Set(Some(folded(&user.profile.display_name))),
        display_name: Set(user.profile.display_name),
        phone: Set(user.profile.phone),
        locale: Set(user.profile.locale),
        avatar_url: Set(user.profile.avatar_url),
        roles: Set(roles_text(&user.roles)),
        default_shipping_address_id: Set(user.default_shipping_address_id),
        default_billing_address_id: Set(user.default_billing_address_id),
        created_at: Set(user.created_at),
        updated_at: Set(user.updated_at),
    }
}

fn roles_text(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ")
}

impl From<user::Model> for Credentials {
    fn from(mut model: user::Model) -> Credentials {
        Credentials {
            password_hash: std::mem::take(&mut model.password_hash),
            user: model.into(),
        }
    }
}

impl From<user::Model> for User {
    fn from(model: user::Model) -> User {
        User {
            id: model.id,
            email: model.email,
            email_verified: model.email_verified,
            profile: Profile {
                display_name: model.display_name,
                phone: model.phone,
                locale: model.locale,
                avatar_url: model.avatar_url,
            },
            roles: model.roles.split(' ').filter_map(Role::parse).collect(),
            default_shipping_address_id: model.default_shipping_address_id,
            default_billing_address_id: model.default_billing_address_id,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}

/// Locks the row of an account until the end of the transaction (SQLite has locked the whole file already).
pub(super) async fn lock_user(connection: &impl ConnectionTrait, id: &str) -> Result<Option<User>, DbErr> {
    Ok(user::Entity::find_by_id(id)
        .lock_exclusive()
        .one(connection)
        .await?
        .map(User::from))
}

/// Locks the row of an account likewise; `None` when the password that was verified is not the account's any more.
pub(super) async fn lock_verified(
    connection: &impl ConnectionTrait,
    verified: &Credentials,
) -> Result<Option<User>, DbErr> {
    let model = user::Entity::find_by_id(&verified.user.id)
        .lock_exclusive()
        .one(connection)
        .await?;
    Ok(model
        .filter(|model| model.password_hash == verified.password_hash)
        .map(User::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Migrator;
    use service::database::{Database, DatabaseOptions};
    use service::testing::each_database;

    fn account(number: u64) -> Credentials {
        let now = service::seed::opening();
        let user = User {
            id: service::id::seeded("usr", number),
            email: format!("{number}@hansa.example"),
            email_verified: true,
            profile: Profile {
                display_name: format!("Örjan {number}"),
                phone: None,
                locale: None,
                avatar_url: None,
            },
            roles: Vec::new(),
            default_shipping_address_id: None,
            default_billing_address_id: None,
            created_at: now,
            updated_at: now,
        };
        Credentials {
            user,
            password_hash: String::new(),
        }
    }

    /// As releases left them that did not know the column.
    #[tokio::test]
    async fn names_of_before_are_folded_some_at_a_time() {
        each_database(|url| async move {
            let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let store = Store::new(database.clone());
            let count = FOLDED_AT_ONCE + 7;
            let accounts = (0..count).map(account).collect();
            store.create_all(accounts, Vec::new()).await.unwrap();
            user::Entity::update_many()
                .col_expr(user::Column::FoldedName, Expr::value(Option::<String>::None))
                .exec(database.write())
                .await
                .unwrap();
            let args = PageArgs::parse(Some(1), None, None, None).unwrap();
            let found = async || store.users_page(Some("ÖRJ"), &args, true).await.unwrap().total;
            assert_eq!(found().await, Some(0));
            store.sweep(service::seed::opening()).await.unwrap();
            assert_eq!(found().await, Some(count), "on {url}");
            database.close().await;
        })
        .await;
    }
}
