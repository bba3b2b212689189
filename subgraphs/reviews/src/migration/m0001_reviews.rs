//! Reviews, purchases and the inbox.

use crate::entity::{purchase, review};
use sea_orm::DbErr;
use sea_orm::sea_query::{Index, IndexCreateStatement, Table, TableCreateStatement};
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::schema::{big_integer, boolean, integer, string_len, string_len_null, text};
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// Length of ids: a prefix of up to five letters and 26 digits.
pub(super) const ID: u32 = 32;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [reviews(), purchases(), inboxes()] {
            manager.create_table(table).await?;
        }
        for index in indices() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn reviews() -> TableCreateStatement {
    use review::Column::*;
    let mut table = Table::create();
    table
        .table(review::Entity)
        .col(string_len(Id, ID).primary_key())
        .col(string_len(ProductId, ID))
        .col(string_len(UserId, ID))
        .col(integer(Rating))
        .col(string_len_null(Title, 120))
        .col(text(Body))
        .col(boolean(IsVerified))
        .col(big_integer(CreatedAtMs));
    table
}

fn purchases() -> TableCreateStatement {
    use purchase::Column::*;
    let mut table = Table::create();
    table
        .table(purchase::Entity)
        .col(string_len(UserId, ID))
        .col(string_len(ProductId, ID))
        .primary_key(Index::create().col(UserId).col(ProductId));
    table
}

fn inboxes() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table("inbox")
        .col(string_len("event_id", 64).primary_key())
        .col(big_integer("received_at_ms"));
    table
}

fn indices() -> [IndexCreateStatement; 3] {
    use review::Column::*;
    let (mut once, mut by_rating, mut by_user) = (Index::create(), Index::create(), Index::create());
    once.name("review_once")
        .table(review::Entity)
        .unique()
        .col(ProductId)
        .col(UserId);
    by_rating
        .name("review_by_rating")
        .table(review::Entity)
        .col(ProductId)
        .col(Rating)
        .col(CreatedAtMs);
    by_user
        .name("review_by_user")
        .table(review::Entity)
        .col(UserId)
        .col(CreatedAtMs);
    [once, by_rating, by_user]
}
