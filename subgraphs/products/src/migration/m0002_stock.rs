//! Stock, its adjustments by hand, and reservations.

use super::ID;
use crate::entity::{reservation, reservation_line, restock, stock, stock_adjustment, variant};
use sea_orm::DbErr;
use sea_orm::sea_query::{Expr, ExprTrait, ForeignKey, Index, Table, TableCreateStatement};
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::schema::{big_integer, integer, string_len, text};
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// See the module.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            stocks(),
            stock_adjustments(),
            reservations(),
            reservation_lines(),
            restocks(),
        ] {
            manager.create_table(table).await?;
        }
        let mut expiring = Index::create();
        expiring
            .name("reservation_by_expiry")
            .table(reservation::Entity)
            .col(reservation::Column::State)
            .col(reservation::Column::ExpiresAtMs);
        manager.create_index(expiring).await
    }
}

fn stocks() -> TableCreateStatement {
    use stock::Column::*;
    let mut table = Table::create();
    table
        .table(stock::Entity)
        .col(string_len(VariantId, ID).primary_key())
        .col(integer(OnHand))
        .col(integer(Reserved))
        .col(integer(LowStockThreshold))
        .col(big_integer(UpdatedAtMs))
        // The statements keep this; the check is for the day when one of them does not.
        .check(
            Expr::col(Reserved)
                .gte(0)
                .and(Expr::col(OnHand).gte(Expr::col(Reserved))),
        )
        .foreign_key(
            ForeignKey::create()
                .from(stock::Entity, VariantId)
                .to(variant::Entity, variant::Column::Id),
        );
    table
}

fn stock_adjustments() -> TableCreateStatement {
    use stock_adjustment::Column::*;
    let mut table = Table::create();
    table
        .table(stock_adjustment::Entity)
        .col(string_len(IdempotencyKey, 128).primary_key())
        .col(string_len(VariantId, ID))
        .col(integer(Delta))
        .col(string_len(Reason, 200))
        .col(string_len(UserId, ID))
        .col(big_integer(CreatedAtMs));
    table
}

fn reservations() -> TableCreateStatement {
    use reservation::Column::*;
    let mut table = Table::create();
    table
        .table(reservation::Entity)
        .col(string_len(OrderId, 64).primary_key())
        .col(string_len(State, 16))
        .col(text(Request))
        .col(text(Reply))
        .col(big_integer(ExpiresAtMs))
        .col(big_integer(CreatedAtMs))
        .col(big_integer(UpdatedAtMs));
    table
}

fn reservation_lines() -> TableCreateStatement {
    use reservation_line::Column::*;
    let mut table = Table::create();
    table
        .table(reservation_line::Entity)
        .col(string_len(OrderId, 64))
        .col(string_len(VariantId, ID))
        .col(integer(Quantity))
        .col(integer(Restocked))
        .primary_key(Index::create().col(OrderId).col(VariantId))
        .foreign_key(
            ForeignKey::create()
                .from(reservation_line::Entity, OrderId)
                .to(reservation::Entity, reservation::Column::OrderId),
        );
    table
}

fn restocks() -> TableCreateStatement {
    use restock::Column::*;
    let mut table = Table::create();
    table
        .table(restock::Entity)
        .col(string_len(RestockId, 64).primary_key())
        .col(string_len(OrderId, 64))
        .col(text(Request))
        .col(text(Reply))
        .col(big_integer(CreatedAtMs));
    table
}
