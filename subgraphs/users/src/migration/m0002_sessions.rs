//! Sessions, refresh tokens, tokens sent by mail, and failed logins.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_sessions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_sessions(manager).await?;
        let mut mail_token = Table::create();
        mail_token
            .table("mail_token")
            .col(ColumnDef::new("token_hash").string_len(64).not_null().primary_key())
            .col(ColumnDef::new("user_id").string_len(30).not_null())
            .col(ColumnDef::new("purpose").string_len(20).not_null())
            .col(ColumnDef::new("email").string_len(254).not_null())
            .col(timestamp(manager, "created_at").not_null())
            .col(timestamp(manager, "expires_at").not_null())
            .foreign_key(
                ForeignKey::create()
                    .name("mail_token_user")
                    .from("mail_token", "user_id")
                    .to("user", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(mail_token).await?;
        let by_user = Index::create()
            .name("mail_token_by_user")
            .table("mail_token")
            .col("user_id")
            .to_owned();
        manager.create_index(by_user).await?;

        let mut login_failure = Table::create();
        login_failure
            .table("login_failure")
            .col(ColumnDef::new("attempts_key").string_len(64).not_null().primary_key())
            .col(ColumnDef::new("failures").integer().not_null())
            .col(timestamp(manager, "window_ends_at").not_null());
        manager.create_table(login_failure).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["login_failure", "mail_token", "refresh_token", "session"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

async fn create_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut session = Table::create();
    session
        .table("session")
        .col(ColumnDef::new("id").string_len(30).not_null().primary_key())
        .col(ColumnDef::new("user_id").string_len(30).not_null())
        .col(ColumnDef::new("user_agent").string_len(200))
        .col(ColumnDef::new("ip_prefix").string_len(50))
        .col(timestamp(manager, "created_at").not_null())
        .col(timestamp(manager, "last_used_at").not_null())
        .col(timestamp(manager, "expires_at").not_null())
        .foreign_key(
            ForeignKey::create()
                .name("session_user")
                .from("session", "user_id")
                .to("user", "id")
                .on_delete(ForeignKeyAction::Cascade),
        );
    manager.create_table(session).await?;
    manager
        .create_index(
            Index::create()
                .name("session_by_user")
                .table("session")
                .col("user_id")
                .to_owned(),
        )
        .await?;

    let mut refresh_token = Table::create();
    refresh_token
        .table("refresh_token")
        .col(ColumnDef::new("token_hash").string_len(64).not_null().primary_key())
        .col(ColumnDef::new("session_id").string_len(30).not_null())
        .col(timestamp(manager, "used_at"))
        .foreign_key(
            ForeignKey::create()
                .name("refresh_token_session")
                .from("refresh_token", "session_id")
                .to("session", "id")
                .on_delete(ForeignKeyAction::Cascade),
        );
    manager.create_table(refresh_token).await?;
    let by_session = Index::create()
        .name("refresh_token_by_session")
        .table("refresh_token")
        .col("session_id")
        .to_owned();
    manager.create_index(by_session).await
}
