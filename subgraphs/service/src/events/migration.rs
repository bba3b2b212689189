//! The tables of events, as migrations that each service with events has in its list.

#![allow(
    elided_lifetimes_in_paths,
    reason = "`async_trait` matches the trait's signatures to the letter"
)]

use super::entity::{inbox, outbox, parked};
use super::legacy;
use crate::database::{alter_on_mysql, timestamp};
use sea_orm::DbErr;
use sea_orm::sea_query::{ColumnDef, Index, IndexCreateStatement, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

/// Length of the id of an event, in bytes.
pub(super) const ID_BYTES_MAX: u32 = 80;
/// Length of the id of what it happened to.
const SUBJECT_BYTES_MAX: u32 = 80;

/// Makes outbox, inbox and what is parked, and moves over what waits in the tables that services had of their own before.
///
/// Those stay, empty: a replica of the version before may still write to them, and the relay moves that too.
#[derive(Debug)]
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "events_0001_outbox_and_inbox"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_outbox(manager).await?;
        let mut table = Table::create();
        table
            .table(inbox::Entity)
            .if_not_exists()
            .col(id(inbox::Column::Id))
            .col(timestamp(manager, inbox::Column::ReceivedAt).not_null());
        manager.create_table(table).await?;
        let received = Index::create()
            .name("event_inbox_by_age")
            .table(inbox::Entity)
            .col(inbox::Column::ReceivedAt)
            .to_owned();
        create_index(manager, "event_inbox", "event_inbox_by_age", received).await?;
        create_parked(manager).await?;
        // Batch by batch, since nobody knows how many there are.
        while legacy::take_over(manager).await? {}
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["event_parked", "event_inbox", "event_outbox"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// MySQL's `text` ends at 65,535 bytes: what wrote a longer event failed, and one from a broker could not be parked. The other
/// databases have no such bound.
#[derive(Debug)]
pub struct LongEvents;

impl MigrationName for LongEvents {
    fn name(&self) -> &'static str {
        "events_0002_long_events"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for LongEvents {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let longer = [
            // Its errors are shortened before they are stored.
            "ALTER TABLE `event_outbox` MODIFY `event` mediumtext NOT NULL",
            "ALTER TABLE `event_parked` MODIFY `event` mediumtext NOT NULL, MODIFY `error` mediumtext NOT NULL",
        ];
        alter_on_mysql(manager, &longer).await
    }

    /// Shorter columns might not hold what is there, and longer ones are no harm to the release before.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

async fn create_outbox(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    use outbox::Column;
    let mut table = Table::create();
    table
        .table(outbox::Entity)
        .if_not_exists()
        .col(id(Column::Id))
        .col(ColumnDef::new(Column::Subject).string_len(SUBJECT_BYTES_MAX).not_null())
        .col(ColumnDef::new(Column::Version).big_integer().not_null())
        .col(ColumnDef::new(Column::Event).text().not_null())
        .col(ColumnDef::new(Column::Attempt).integer().not_null())
        .col(ColumnDef::new(Column::Refusals).integer().not_null())
        .col(timestamp(manager, Column::NextAt))
        .col(timestamp(manager, Column::SentAt))
        .col(ColumnDef::new(Column::Error).text());
    manager.create_table(table).await?;
    let indices: [(&str, &[Column]); 3] = [
        ("event_outbox_by_due", &[Column::NextAt]),
        ("event_outbox_by_subject", &[Column::Subject, Column::Version]),
        ("event_outbox_by_age", &[Column::SentAt]),
    ];
    for (name, columns) in indices {
        let mut index = Index::create();
        index.name(name).table(outbox::Entity);
        for column in columns {
            index.col(*column);
        }
        create_index(manager, "event_outbox", name, index).await?;
    }
    Ok(())
}

async fn create_parked(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    use parked::Column;
    let mut table = Table::create();
    table
        .table(parked::Entity)
        .if_not_exists()
        .col(id(Column::Id))
        .col(ColumnDef::new(Column::Event).text().not_null())
        .col(ColumnDef::new(Column::Error).text().not_null())
        .col(timestamp(manager, Column::ParkedAt).not_null())
        .col(timestamp(manager, Column::NextAt));
    manager.create_table(table).await
}

/// MySQL keeps what a migration made before it failed, so that the next try must find its way.
async fn create_index(
    manager: &SchemaManager<'_>,
    table: &str,
    name: &str,
    index: IndexCreateStatement,
) -> Result<(), DbErr> {
    if manager.has_index(table, name).await? {
        return Ok(());
    }
    manager.create_index(index).await
}

fn id(column: impl sea_orm::sea_query::IntoIden) -> ColumnDef {
    let mut id = ColumnDef::new(column);
    id.string_len(ID_BYTES_MAX).not_null().primary_key();
    id
}
