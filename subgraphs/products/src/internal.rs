//! `/internal/…`: quotes, reservations and restocks, for orders. The contract is in `subgraphs/products/README.md`.

use crate::graphql::MediaUrls;
use crate::store::{Offers, ReservationConflict, Reservations, Store, StoreError};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use service::contract::products::{
    ExtendRequest, LINES_MAX, QUANTITY_MAX, Quote, QuoteRequest, ReservationRequest, RestockRequest, VariantQuantity,
};
use service::loader::LoadError;
use service::money::Currency;
use std::collections::HashSet;
use std::sync::Arc;

/// Longest id that a caller may choose, in bytes: the width of its column.
const ID_BYTES_MAX: usize = 64;

struct Endpoints {
    store: Store,
    offers: Offers,
    reservations: Reservations,
    media_urls: MediaUrls,
}

type Shared = State<Arc<Endpoints>>;

pub(crate) fn router(store: Store, media_urls: MediaUrls) -> Router {
    Router::new()
        .route("/internal/quote", post(quote))
        .route("/internal/reservations/{order_id}", put(reserve).delete(release))
        .route("/internal/reservations/{order_id}/commit", post(commit))
        .route("/internal/reservations/{order_id}/extend", post(extend))
        .route("/internal/restocks/{restock_id}", put(restock))
        .with_state(Arc::new(Endpoints {
            offers: Offers::new(store.clone()),
            reservations: Reservations::new(store.clone()),
            store,
            media_urls,
        }))
}

/// Why a command was not tried.
enum Refusal {
    /// It breaks a limit; which one.
    Malformed(String),
    /// The id was used with another body.
    Conflict,
    /// The fault is ours.
    Store(StoreError),
    /// It is, and the log has it.
    Unloaded,
}

impl From<LoadError> for Refusal {
    fn from(_: LoadError) -> Refusal {
        Refusal::Unloaded
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

impl From<ReservationConflict> for Refusal {
    fn from(_: ReservationConflict) -> Refusal {
        Refusal::Conflict
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Malformed(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
            Refusal::Conflict => (StatusCode::CONFLICT, "this id was used with another body\n").into_response(),
            Refusal::Store(error) => {
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "An internal command failed"
                );
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Refusal::Unloaded => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

type Answer<T> = Result<Json<T>, Refusal>;

async fn quote(State(endpoints): Shared, Json(request): Json<QuoteRequest>) -> Answer<impl Serialize> {
    if request.variant_ids.len() > LINES_MAX {
        return Err(Refusal::Malformed(format!("more than {LINES_MAX} variants\n")));
    }
    let currency = currency(&request.currency_code)?;
    let mut offers = endpoints.offers.of(request.variant_ids.clone(), currency).await?;
    // Each once, in the order in which they were asked for.
    let offers = request.variant_ids.iter().filter_map(|id| offers.remove(id));
    let quotes = offers.filter_map(|offer| offer.quote(|stored| endpoints.media_urls.absolute(stored)));
    Ok(Json(Quote {
        variants: quotes.collect(),
    }))
}

async fn reserve(
    State(endpoints): Shared,
    Path(order_id): Path<String>,
    Json(request): Json<ReservationRequest>,
) -> Answer<impl Serialize> {
    check_id(&order_id)?;
    check_lines(&request.lines)?;
    let currency = currency(&request.currency_code)?;
    let ids = request.lines.iter().map(|line| line.variant_id.clone()).collect();
    let offers = endpoints.offers.of(ids, currency).await?;
    let picture = |stored: &str| endpoints.media_urls.absolute(stored);
    Ok(Json(
        endpoints
            .reservations
            .reserve(&order_id, &request, &offers, picture)
            .await??,
    ))
}

async fn commit(State(endpoints): Shared, Path(order_id): Path<String>) -> Answer<impl Serialize> {
    check_id(&order_id)?;
    Ok(Json(endpoints.reservations.commit(&order_id).await?))
}

async fn extend(
    State(endpoints): Shared,
    Path(order_id): Path<String>,
    Json(request): Json<ExtendRequest>,
) -> Answer<impl Serialize> {
    check_id(&order_id)?;
    Ok(Json(
        endpoints
            .store
            .extend_reservation(&order_id, request.expires_at.timestamp_millis())
            .await?,
    ))
}

async fn release(State(endpoints): Shared, Path(order_id): Path<String>) -> Answer<impl Serialize> {
    check_id(&order_id)?;
    Ok(Json(endpoints.store.release_reservation(&order_id).await?))
}

async fn restock(
    State(endpoints): Shared,
    Path(restock_id): Path<String>,
    Json(request): Json<RestockRequest>,
) -> Answer<impl Serialize> {
    check_id(&restock_id)?;
    check_id(&request.order_id)?;
    check_lines(&request.lines)?;
    Ok(Json(endpoints.store.restock(&restock_id, &request).await??))
}

fn currency(code: &str) -> Result<Currency, Refusal> {
    Currency::parse(code).map_err(|reason| Refusal::Malformed(format!("{reason}\n")))
}

fn check_id(id: &str) -> Result<(), Refusal> {
    if (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Refusal::Malformed(format!(
        "an id is 1 to {ID_BYTES_MAX} visible ASCII characters\n"
    )))
}

fn check_lines(lines: &[VariantQuantity]) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    let problem = if !(1..=LINES_MAX).contains(&lines.len()) {
        format!("between 1 and {LINES_MAX} lines are needed\n")
    } else if lines.iter().any(|line| !(1..=QUANTITY_MAX).contains(&line.quantity)) {
        format!("quantities are between 1 and {QUANTITY_MAX}\n")
    } else if lines.iter().any(|line| !seen.insert(&line.variant_id)) {
        "a variant occurs in two lines\n".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::Malformed(problem))
}
