//! The full-text index: what each database has for it, over the tokens that `domain::search` makes.
//!
//! The tokens are ASCII letters and digits, so none of the tokenizers below changes, splits or drops one.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// See the module.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements: &[&str] = match manager.get_database_backend() {
            DatabaseBackend::Postgres => &[
                "CREATE TABLE product_search (
                    product_id varchar(32) PRIMARY KEY REFERENCES product (id) ON DELETE CASCADE,
                    vector tsvector NOT NULL)",
                "CREATE INDEX product_search_vector ON product_search USING gin (vector)",
            ],
            // One row for each token: InnoDB's FULLTEXT index loses what was just committed while it writes its cache away.
            DatabaseBackend::MySql => &[
                "CREATE TABLE product_search (
                    token varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
                    product_id varchar(32) NOT NULL,
                    weight integer NOT NULL,
                    PRIMARY KEY (token, product_id))",
                "CREATE INDEX product_search_product ON product_search (product_id)",
            ],
            _ => &["CREATE VIRTUAL TABLE product_search USING fts5 (
                    product_id UNINDEXED, title_tokens, body_tokens, tokenize = 'ascii', prefix = '4 5 6')"],
        };
        for statement in statements {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
