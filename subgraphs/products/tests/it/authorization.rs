//! Who may do and see what.

use super::{Shop, codes};
use serde_json::json;
use service::auth::Role;
use service::id;

#[tokio::test]
async fn changes_need_scopes() {
    let shop = Shop::open().await;
    let (product, variant, category) = (id::seeded("prod", 0), id::seeded("var", 0), id::seeded("cat", 0));
    let mutations = [
        r#"productCreate(input: {title: "X", variants: []}) { userErrors { code } }"#.to_owned(),
        format!(r#"productUpdate(id: "{product}", input: {{title: "X"}}) {{ userErrors {{ code }} }}"#),
        format!(r#"productArchive(id: "{product}") {{ userErrors {{ code }} }}"#),
        format!(r#"productVariantsSet(productId: "{product}", variants: []) {{ userErrors {{ code }} }}"#),
        r#"categoryCreate(input: {name: "X"}) { userErrors { code } }"#.to_owned(),
        format!(r#"categoryUpdate(id: "{category}", input: {{name: "X"}}) {{ userErrors {{ code }} }}"#),
        format!(r#"categoryDelete(id: "{category}") {{ userErrors {{ code }} }}"#),
        format!(
            r#"stockAdjust(input: {{idempotencyKey: "k", variantId: "{variant}", delta: 1, reason: "x"}}) {{ userErrors {{ code }} }}"#
        ),
    ];
    for mutation in mutations {
        let mutation = format!("mutation {{ {mutation} }}");
        for (roles, expected) in [
            (None, "UNAUTHENTICATED"),
            (Some(Role::Customer), "UNAUTHORIZED_FIELD_OR_TYPE"),
            (Some(Role::Support), "UNAUTHORIZED_FIELD_OR_TYPE"),
        ] {
            let token = roles.map(|role| shop.service.keys.user("usr_1", &[role]));
            let answer = shop.service.query(&mutation, json!({}), token.as_deref()).await;
            assert_eq!(codes(&answer), [expected], "{mutation} as {roles:?}: {answer:#}");
        }
    }
    let untouched = shop
        .data(
            &format!(r#"{{ product(id: "{product}") {{ title status }} }}"#),
            json!({}),
        )
        .await;
    assert_eq!(
        untouched["product"],
        json!({"title": "Heavyweight Tee", "status": "ACTIVE"})
    );
}

#[tokio::test]
async fn stock_is_exact_only_for_those_who_may_read_it() {
    let shop = Shop::open().await;
    let adjust = r#"mutation($id: ID!) { stockAdjust(input: {idempotencyKey: "k", variantId: $id, delta: 1000, reason: "x"})
        { userErrors { code } variant { stock { onHand reserved available } } } }"#;
    let variant = id::seeded("var", 1);
    let adjusted = shop.admin(adjust, json!({ "id": variant })).await;
    let stock = json!({"onHand": 1052, "reserved": 0, "available": 1052});
    assert_eq!(
        adjusted["stockAdjust"],
        json!({"userErrors": [], "variant": {"stock": stock}})
    );

    let query = "query($id: ID!) { productVariant(id: $id) { quantityAvailable stock { onHand } } }";
    for (role, quantity, on_hand, expected) in [
        (None, 100, json!(null), &["UNAUTHENTICATED"][..]),
        (Some(Role::Customer), 100, json!(null), &["UNAUTHORIZED_FIELD_OR_TYPE"]),
        (Some(Role::Support), 1052, json!({"onHand": 1052}), &[]),
        (Some(Role::Admin), 1052, json!({"onHand": 1052}), &[]),
    ] {
        let token = role.map(|role| shop.service.keys.user("usr_1", &[role]));
        let answer = shop
            .service
            .query(query, json!({ "id": variant }), token.as_deref())
            .await;
        assert_eq!(codes(&answer), expected, "{role:?}");
        let variant = &answer["data"]["productVariant"];
        assert_eq!(
            (&variant["quantityAvailable"], &variant["stock"]),
            (&json!(quantity), &on_hand),
            "{role:?}"
        );
    }
}

#[tokio::test]
async fn the_public_cannot_list_drafts() {
    let shop = Shop::open().await;
    let query = "{ products(filter: {status: [DRAFT]}) { totalCount } }";
    assert_eq!(
        codes(&shop.service.query(query, json!({}), None).await),
        ["UNAUTHENTICATED"]
    );
    let customer = shop.service.keys.user("usr_1", &[Role::Customer]);
    assert_eq!(
        codes(&shop.service.query(query, json!({}), Some(&customer)).await),
        ["UNAUTHORIZED_FIELD_OR_TYPE"]
    );
    assert_eq!(shop.admin(query, json!({})).await["products"]["totalCount"], 0);
}

#[tokio::test]
async fn a_bad_token_refuses_the_request() {
    let shop = Shop::open().await;
    let answer = shop
        .service
        .query("{ categories { id } }", json!({}), Some("junk"))
        .await;
    assert_eq!(codes(&answer), ["UNAUTHENTICATED"]);
}
