//! Categories, products, variants and prices.

use super::ID;
use crate::entity::{
    category, category_ancestor, category_tree, price, product, product_attribute, product_category, product_price,
    variant, variant_option,
};
use sea_orm::sea_query::{
    ForeignKey, ForeignKeyAction, Index, IndexCreateStatement, IntoIden, IntoTableRef, Table, TableCreateStatement,
};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, char_len, integer, integer_null, string_len, string_len_null, text,
    text_null,
};
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// See the module.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            categories(),
            category_ancestors(),
            category_trees(),
            products(),
            product_attributes(),
            product_categories(),
            product_prices(),
            variants(),
            variant_options(),
            prices(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        for index in indices() {
            manager.create_index(index).await?;
        }
        manager
            .get_connection()
            .execute_unprepared("INSERT INTO category_tree (id, version) VALUES (1, 0)")
            .await?;
        Ok(())
    }
}

fn categories() -> TableCreateStatement {
    use category::Column::*;
    let mut table = Table::create();
    table
        .table(category::Entity)
        .col(string_len(Id, ID).primary_key())
        // Four bytes a character in utf8mb4: 80 characters stay below MySQL's limit of an index.
        .col(string_len(Slug, 80).unique_key())
        .col(string_len(Name, 200))
        .col(text_null(Description))
        .col(string_len_null(ParentId, ID))
        .col(integer(Position))
        .col(big_integer(CreatedAtMs))
        .col(big_integer(UpdatedAtMs))
        .foreign_key(
            ForeignKey::create()
                .from(category::Entity, ParentId)
                .to(category::Entity, Id),
        );
    table
}

fn category_ancestors() -> TableCreateStatement {
    use category_ancestor::Column::*;
    let mut table = Table::create();
    table
        .table(category_ancestor::Entity)
        .col(string_len(CategoryId, ID))
        .col(string_len(AncestorId, ID))
        .col(integer(Depth))
        .primary_key(Index::create().col(CategoryId).col(AncestorId));
    cascade(
        &mut table,
        category_ancestor::Entity,
        CategoryId,
        (category::Entity, category::Column::Id),
    );
    cascade(
        &mut table,
        category_ancestor::Entity,
        AncestorId,
        (category::Entity, category::Column::Id),
    );
    table
}

fn category_trees() -> TableCreateStatement {
    use category_tree::Column::*;
    let mut table = Table::create();
    table
        .table(category_tree::Entity)
        .col(integer(Id).primary_key())
        .col(big_integer(Version));
    table
}

fn products() -> TableCreateStatement {
    use product::Column::*;
    let mut table = Table::create();
    table
        .table(product::Entity)
        .col(string_len(Id, ID).primary_key())
        .col(string_len(Slug, 80).unique_key())
        .col(string_len(Title, 200))
        .col(text_null(Description))
        .col(string_len(Status, 16))
        .col(text(Attributes))
        .col(text(Options))
        .col(text(Media))
        .col(big_integer(CreatedAtMs))
        .col(big_integer(UpdatedAtMs));
    table
}

fn product_attributes() -> TableCreateStatement {
    use product_attribute::Column::*;
    let mut table = Table::create();
    table
        .table(product_attribute::Entity)
        .col(string_len(ProductId, ID))
        .col(string_len(Name, 100))
        .col(string_len(Value, 100))
        .primary_key(Index::create().col(ProductId).col(Name));
    cascade(
        &mut table,
        product_attribute::Entity,
        ProductId,
        (product::Entity, product::Column::Id),
    );
    table
}

fn product_categories() -> TableCreateStatement {
    use product_category::Column::*;
    let mut table = Table::create();
    table
        .table(product_category::Entity)
        .col(string_len(ProductId, ID))
        .col(string_len(CategoryId, ID))
        .primary_key(Index::create().col(ProductId).col(CategoryId));
    cascade(
        &mut table,
        product_category::Entity,
        ProductId,
        (product::Entity, product::Column::Id),
    );
    // No cascade: a category with products cannot be deleted.
    table.foreign_key(
        ForeignKey::create()
            .from(product_category::Entity, CategoryId)
            .to(category::Entity, category::Column::Id),
    );
    table
}

fn product_prices() -> TableCreateStatement {
    use product_price::Column::*;
    let mut table = Table::create();
    table
        .table(product_price::Entity)
        .col(string_len(ProductId, ID))
        .col(char_len(CurrencyCode, 3))
        .col(big_integer(MinMinor))
        .col(big_integer(MaxMinor))
        .primary_key(Index::create().col(ProductId).col(CurrencyCode));
    cascade(
        &mut table,
        product_price::Entity,
        ProductId,
        (product::Entity, product::Column::Id),
    );
    table
}

fn variants() -> TableCreateStatement {
    use variant::Column::*;
    let mut table = Table::create();
    table
        .table(variant::Entity)
        .col(string_len(Id, ID).primary_key())
        .col(string_len(ProductId, ID))
        .col(integer(Position))
        .col(string_len(Sku, 64).unique_key())
        .col(string_len(Title, 600))
        .col(string_len_null(Barcode, 32))
        .col(integer_null(WeightGrams))
        .col(integer_null(LengthMm))
        .col(integer_null(WidthMm))
        .col(integer_null(HeightMm))
        .col(string_len(TaxClass, 16))
        .col(text(Options))
        .col(boolean(IsActive))
        .col(big_integer(CreatedAtMs))
        .col(big_integer(UpdatedAtMs))
        .foreign_key(
            ForeignKey::create()
                .from(variant::Entity, ProductId)
                .to(product::Entity, product::Column::Id),
        );
    table
}

fn variant_options() -> TableCreateStatement {
    use variant_option::Column::*;
    let mut table = Table::create();
    table
        .table(variant_option::Entity)
        .col(string_len(VariantId, ID))
        .col(string_len(Name, 100))
        .col(string_len(Value, 100))
        .primary_key(Index::create().col(VariantId).col(Name));
    cascade(
        &mut table,
        variant_option::Entity,
        VariantId,
        (variant::Entity, variant::Column::Id),
    );
    table
}

fn prices() -> TableCreateStatement {
    use price::Column::*;
    let mut table = Table::create();
    table
        .table(price::Entity)
        .col(string_len(VariantId, ID))
        .col(char_len(CurrencyCode, 3))
        .col(big_integer(AmountMinor))
        .col(big_integer_null(CompareAtMinor))
        .primary_key(Index::create().col(VariantId).col(CurrencyCode));
    cascade(
        &mut table,
        price::Entity,
        VariantId,
        (variant::Entity, variant::Column::Id),
    );
    table
}

fn indices() -> Vec<IndexCreateStatement> {
    vec![
        index(
            "category_by_parent",
            category::Entity,
            &[category::Column::ParentId, category::Column::Position],
        ),
        index(
            "category_by_ancestor",
            category_ancestor::Entity,
            &[category_ancestor::Column::AncestorId],
        ),
        index(
            "product_by_age",
            product::Entity,
            &[product::Column::CreatedAtMs, product::Column::Id],
        ),
        index(
            "product_by_title",
            product::Entity,
            &[product::Column::Title, product::Column::Id],
        ),
        index(
            "product_by_attribute",
            product_attribute::Entity,
            &[product_attribute::Column::Name, product_attribute::Column::Value],
        ),
        index(
            "product_by_category",
            product_category::Entity,
            &[product_category::Column::CategoryId],
        ),
        index(
            "product_by_price",
            product_price::Entity,
            &[product_price::Column::CurrencyCode, product_price::Column::MinMinor],
        ),
        index(
            "variant_by_product",
            variant::Entity,
            &[variant::Column::ProductId, variant::Column::Position],
        ),
        index(
            "variant_by_option",
            variant_option::Entity,
            &[variant_option::Column::Name, variant_option::Column::Value],
        ),
    ]
}

fn index<E, C>(name: &str, table: E, columns: &[C]) -> IndexCreateStatement
where
    E: IntoTableRef,
    C: IntoIden + Copy,
{
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

/// Rows of `table` go with the row that `column` names.
fn cascade<E, C, O, D>(table: &mut TableCreateStatement, entity: E, column: C, (other, key): (O, D))
where
    E: IntoTableRef,
    O: IntoTableRef,
    C: IntoIden,
    D: IntoIden,
{
    table.foreign_key(
        ForeignKey::create()
            .from(entity, column)
            .to(other, key)
            .on_delete(ForeignKeyAction::Cascade),
    );
}
