//! Stand-ins for products and users that keep the contract of their internal endpoints.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{post, put};
use axum::{Json, Router};
use chrono::{TimeDelta, Utc};
use service::contract::products::{
    CommitReply, ExtendReply, ExtendRequest, Price, Quote, QuoteRequest, ReleaseReply, ReservationReply,
    ReservationRequest, RestockReply, RestockRequest, Shortage, ShortageReason, VariantQuote,
};
use service::contract::users::{Buyer, BuyerReply, BuyerRequest, PostalAddress};
use service::id;

/// The shelf of the stand-in for products.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    variants: BTreeMap<String, Stocked>,
    reservations: HashMap<String, Reservation>,
    down: bool,
    /// Quotes are answered, reservations are not.
    reserving_down: bool,
    /// Units that vanish between the quote and the reservation.
    snatched: bool,
    /// A price rise between the quote and the reservation.
    raised: bool,
    /// Reservations are gone before they are committed, and their units with them.
    lapsed: bool,
}

struct Stocked {
    price: Price,
    is_offered: bool,
    on_hand: i64,
    reserved: i64,
}

#[derive(Clone)]
struct Reservation {
    request: ReservationRequest,
    committed: bool,
    released: bool,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Puts variant `index` on the shelf, for euros, and answers with its id.
    pub(crate) fn stock(&self, index: u64, price_minor: i64, on_hand: i64) -> String {
        self.stock_for(index, (price_minor, "EUR"), on_hand)
    }

    /// Puts variant `index` on the shelf and answers with its id.
    pub(crate) fn stock_for(&self, index: u64, (amount_minor, currency_code): (i64, &str), on_hand: i64) -> String {
        let variant_id = id::seeded("var", index);
        self.lock().variants.insert(
            variant_id.clone(),
            Stocked {
                price: Price {
                    amount_minor,
                    currency_code: currency_code.to_owned(),
                },
                is_offered: true,
                on_hand,
                reserved: 0,
            },
        );
        variant_id
    }

    /// Takes a variant out of the catalogue.
    pub(crate) fn withdraw(&self, variant_id: &str) {
        self.lock().variants.get_mut(variant_id).unwrap().is_offered = false;
    }

    /// On hand and reserved.
    pub(crate) fn count(&self, variant_id: &str) -> (i64, i64) {
        let inner = self.lock();
        (inner.variants[variant_id].on_hand, inner.variants[variant_id].reserved)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    pub(crate) fn set_reserving_down(&self, down: bool) {
        self.lock().reserving_down = down;
    }

    pub(crate) fn snatch(&self) {
        self.lock().snatched = true;
    }

    pub(crate) fn lapse(&self) {
        self.lock().lapsed = true;
    }

    pub(crate) fn raise_prices(&self) {
        self.lock().raised = true;
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/internal/quote", post(quote))
            .route("/internal/reservations/{order_id}", put(reserve).delete(release))
            .route("/internal/reservations/{order_id}/commit", post(commit))
            .route("/internal/reservations/{order_id}/extend", post(extend))
            .route("/internal/restocks/{id}", put(restock))
            .with_state(self.clone())
    }
}

impl Inner {
    fn quote(&self, variant_id: &str) -> Option<VariantQuote> {
        let stocked = self.variants.get(variant_id)?;
        Some(VariantQuote {
            variant_id: variant_id.to_owned(),
            product_id: variant_id.replace("var_", "prod_"),
            sku: format!("SKU-{}", &variant_id[variant_id.len() - 4..]),
            product_title: "Trail shoe".to_owned(),
            variant_title: "38 / Red".to_owned(),
            image_url: None,
            price: stocked.price.clone(),
            weight_grams: Some(700),
            tax_class: "standard".to_owned(),
            available_for_sale: stocked.is_offered,
            quantity_available: stocked.on_hand - stocked.reserved,
        })
    }

    fn up(&self) -> Result<(), StatusCode> {
        if self.down {
            Err(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            Ok(())
        }
    }
}

async fn quote(State(shelf): State<Shelf>, Json(request): Json<QuoteRequest>) -> Result<Json<Quote>, StatusCode> {
    let inner = shelf.lock();
    inner.up()?;
    let known = request
        .variant_ids
        .iter()
        .filter_map(|variant_id| inner.quote(variant_id));
    Ok(Json(Quote {
        variants: known
            .filter(|quote| quote.price.currency_code == request.currency_code)
            .collect(),
    }))
}

async fn reserve(
    State(shelf): State<Shelf>,
    Path(order_id): Path<String>,
    Json(request): Json<ReservationRequest>,
) -> Result<Json<ReservationReply>, StatusCode> {
    let mut inner = shelf.lock();
    inner.up()?;
    if inner.reserving_down {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let known = inner.reservations.get(&order_id).cloned();
    if known.as_ref().is_some_and(|known| known.released) {
        return Ok(Json(ReservationReply::Released));
    }
    if inner.snatched {
        let shortages = shortages(&request);
        return Ok(Json(ReservationReply::Refused { shortages }));
    }
    if known.is_none() {
        for line in &request.lines {
            inner.variants.get_mut(&line.variant_id).unwrap().reserved += i64::from(line.quantity);
        }
        let reservation = Reservation {
            request: request.clone(),
            committed: false,
            released: false,
        };
        inner.reservations.insert(order_id, reservation);
    }
    let raise = i64::from(inner.raised);
    let variants = request
        .lines
        .iter()
        .filter_map(|line| inner.quote(&line.variant_id))
        .map(|mut quote| {
            quote.price.amount_minor += raise;
            quote
        });
    let expires_at = Utc::now() + TimeDelta::minutes(20);
    Ok(Json(ReservationReply::Reserved {
        expires_at,
        variants: variants.collect(),
    }))
}

/// The first line has run out.
fn shortages(request: &ReservationRequest) -> Vec<Shortage> {
    vec![Shortage {
        variant_id: request.lines[0].variant_id.clone(),
        reason: ShortageReason::OutOfStock,
        quantity_available: 0,
    }]
}

async fn commit(State(shelf): State<Shelf>, Path(order_id): Path<String>) -> Result<Json<CommitReply>, StatusCode> {
    let mut inner = shelf.lock();
    inner.up()?;
    let Some(known) = inner.reservations.get(&order_id).cloned() else {
        return Ok(Json(CommitReply::NotFound));
    };
    if known.released {
        return Ok(Json(CommitReply::Released));
    }
    if inner.lapsed {
        let shortages = shortages(&known.request);
        return Ok(Json(CommitReply::Refused { shortages }));
    }
    if !known.committed {
        for line in &known.request.lines {
            let stocked = inner.variants.get_mut(&line.variant_id).unwrap();
            stocked.reserved -= i64::from(line.quantity);
            stocked.on_hand -= i64::from(line.quantity);
        }
        inner.reservations.get_mut(&order_id).unwrap().committed = true;
    }
    Ok(Json(CommitReply::Committed))
}

async fn extend(
    State(shelf): State<Shelf>,
    Json(request): Json<ExtendRequest>,
) -> Result<Json<ExtendReply>, StatusCode> {
    shelf.lock().up()?;
    Ok(Json(ExtendReply::Extended {
        expires_at: request.expires_at,
    }))
}

async fn release(State(shelf): State<Shelf>, Path(order_id): Path<String>) -> Result<Json<ReleaseReply>, StatusCode> {
    let mut inner = shelf.lock();
    inner.up()?;
    let known = inner.reservations.get(&order_id).cloned();
    let empty = ReservationRequest {
        lines: Vec::new(),
        currency_code: "EUR".to_owned(),
    };
    let known = known.unwrap_or(Reservation {
        request: empty,
        committed: false,
        released: false,
    });
    if known.committed {
        return Ok(Json(ReleaseReply::Committed));
    }
    if !known.released {
        for line in &known.request.lines {
            inner.variants.get_mut(&line.variant_id).unwrap().reserved -= i64::from(line.quantity);
        }
    }
    inner.reservations.insert(
        order_id,
        Reservation {
            released: true,
            ..known
        },
    );
    Ok(Json(ReleaseReply::Released))
}

async fn restock(
    State(shelf): State<Shelf>,
    Json(request): Json<RestockRequest>,
) -> Result<Json<RestockReply>, StatusCode> {
    let mut inner = shelf.lock();
    inner.up()?;
    if !inner
        .reservations
        .get(&request.order_id)
        .is_some_and(|known| known.committed)
    {
        return Ok(Json(RestockReply::Refused));
    }
    for line in &request.lines {
        inner.variants.get_mut(&line.variant_id).unwrap().on_hand += i64::from(line.quantity);
    }
    Ok(Json(RestockReply::Restocked))
}

/// The stand-in for users: everybody exists but user 99, and address 0 is user 2's home in Germany.
pub(crate) fn users() -> Router {
    Router::new().route("/internal/buyer", post(buyer))
}

async fn buyer(Json(request): Json<BuyerRequest>) -> Json<BuyerReply> {
    let user = (request.user_id != id::seeded("usr", 99)).then(|| Buyer {
        id: request.user_id.clone(),
        display_name: "Ada".to_owned(),
        email: "ada@hansa.example".to_owned(),
        locale: None,
        email_verified: true,
    });
    let home = request.user_id == id::seeded("usr", 2) && request.address_id == Some(id::seeded("adr", 0));
    let address = home.then(|| PostalAddress {
        id: request.address_id,
        name: "Ada Lindqvist".to_owned(),
        company: None,
        line1: "Mengstraße 4".to_owned(),
        line2: None,
        city: "Lübeck".to_owned(),
        region: None,
        postal_code: Some("23552".to_owned()),
        country_code: "DE".to_owned(),
        phone: None,
    });
    Json(BuyerReply { user, address })
}
