//! Pictures.

use super::Shop;
use http::StatusCode;
use serde_json::json;
use service::id;
use service::testing::get;

#[tokio::test]
async fn every_seeded_product_has_a_picture_at_its_url() {
    let shop = Shop::open().await;
    let answer = shop
        .data(
            "{ products(first: 1) { nodes { featuredMedia { url(maxWidth: 200) } } } }",
            json!({}),
        )
        .await;
    let url = answer["products"]["nodes"][0]["featuredMedia"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = url.strip_prefix("http://127.0.0.1:5000").unwrap();
    let (status, headers, body) = get(&shop.service.app.public, path).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"image/svg+xml".parse().unwrap())
    );
    assert!(headers["cache-control"].to_str().unwrap().starts_with("public"));
    let svg = String::from_utf8(body).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.contains("width='200'") && svg.ends_with("</svg>"),
        "{svg}"
    );
    for (path, expected) in [
        (
            format!("/media/products/{}.svg", id::seeded("prod", 999)),
            StatusCode::NOT_FOUND,
        ),
        ("/media/products/junk.svg".to_owned(), StatusCode::NOT_FOUND),
        (
            format!("/media/products/{}.png", id::seeded("prod", 0)),
            StatusCode::NOT_FOUND,
        ),
        (
            format!("/media/products/{}.svg?width=junk", id::seeded("prod", 0)),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        assert_eq!(get(&shop.service.app.public, &path).await.0, expected, "{path}");
    }
}
