//! The first evening with the shop: register, search, fill the cart, order, pay with 3-D Secure, restart.

use anyhow::{Context, Result};
use e2e::deployment::{Deployment, Setup, Shape};
use serde_json::{Value, json};

const REGISTER: &str = include_str!("../../../../schema/operations/register.graphql");
const SHOP_FRONT: &str = include_str!("../../../../schema/operations/shop_front.graphql");
const PRODUCT_PAGE: &str = include_str!("../../../../schema/operations/product_page.graphql");
const CART_ADD: &str = include_str!("../../../../schema/operations/cart_add.graphql");
const PLACE_ORDER: &str = include_str!("../../../../schema/operations/place_order.graphql");
const PAY: &str = include_str!("../../../../schema/operations/pay.graphql");
const MISSION: &str = include_str!("../../../../schema/operations/mission.graphql");
const MY_ORDERS: &str = include_str!("../../../../schema/operations/my_orders.graphql");
const STATUS: &str = "query($id: ID!) { order(id: $id) { status } }";

const EMAIL: &str = "grace@example.com";
const PASSWORD: &str = "a long and quiet evening";

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process() -> Result<()> {
    journey(Shape::OneProcess).await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_six_processes() -> Result<()> {
    journey(Shape::SixProcesses).await
}

async fn journey(shape: Shape) -> Result<()> {
    let setup = Setup {
        // More would be each byte that a library reads; `secrets.rs` of users and payments look at that.
        log_level: "debug".to_owned(),
        ..Setup::default()
    };
    let mut shop = Deployment::start_with(shape, setup)?;
    register(&shop).await?;
    let token = shop.login(EMAIL, PASSWORD).await?;
    let variant = find_something(&shop).await?;
    let order = place_order(&shop, &token, &variant).await?;
    pay_with_challenge(&shop, &token, &order).await?;

    let before = shop.data(MISSION, json!({ "id": order }), Some(&token)).await?;
    assert_eq!(before["order"]["status"], "PAID");
    assert_eq!(before["order"]["user"]["displayName"], "Grace");
    assert_eq!(before["order"]["lines"]["nodes"][0]["quantity"], 2);
    assert_eq!(before["order"]["payments"][0]["status"], "CAPTURED");
    let stranger = shop
        .login(&standalone::demo::email(), standalone::demo::PASSWORD)
        .await?;
    let hidden = shop.data(STATUS, json!({ "id": order }), Some(&stranger)).await?;
    assert_eq!(hidden, json!({ "order": null }), "an order is its buyer's alone");

    assert_no_secret_is_logged(&shop, &token)?;
    shop.restart()?;
    let token = shop.login(EMAIL, PASSWORD).await?;
    let after = shop.data(MISSION, json!({ "id": order }), Some(&token)).await?;
    assert_eq!(after, before, "a restart loses nothing");
    let mine = shop.data(MY_ORDERS, json!({}), Some(&token)).await?;
    assert_eq!(mine["me"]["orders"]["nodes"][0]["id"], json!(order));
    assert_no_secret_is_logged(&shop, &token)
}

/// Keys, passwords, tokens and what is personal stay out of what every process has logged of the journey.
fn assert_no_secret_is_logged(shop: &Deployment, token: &str) -> Result<()> {
    let mut secrets: Vec<String> = [
        PASSWORD,
        EMAIL,
        "Unter den Linden",
        token,
        // Of the gateway, its webhooks and the services among each other, as `Deployment` sets them.
        "sk_test_hansa",
        "aGFuc2Etc2FuZGJveC13ZWJob29rLXNlY3JldA",
        "an internal key for tests",
    ]
    .map(str::to_owned)
    .into();
    for key in std::fs::read_dir(shop.folder().join("keys"))? {
        let pem = std::fs::read_to_string(key?.path())?;
        secrets.push(pem.lines().nth(1).context("a private key")?.to_owned());
    }
    let mut logged = String::new();
    for process in shop.processes() {
        let output = shop.output(process);
        logged += &output;
        for secret in &secrets {
            // The sandbox is a stranger's server, with a key that everybody knows.
            let allowed = process == "sandbox-gateway" && secret == "sk_test_hansa";
            assert!(allowed || !output.contains(secret), "`{process}` has logged `{secret}`");
        }
    }
    assert!(logged.contains("POST /graphql 200"), "the processes log: {logged}");
    Ok(())
}

async fn register(shop: &Deployment) -> Result<()> {
    let input = json!({ "email": EMAIL, "password": PASSWORD, "displayName": "Grace" });
    let data = shop.data(REGISTER, json!({ "input": input }), None).await?;
    assert_eq!(data["userRegister"]["userErrors"], json!([]));
    let again = shop.data(REGISTER, json!({ "input": input }), None).await?;
    assert_eq!(again["userRegister"]["userErrors"][0]["code"], "EMAIL_TAKEN");
    Ok(())
}

/// The id of a variant that can be bought.
async fn find_something(shop: &Deployment) -> Result<String> {
    let found = shop.data(SHOP_FRONT, json!({ "query": "lamp" }), None).await?;
    let product = &found["products"]["nodes"][0];
    let slug = product["slug"]
        .as_str()
        .with_context(|| format!("no lamps in {found:#}"))?;
    let picture = product["featuredMedia"]["url"].as_str().context("a picture")?;
    let picture = shop.http().get(picture).send().await?.error_for_status()?;
    assert_eq!(picture.headers()["content-type"], "image/svg+xml");

    let page = shop
        .data(
            PRODUCT_PAGE,
            json!({ "slug": slug, "to": { "countryCode": "DE" } }),
            None,
        )
        .await?;
    let variants = page["product"]["variants"]["nodes"].as_array().context("variants")?;
    let buyable = |variant: &&Value| variant["quantityAvailable"].as_u64() >= Some(2);
    let variant = variants
        .iter()
        .find(buyable)
        .with_context(|| format!("nothing to buy in {page:#}"))?;
    assert!(variant["shippingEstimate"]["cost"]["amount"].is_string(), "{variant:#}");
    Ok(variant["id"].as_str().context("id")?.to_owned())
}

async fn place_order(shop: &Deployment, token: &str, variant: &str) -> Result<String> {
    let lines = json!({ "lines": [{ "variantId": variant, "quantity": 2 }] });
    let cart = shop.data(CART_ADD, lines, Some(token)).await?;
    assert_eq!(cart["cartLinesAdd"]["cart"]["totalQuantity"], 2, "{cart:#}");

    let address = json!({ "name": "Grace", "line1": "Unter den Linden 1", "city": "Berlin", "postalCode": "10117", "countryCode": "DE" });
    let input = json!({ "idempotencyKey": "0190c0de-0000-7000-8000-000000000001", "shippingAddress": address });
    let placed = shop.data(PLACE_ORDER, json!({ "input": input }), Some(token)).await?;
    let order = &placed["orderCreate"]["order"];
    assert_eq!(placed["orderCreate"]["userErrors"], json!([]), "{placed:#}");
    let id = order["id"].as_str().context("id")?.to_owned();

    let repeated = shop.data(PLACE_ORDER, json!({ "input": input }), Some(token)).await?;
    assert_eq!(
        repeated["orderCreate"]["order"]["id"],
        json!(id),
        "the same key is the same order"
    );
    shop.data_when(STATUS, json!({ "id": id }), Some(token), |data| {
        data["order"]["status"] == "AWAITING_PAYMENT"
    })
    .await?;
    Ok(id)
}

/// A declined card first, then one whose bank asks the shopper.
async fn pay_with_challenge(shop: &Deployment, token: &str, order: &str) -> Result<()> {
    let pay = |key: &str, method: &str| {
        json!({ "input": {
            "idempotencyKey": key, "orderId": order, "paymentMethodToken": method, "returnUrl": "https://shop.example/thanks",
        } })
    };
    let declined = shop
        .data(PAY, pay("first", "tok_declined_insufficient_funds"), Some(token))
        .await?;
    assert_eq!(declined["orderPay"]["payment"]["status"], "DECLINED", "{declined:#}");
    assert!(
        declined["orderPay"]["payment"]["declineMessage"].is_string(),
        "{declined:#}"
    );

    let asked = shop.data(PAY, pay("second", "tok_3ds"), Some(token)).await?;
    let payment = &asked["orderPay"]["payment"];
    assert_eq!(payment["status"], "REQUIRES_ACTION", "{asked:#}");
    let challenge = payment["nextAction"]["url"].as_str().context("a page to go to")?;
    assert!(challenge.starts_with(&shop.sandbox_url), "{challenge}");

    let page = shop
        .http()
        .get(challenge)
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    assert!(page.contains("Approve"), "{page}");
    let approved = shop
        .http()
        .post(challenge)
        .form(&[("decision", "approve")])
        .send()
        .await?;
    let back = approved.headers().get("location").context("a way back to the shop")?;
    assert!(back.to_str()?.starts_with("https://shop.example/thanks"), "{back:?}");

    shop.data_when(STATUS, json!({ "id": order }), Some(token), |data| {
        data["order"]["status"] == "PAID"
    })
    .await?;
    Ok(())
}
