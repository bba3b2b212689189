//! Profiles and addresses.

use crate::shop::{Shop, user_errors};
use serde_json::{Value, json};
use service::testing::{TempSqlite, each_database};

const CREATE: &str = "mutation($input: AddressInput!, $default: Boolean) { addressCreate(input: $input, setDefault: $default) {
    address { id city countryCode company } user { defaultShippingAddress { id } defaultBillingAddress { id } addresses { id } }
    userErrors { code field } } }";

fn lines(city: &str) -> Value {
    json!({ "name": "Mira", "line1": "Mengstraße 4", "city": city, "countryCode": "de", "company": "  " })
}

#[tokio::test]
async fn addresses_are_kept_and_one_is_the_default() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let token = shop.customer("mira").await;
        let create = async |city: &str, default: bool| {
            let variables = json!({ "input": lines(city), "default": default });
            shop.data(CREATE, variables, Some(&token)).await["addressCreate"].clone()
        };
        let home = create("Lübeck", true).await;
        assert_eq!(home["address"]["countryCode"], "DE");
        assert_eq!(home["address"]["company"], Value::Null);
        assert_eq!(home["user"]["defaultShippingAddress"]["id"], home["address"]["id"]);
        let office = create("Hamburg", false).await;
        assert_eq!(office["user"]["defaultBillingAddress"]["id"], home["address"]["id"]);
        assert_eq!(
            office["user"]["addresses"],
            json!([{ "id": home["address"]["id"] }, { "id": office["address"]["id"] }])
        );

        let update = "mutation($id: ID!, $input: AddressInput!) { addressUpdate(id: $id, input: $input) {
            address { city } userErrors { code field } } }";
        for city in ["Bremen", "Bremen"] {
            let variables = json!({ "id": office["address"]["id"], "input": lines(city) });
            let data = shop.data(update, variables, Some(&token)).await;
            assert_eq!(
                data["addressUpdate"],
                json!({ "address": { "city": "Bremen" }, "userErrors": [] })
            );
        }

        let make_default = "mutation($id: ID) { userUpdate(input: { defaultShippingAddressId: $id }) {
            user { defaultShippingAddress { city } defaultBillingAddress { city } } userErrors { code field } } }";
        let data = shop
            .data(make_default, json!({ "id": office["address"]["id"] }), Some(&token))
            .await;
        assert_eq!(data["userUpdate"]["user"]["defaultShippingAddress"]["city"], "Bremen");

        let delete = "mutation($id: ID!) { addressDelete(id: $id) { deletedAddressId
            user { defaultShippingAddress { id } defaultBillingAddress { id } } userErrors { code field } } }";
        let variables = json!({ "id": office["address"]["id"] });
        let data = shop.data(delete, variables.clone(), Some(&token)).await;
        assert_eq!(data["addressDelete"]["deletedAddressId"], office["address"]["id"]);
        assert_eq!(data["addressDelete"]["user"]["defaultShippingAddress"], Value::Null);
        assert_eq!(
            data["addressDelete"]["user"]["defaultBillingAddress"]["id"],
            home["address"]["id"]
        );
        let again = shop.data(delete, variables, Some(&token)).await;
        assert_eq!(user_errors(&again["addressDelete"]), "NOT_FOUND@id");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_address_gets_all_its_mistakes() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let token = shop.customer("mira").await;
    let input =
        json!({ "name": "", "line1": "a\nb", "city": "x".repeat(101), "countryCode": "Germany", "phone": "call me" });
    let data = shop.data(CREATE, json!({ "input": input }), Some(&token)).await;
    assert_eq!(
        user_errors(&data["addressCreate"]),
        "REQUIRED@input.name INVALID@input.line1 INVALID@input.city INVALID@input.countryCode INVALID@input.phone"
    );
}

#[tokio::test]
async fn an_account_has_at_most_fifty_addresses() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let token = shop.customer("mira").await;
    for _ in 0..50 {
        let data = shop
            .data(CREATE, json!({ "input": lines("Lübeck") }), Some(&token))
            .await;
        assert_eq!(user_errors(&data["addressCreate"]), "");
    }
    let data = shop
        .data(CREATE, json!({ "input": lines("Lübeck") }), Some(&token))
        .await;
    assert_eq!(user_errors(&data["addressCreate"]), "ADDRESS_LIMIT_REACHED@");
}

#[tokio::test]
async fn a_profile_changes_only_what_is_named() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let token = shop.customer("mira").await;
    let update = "mutation($input: UserUpdateInput!) { userUpdate(input: $input) {
        user { displayName phone locale avatarUrl } userErrors { code field } } }";
    for (input, expected) in [
        (
            json!({ "phone": "+49 451 123456", "locale": "zh-CN" }),
            json!(["mira", "+49 451 123456", "zh-CN", null]),
        ),
        (
            json!({ "displayName": "王米拉" }),
            json!(["王米拉", "+49 451 123456", "zh-CN", null]),
        ),
        (json!({ "phone": null }), json!(["王米拉", null, "zh-CN", null])),
        (json!({ "displayName": " " }), json!("REQUIRED@input.displayName")),
        (
            json!({ "avatarUrl": "javascript:alert(1)" }),
            json!("INVALID@input.avatarUrl"),
        ),
        (
            json!({ "defaultBillingAddressId": "adr_unknown" }),
            json!("NOT_FOUND@input.defaultBillingAddressId"),
        ),
    ] {
        let data = shop.data(update, json!({ "input": input }), Some(&token)).await;
        let payload = &data["userUpdate"];
        let user = &payload["user"];
        let shown = match user.is_null() {
            true => json!(user_errors(payload)),
            false => json!([user["displayName"], user["phone"], user["locale"], user["avatarUrl"]]),
        };
        assert_eq!(shown, expected, "{input}");
    }
}
