//! Who may see and do what.

use crate::shop::{Shop, user_errors};
use serde_json::{Value, json};
use service::seed::users as seed;
use service::testing::{TempSqlite, each_database};

const PRIVATE: &str = "... on User { displayName email emailVerified phone locale roles addresses { id }
    defaultShippingAddress { id } defaultBillingAddress { id } sessions { id } }";

#[tokio::test]
async fn what_is_private_is_null_for_strangers() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let ada = json!([{ "__typename": "User", "id": seed::id(seed::DEMO) }]);
    let viewers = [
        ("nobody", None, false),
        ("another customer", Some(shop.customer("mira").await), false),
        ("herself", Some(shop.demo("ada").await), true),
        ("support", Some(shop.demo("support").await), true),
        ("admin", Some(shop.demo("admin").await), true),
    ];
    for (viewer, token, sees) in viewers {
        let answer = shop.service.entities(ada.clone(), PRIVATE, token.as_deref()).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        let user = answer["data"]["_entities"][0].as_object().unwrap();
        assert_eq!(user["displayName"], "Ada Lindqvist");
        for (field, value) in user.iter().filter(|(field, _)| *field != "displayName") {
            assert_eq!(!value.is_null(), sees, "{field} for {viewer}");
        }
    }
}

#[tokio::test]
async fn entities_are_null_rather_than_errors() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let ada = shop.demo("ada").await;
    let mira = shop.customer("mira").await;
    let representations = json!([
        { "__typename": "User", "id": seed::id(seed::DEMO) },
        { "__typename": "User", "id": "usr_unknown" },
        { "__typename": "User", "id": service::id::new("usr") },
        { "__typename": "Address", "id": seed::address_id(seed::DEMO, 0) },
        { "__typename": "Address", "id": "' OR 1=1" },
    ]);
    let selection = "__typename ... on Address { city }";
    let found = async |token: Option<&str>| {
        let answer = shop.service.entities(representations.clone(), selection, token).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        let entities = answer["data"]["_entities"].as_array().unwrap().clone();
        entities
            .iter()
            .map(|entity| entity["__typename"].as_str().unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(found(Some(&ada)).await, "User - - Address -");
    assert_eq!(found(Some(&mira)).await, "User - - - -");
    assert_eq!(found(None).await, "User - - - -");
}

#[tokio::test]
async fn nobody_may_only_register_and_log_in() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    assert_eq!(shop.data("{ me { id } }", json!({}), None).await, json!({ "me": null }));
    for operation in [
        "mutation { userLogout { userErrors { code } } }",
        "mutation { userUpdate(input: { displayName: \"x\" }) { userErrors { code } } }",
        "mutation { userPasswordChange(currentPassword: \"a\", newPassword: \"b\") { userErrors { code } } }",
        "mutation { userEmailVerificationRequest { accepted } }",
        "mutation { userEmailChangeRequest(newEmail: \"a@b.co\", password: \"x\") { accepted } }",
        "mutation { addressCreate(input: { name: \"a\", line1: \"b\", city: \"c\", countryCode: \"DE\" }) { userErrors { code } } }",
        "mutation { addressUpdate(id: \"adr_1\", input: { name: \"a\", line1: \"b\", city: \"c\", countryCode: \"DE\" }) { userErrors { code } } }",
        "mutation { addressDelete(id: \"adr_1\") { userErrors { code } } }",
        "mutation { userRolesSet(userId: \"usr_1\", roles: [ADMIN]) { userErrors { code } } }",
        "{ user(id: \"usr_1\") { id } }",
        "{ users { totalCount } }",
    ] {
        assert_eq!(
            shop.codes(operation, json!({}), None).await,
            ["UNAUTHENTICATED"],
            "{operation}"
        );
        assert_eq!(
            shop.codes(operation, json!({}), Some("junk")).await,
            ["UNAUTHENTICATED"],
            "{operation}"
        );
    }
}

#[tokio::test]
async fn a_customer_cannot_touch_what_belongs_to_another() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let mira = shop.customer("mira").await;
    let id = seed::address_id(seed::DEMO, 0);
    for (operation, expected) in [
        ("addressDelete(id: $id)", "NOT_FOUND@id"),
        (
            "addressUpdate(id: $id, input: { name: \"a\", line1: \"b\", city: \"c\", countryCode: \"DE\" })",
            "NOT_FOUND@id",
        ),
        (
            "userUpdate(input: { defaultShippingAddressId: $id })",
            "NOT_FOUND@input.defaultShippingAddressId",
        ),
    ] {
        let query = format!("mutation($id: ID!) {{ done: {operation} {{ userErrors {{ code field }} }} }}");
        let data = shop.data(&query, json!({ "id": id }), Some(&mira)).await;
        assert_eq!(user_errors(&data["done"]), expected, "{operation}");
    }
    for operation in ["{ users { totalCount } }", "{ user(id: \"usr_1\") { id } }"] {
        let codes = shop.codes(operation, json!({}), Some(&mira)).await;
        assert_eq!(codes, ["UNAUTHORIZED_FIELD_OR_TYPE"], "{operation}");
    }
}

#[tokio::test]
async fn only_an_admin_gives_roles_and_they_work_from_the_next_refresh() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let (admin, support) = (shop.demo("admin").await, shop.demo("support").await);
        let set = "mutation($id: ID!, $roles: [Role!]!) { userRolesSet(userId: $id, roles: $roles) {
            user { roles } userErrors { code field } } }";
        let mira = shop.register("mira").await;
        let variables = json!({ "id": mira["user"]["id"], "roles": ["SUPPORT"] });
        assert_eq!(
            shop.codes(set, variables.clone(), Some(&support)).await,
            ["UNAUTHORIZED_FIELD_OR_TYPE"]
        );
        let data = shop.data(set, variables, Some(&admin)).await;
        assert_eq!(data["userRolesSet"]["user"]["roles"], json!(["CUSTOMER", "SUPPORT"]));
        let data = shop
            .data(set, json!({ "id": "usr_unknown", "roles": [] }), Some(&admin))
            .await;
        assert_eq!(user_errors(&data["userRolesSet"]), "NOT_FOUND@userId");

        let refresh = "mutation($token: String) { userTokenRefresh(refreshToken: $token) { tokens { accessToken } } }";
        let data = shop
            .data(refresh, json!({ "token": mira["tokens"]["refreshToken"] }), None)
            .await;
        let token = data["userTokenRefresh"]["tokens"]["accessToken"].as_str();
        assert_eq!(
            shop.data("{ users { totalCount } }", json!({}), token).await["users"]["totalCount"],
            101
        );
    })
    .await;
}

#[tokio::test]
async fn staff_finds_accounts_page_by_page() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let support = shop.demo("support").await;
        let list = "query($first: Int, $after: String, $last: Int, $before: String, $query: String) {
            users(first: $first, after: $after, last: $last, before: $before, query: $query) {
                nodes { id email } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }";
        let page = async |variables: Value| shop.data(list, variables, Some(&support)).await["users"].clone();

        let mut seen: Vec<Value> = Vec::new();
        let mut variables = json!({ "first": 40 });
        loop {
            let users = page(variables).await;
            seen.extend(users["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()));
            assert_eq!(users["totalCount"], 100);
            if users["pageInfo"]["hasNextPage"] == false {
                break;
            }
            variables = json!({ "first": 40, "after": users["pageInfo"]["endCursor"] });
        }
        let expected: Vec<Value> = (0..seed::COUNT).rev().map(|index| json!(seed::id(index))).collect();
        assert_eq!(seen, expected, "newest first, each once");

        let last = page(json!({ "last": 2 })).await;
        assert_eq!(last["nodes"][1]["id"], json!(seed::id(0)));
        let before = page(json!({ "last": 1, "before": last["pageInfo"]["startCursor"] })).await;
        assert_eq!(before["nodes"][0]["id"], json!(seed::id(2)));
        assert_eq!(before["pageInfo"]["hasNextPage"], true);

        for (query, expected) in [("ADA@", 1), ("lindqvist ", 1), ("%", 0), ("王", 1)] {
            let found = page(json!({ "query": query })).await;
            let total = found["totalCount"].as_u64().unwrap();
            assert!(
                if expected == 0 { total == 0 } else { total >= 1 },
                "{query}: {found:#}"
            );
        }
        assert_eq!(
            shop.codes("{ users(first: 101) { totalCount } }", json!({}), Some(&support))
                .await,
            ["BAD_USER_INPUT"]
        );
    })
    .await;
}

/// On every database, although each of them has its own idea of case and accents.
#[tokio::test]
async fn staff_finds_names_whatever_their_case_and_accents() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let register = "mutation($name: String!) { userRegister(input: { email: \"o@example.com\", displayName: $name,
            password: \"correct horse battery\" }) { tokens { accessToken } } }";
        let registered = shop.data(register, json!({ "name": "Örjan Ångström" }), None).await;
        let support = shop.demo("support").await;
        let found = async |text: &str| {
            let list = "query($text: String) { users(query: $text) { totalCount } }";
            let users = shop.data(list, json!({ "text": text }), Some(&support)).await;
            users["users"]["totalCount"].as_u64().unwrap()
        };
        for text in [
            "Örjan",
            "örj",
            "ÖRJ",
            "orjan",
            "ÅNGSTRÖM",
            "o\u{308}rjan a",
            "o@EXAMPLE.com",
        ] {
            assert_eq!(found(text).await, 1, "{text} on {url}");
        }
        let token = registered["userRegister"]["tokens"]["accessToken"].as_str();
        let rename = "mutation { userUpdate(input: { displayName: \"Pär\" }) { userErrors { code field } } }";
        let renamed = shop.data(rename, json!({}), token).await;
        assert_eq!(user_errors(&renamed["userUpdate"]), "");
        for (text, expected) in [("Örjan", 0), ("pÄR", 1), ("ørjan", 0), ("\u{308}", 0)] {
            assert_eq!(found(text).await, expected, "{text} on {url}");
        }
    })
    .await;
}

/// PostgreSQL takes no U+0000.
#[tokio::test]
async fn what_no_id_is_is_not_found() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let admin = shop.demo("admin").await;
        for id in ["\0", "usr_\0", "ADR_00000000000000000000000000"] {
            let seen = "query($id: ID!, $text: String) { user(id: $id) { id } users(query: $text) { totalCount } }";
            let data = shop.data(seen, json!({ "id": id, "text": id }), Some(&admin)).await;
            assert_eq!(
                data,
                json!({ "user": null, "users": { "totalCount": if id == "\0" { 100 } else { 0 } } })
            );
            let change = "mutation($id: ID!) {
                addressDelete(id: $id) { userErrors { code field } }
                userUpdate(input: { defaultBillingAddressId: $id }) { userErrors { code field } }
                userRolesSet(userId: $id, roles: []) { userErrors { code field } } }";
            let data = shop.data(change, json!({ "id": id }), Some(&admin)).await;
            assert_eq!(user_errors(&data["addressDelete"]), "NOT_FOUND@id");
            assert_eq!(
                user_errors(&data["userUpdate"]),
                "NOT_FOUND@input.defaultBillingAddressId"
            );
            assert_eq!(user_errors(&data["userRolesSet"]), "NOT_FOUND@userId");
        }
    })
    .await;
}
