//! `/media/products/{id}.svg`: pictures of products that have no photograph, drawn here so that a demo without
//! internet has pictures.

use crate::domain::picture::Picture;
use crate::domain::product::ProductStatus;
use crate::store::Store;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use std::collections::HashMap;

/// A drawing hardly ever changes, and a stale one does no harm: an hour, and a day while a new one is fetched.
const CACHE_CONTROL: &str = "public, max-age=3600, stale-while-revalidate=86400";

pub(crate) fn router(store: Store) -> Router {
    Router::new()
        .route("/media/products/{file}", get(picture))
        .with_state(store)
}

#[derive(Deserialize)]
struct Size {
    width: Option<u32>,
}

async fn picture(
    State(store): State<Store>,
    Path(file): Path<String>,
    Query(size): Query<Size>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = file.strip_suffix(".svg").filter(|id| service::id::is("prod", id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let svg = match draw(&store, id, size.width).await {
        Ok(Some(svg)) => svg,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "A picture could not be drawn"
            );
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let etag = format!("\"{:016x}\"", crate::domain::picture::fingerprint(svg.as_bytes()));
    let is_known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let caching = [(header::CACHE_CONTROL, CACHE_CONTROL.to_owned()), (header::ETAG, etag)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        // An SVG that is opened by itself is a document: it may style itself, and nothing else.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (caching, content, svg).into_response()
}

async fn draw(store: &Store, id: &str, width: Option<u32>) -> Result<Option<String>, crate::store::StoreError> {
    let Some(product) = store.products(vec![id.to_owned()]).await?.remove(id) else {
        return Ok(None);
    };
    if product.status == ProductStatus::Draft {
        return Ok(None);
    }
    let mut categories: HashMap<_, _> = store.categories_of(vec![id.to_owned()]).await?;
    let category = categories
        .remove(id)
        .and_then(|categories| categories.into_iter().next());
    let picture = Picture {
        product_id: &product.id,
        title: &product.title,
        category_slug: category.as_ref().map_or("", |category| &category.slug),
    };
    Ok(Some(picture.svg(width)))
}
