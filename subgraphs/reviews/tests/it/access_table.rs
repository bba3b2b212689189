//! Who may do what: every field of the service, tried by everybody. Here a review is the owner's.

use expect_test::expect_file;
use reviews::{Reviews, ReviewsConfig};
use serde_json::{Value, json};
use service::auth::Role;
use service::id;
use service::testing::TempSqlite;
use service::testing::access::{AccessTable, VIEWERS};

use crate::{CREATE, data, started, token};

const OWNER: u64 = 5;

/// A product that nobody of the seed data has bought or reviewed.
fn product(number: usize) -> String {
    id::seeded("prod", 6_000 + u64::try_from(number).expect("a small number"))
}

fn review_of(product_id: &str) -> Value {
    json!({ "input": { "productId": product_id, "rating": 4, "title": "Nice", "body": "Good." } })
}

#[tokio::test]
async fn everybody_tries_everything() {
    let database = TempSqlite::new();
    let service = started(&database.url, ReviewsConfig::default()).await;
    let mut reviews = Vec::new();
    for number in 0..VIEWERS.len() {
        let author = token(&service, OWNER, Role::Customer);
        let created = data(&service, CREATE, review_of(&product(number)), Some(&author)).await;
        reviews.push(created["reviewCreate"]["review"]["id"].clone());
    }
    let mut table = AccessTable::new::<Reviews>(&service, [6, OWNER, 1, 0]);
    for representation in [
        json!({ "__typename": "Review", "id": reviews[0] }),
        json!({ "__typename": "Product", "id": product(0) }),
        json!({ "__typename": "User", "id": id::seeded("usr", OWNER) }),
    ] {
        table.try_entity(&representation, &[]).await;
    }
    let read = "query($id: ID!) { review(id: $id) { body } }";
    table
        .try_field("Query.review", read, &|_| json!({ "id": reviews[0] }))
        .await;
    table
        .try_field("Mutation.reviewCreate", CREATE, &|_| review_of(&product(VIEWERS.len())))
        .await;
    let delete = "mutation($id: ID!) { reviewDelete(id: $id) { userErrors { code } } }";
    table
        .try_field(
            "Mutation.reviewDelete",
            delete,
            &|viewer| json!({ "id": reviews[viewer] }),
        )
        .await;
    expect_file!["access_table.txt"].assert_eq(&table.text());
}
