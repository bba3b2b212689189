//! What is written of one person at the same time, or after their account is gone.

use super::*;
use sea_orm::{ConnectionTrait, Statement};
use service::database::{Database, Transaction};
use std::time::Duration;

/// Long enough for what does not wait to be done; shorter than the 5 s after which a wait for a lock ends.
const MOMENT: Duration = Duration::from_millis(500);

/// Reviews and purchases of user 5.
async fn rows_of_user(database: &Database) -> [i64; 2] {
    let count = async |table: &str| {
        let user_id = id::seeded("usr", 5);
        let sql = format!("SELECT COUNT(*) AS count FROM {table} WHERE user_id = '{user_id}'");
        let statement = Statement::from_string(database.read().get_database_backend(), sql);
        let row = database.read().query_one_raw(statement).await.unwrap().unwrap();
        row.try_get::<i64>("", "count").unwrap()
    };
    [count("review").await, count("purchase").await]
}

/// Holds what user 5 is about to write of the fresh product up, until it is rolled back.
async fn in_the_way(service: &TestService, sql: &str) -> Transaction {
    let transaction = service.app.database.begin().await.unwrap();
    let (user, product) = (id::seeded("usr", 5), fresh_product());
    let sql = sql.replace("$user", &user).replace("$product", &product);
    transaction.execute_unprepared(&sql).await.unwrap();
    transaction
}

const A_REVIEW: &str = "INSERT INTO review (id, product_id, user_id, rating, title, body, is_verified, created_at_ms) \
    VALUES ('rev_way', '$product', '$user', 1, NULL, 'Bad.', FALSE, 0)";
const A_PURCHASE: &str = "INSERT INTO purchase (user_id, product_id) VALUES ('$user', '$product')";

/// Begins the one, then the other, each as far as it comes; lets both end when nothing is in the way any more.
async fn overlapping<A, B>(
    transaction: Transaction,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    // On a machine where the first has not come as far by then, this shows less, and holds all the same.
    let second = async {
        tokio::time::sleep(MOMENT).await;
        second.await
    };
    let making_way = async {
        tokio::time::sleep(2 * MOMENT).await;
        transaction.rollback().await.unwrap();
    };
    let (first, second, ()) = tokio::join!(first, second, making_way);
    (first, second)
}

#[tokio::test]
async fn nothing_comes_back_of_an_account_that_was_erased() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        send(&service, "evt_1", ORDERS_PAID, paid()).await.unwrap();
        send(&service, "evt_2", USERS_ERASED, erased()).await.unwrap();
        assert_eq!(rows_of_user(&service.app.database).await, [0, 0], "on {url}");
        let author = token(&service, 5, Role::Customer);
        let refused = service.query(CREATE, input(4, "Good."), Some(&author)).await;
        assert_eq!(
            refused["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
            "{refused}"
        );
        send(&service, "evt_3", ORDERS_PAID, paid()).await.unwrap();
        assert_eq!(rows_of_user(&service.app.database).await, [0, 0], "on {url}");
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_account_is_erased_for_good_while_a_review_is_written() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        let author = token(&service, 5, Role::Customer);
        let transaction = in_the_way(&service, A_REVIEW).await;
        let writing = service.query(CREATE, input(4, "Good."), Some(&author));
        let erasing = send(&service, "evt_1", USERS_ERASED, erased());
        let (_, erased) = overlapping(transaction, writing, erasing).await;
        erased.unwrap();
        assert_eq!(rows_of_user(&service.app.database).await, [0, 0], "on {url}");
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_account_is_erased_for_good_while_a_purchase_is_noted() {
    each_database(|url| async move {
        // Two replicas, since one takes in one event after the other.
        let replicas = [
            started(&url, ReviewsConfig::default()).await,
            started(&url, ReviewsConfig::default()).await,
        ];
        let transaction = in_the_way(&replicas[0], A_PURCHASE).await;
        let buying = send(&replicas[0], "evt_1", ORDERS_PAID, paid());
        let erasing = send(&replicas[1], "evt_2", USERS_ERASED, erased());
        let (bought, erased) = overlapping(transaction, buying, erasing).await;
        bought.and(erased).unwrap();
        assert_eq!(rows_of_user(&replicas[0].app.database).await, [0, 0], "on {url}");
        for replica in replicas {
            replica.app.database.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_review_is_verified_that_is_written_while_its_purchase_is_noted() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        let author = token(&service, 5, Role::Customer);
        let transaction = in_the_way(&service, A_REVIEW).await;
        let writing = service.query(CREATE, input(4, "Good."), Some(&author));
        let buying = send(&service, "evt_1", ORDERS_PAID, paid());
        let (created, bought) = overlapping(transaction, writing, buying).await;
        bought.unwrap();
        let variables = json!({ "id": created["data"]["reviewCreate"]["review"]["id"] });
        let read = "query($id: ID!) { review(id: $id) { verifiedPurchase } }";
        let written = data(&service, read, variables, None).await;
        assert_eq!(written["review"]["verifiedPurchase"], true, "{created} on {url}");
        service.app.database.close().await;
    })
    .await;
}
