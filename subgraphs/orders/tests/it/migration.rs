//! What an older state of the tables holds goes on in the newer one.

use orders::Migrator;
use orders::domain::{LEASE, PaymentRequest, Saga, Step};
use orders::store::Store;
use sea_orm::ConnectionTrait as _;
use sea_orm::sea_query::{Expr, Query};
use sea_orm_migration::MigratorTrait as _;
use service::database::{Database, DatabaseOptions};
use service::testing::each_database;

use crate::state_machine::placed_order;

/// An order in the middle of its capture, as an older state left it: the saga had a table of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_saga_goes_on_where_it_was_before_it_moved_into_its_order() {
    each_database(|url| async move {
        let database = Database::connect(&url, &DatabaseOptions::default()).await.unwrap();
        let older = sea_orm::Database::connect(&url).await.unwrap();
        Migrator::up(&older, Some(5)).await.unwrap();
        let file = placed_order();
        let (order, now) = (&file.order, file.order.placed_at);
        let mut insert = Query::insert();
        let columns = "id number user_id status currency_code subtotal_minor shipping_minor tax_minor total_minor refunded_minor \
                       shipping_address from_cart payment_id placed_at version";
        let values: [Expr; 15] = [
            order.id.as_str().into(),
            7.into(),
            order.user_id.as_str().into(),
            "PAYMENT_PROCESSING".into(),
            "EUR".into(),
            1.into(),
            2.into(),
            3.into(),
            6.into(),
            0.into(),
            serde_json::to_string(&order.shipping_address).unwrap().into(),
            true.into(),
            "pay_1".into(),
            now.into(),
            4.into(),
        ];
        insert.into_table("orders").columns(columns.split_whitespace()).values_panic(values);
        older.execute(&insert).await.unwrap();
        let mut insert = Query::insert();
        let columns = "order_id step attempt next_at reserved_until stock_committed payment_request";
        let values: [Expr; 7] = [
            order.id.as_str().into(),
            "CAPTURE".into(),
            2.into(),
            now.into(),
            (now + LEASE).into(),
            true.into(),
            r#"{"gateway":"sandbox","token":null,"return_url":null}"#.into(),
        ];
        insert.into_table("saga").columns(columns.split_whitespace()).values_panic(values);
        older.execute(&insert).await.unwrap();

        database.migrate::<Migrator>().await.unwrap();
        let store = Store::new(database.clone());
        let saga = store.file(&order.id).await.unwrap().unwrap().saga;
        let expected = Saga {
            step: Step::Capture,
            attempt: 2,
            next_at: Some(now),
            reserved_until: Some(now + LEASE),
            stock_committed: true,
            payment_request: Some(PaymentRequest {
                gateway: Some("sandbox".to_owned()),
                token: None,
                return_url: None,
            }),
            payment_version: 0,
            payment_attempts: 0,
        };
        assert_eq!(saga, expected, "on {url}");
        assert!(store.claim(&order.id, now).await.unwrap().is_some(), "on {url}");
        older.close().await.unwrap();
        database.close().await;
    })
    .await;
}
