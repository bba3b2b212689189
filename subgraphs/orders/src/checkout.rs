//! Placing an order: from what a shopper sends to an order file, or to everything that is wrong with it.
//!
//! Prices come from products and the address from users, never from the client. Nothing is stored here but the order
//! itself; reserving is the saga's.

use std::fmt::Write as _;

use serde::Serialize;
use service::contract::products::{Quote, VariantQuote};
use service::contract::users::PostalAddress;
use service::money::{Amount, Currency};
use sha2::{Digest as _, Sha256};

use crate::domain::{
    Address, LINES_MAX, NewOrder, OrderFile, OrderLine, PricedLine, Pricing, QUANTITY_MAX, Totals, UNPAID_ORDERS_MAX,
    is_country_code,
};
use crate::driver::Driver;
use crate::neighbours::NeighbourError;
use crate::store::{KeyUse, Placed, Refusal, StoreError};

/// Longest idempotency key, in characters.
pub const KEY_CHARS_MAX: usize = 100;

const NOTE_CHARS_MAX: usize = 1_000;
const ADDRESS_FIELD_CHARS_MAX: usize = 200;

/// What a shopper sends.
#[derive(Clone, Debug, Serialize)]
pub struct PlaceRequest {
    /// Made by the client for this attempt.
    #[serde(skip)]
    pub key: String,
    /// Variant ids and units; everything in the cart when absent.
    pub lines: Option<Vec<(String, i32)>>,
    /// One of the user's addresses.
    pub shipping_address_id: Option<String>,
    /// Or a new one.
    pub shipping_address: Option<Address>,
    /// Where the bill goes, when it differs.
    pub billing_address: Option<Address>,
    /// What to pay in.
    pub currency_code: Option<String>,
    /// What the shopper saw, as a decimal.
    pub expected_total: Option<String>,
    /// The shopper's words.
    pub note: Option<String>,
}

/// What is wrong with a request; codes are those of the graph's `OrderErrorCode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub code: ProblemCode,
    /// For people.
    pub message: String,
    /// Path in the arguments below `input`; empty for the whole call.
    pub path: Vec<String>,
    /// The variant it is about.
    pub variant_id: Option<String>,
}

/// Kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemCode {
    /// Something named does not exist.
    NotFound,
    /// Something is missing.
    Required,
    /// Something is not well-formed.
    Invalid,
    /// Nothing to order.
    Empty,
    /// Less than one unit, or too many.
    QuantityInvalid,
    /// Too many variants.
    LineLimit,
    /// Too many orders that are not paid.
    OrderLimit,
    /// Less is on hand.
    OutOfStock,
    /// Not sold, or not in this currency.
    ProductUnavailable,
    /// It costs something else.
    PriceChanged,
    /// Not a currency that this can be paid in.
    CurrencyMismatch,
    /// No address.
    AddressRequired,
    /// The key was used with another request.
    IdempotencyKeyReused,
}

/// Why no order was placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The shopper can do something about it.
    #[error("the request has {} problems", .0.len())]
    Problems(Vec<Problem>),
    /// A service that must be asked gives no answer.
    #[error(transparent)]
    Neighbour(#[from] NeighbourError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Problem {
    /// A problem of the whole call.
    #[must_use]
    pub fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: Vec::new(),
            variant_id: None,
        }
    }

    /// The same problem, of one argument.
    #[must_use]
    pub fn at(self, path: &[&str]) -> Self {
        Self {
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            ..self
        }
    }

    fn about(self, variant_id: &str) -> Self {
        Self {
            variant_id: Some(variant_id.to_owned()),
            ..self
        }
    }
}

impl From<Problem> for PlaceError {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

/// Places orders. Cheap to clone.
#[derive(Clone)]
pub struct Checkout {
    /// Stores and drives.
    pub driver: Driver,
    /// The price rules.
    pub pricing: std::sync::Arc<Pricing>,
    /// What an order that names no currency is paid in.
    pub currency_default: Currency,
}

impl Checkout {
    /// Places an order for `user_id`, waits a moment for its reservation, and answers with the order as it is then. The
    /// same key with the same request answers with the first one.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn place(&self, user_id: &str, request: PlaceRequest) -> Result<Option<OrderFile>, PlaceError> {
        check_form(&request).map_err(PlaceError::Problems)?;
        let key = key_use("orderCreate", &[user_id, &request.key], &request);
        let lease = service::id::new("lse");
        let placed = match self.try_place(user_id, request, (&key, &lease)).await {
            // The first call with this key may have emptied the cart, or taken the last unit; or a neighbour is away by now.
            Err(error) => self.driver.store().key(&key.id).await?.ok_or(error)?,
            Ok(placed) => placed,
        };
        let driven = match placed {
            Placed::New(file) => self.driver.drive_held(*file, lease).await,
            known @ Placed::KnownKey { .. } => self.driver.drive_inline(&same_request(known, &key)?).await,
        };
        Ok(driven?)
    }

    async fn try_place(
        &self,
        user_id: &str,
        request: PlaceRequest,
        (key, lease): (&KeyUse, &str),
    ) -> Result<Placed, PlaceError> {
        let currency = self.currency(request.currency_code.as_deref())?;
        let (lines, from_cart) = self.wanted_lines(user_id, request.lines.as_deref()).await?;
        let shipping_address = self.address(user_id, &request).await?;
        let quote = self.quote(&lines, currency).await?;
        let totals = self.totals(&lines, &quote, &shipping_address, currency);
        let totals = totals.map_err(|cause| placed(cause, request.lines.as_deref().unwrap_or_default()))?;
        check_expected(request.expected_total.as_deref(), &totals, currency)?;
        if totals.total_minor == 0 {
            // No gateway takes a payment of nothing, so the order could never be paid.
            return Err(Problem::new(ProblemCode::Invalid, "An order must cost something.").into());
        }
        let new = NewOrder {
            user_id: user_id.to_owned(),
            currency,
            lines: order_lines(&lines, &quote, &totals),
            totals,
            shipping_address,
            billing_address: request.billing_address,
            note: request.note,
            from_cart,
        };
        let file = OrderFile::place(new, self.driver.now());
        let placed = self.driver.store().place(&file, key, Some(lease)).await?;
        placed.map_err(|refusal| refused(refusal).into())
    }

    /// What the lines of a cart cost when sent to `country_code`.
    ///
    /// # Errors
    /// [`PlaceError`], as for an order of them.
    pub async fn estimate(
        &self,
        lines: &[(String, u32)],
        quote: &Quote,
        country_code: &str,
    ) -> Result<Totals, PlaceError> {
        let address = Address {
            country_code: country_code.to_owned(),
            ..nowhere()
        };
        self.totals(lines, quote, &address, self.currency_default)
    }

    /// Prices and stock of variants, now.
    ///
    /// # Errors
    /// [`NeighbourError`].
    pub async fn quote(&self, lines: &[(String, u32)], currency: Currency) -> Result<Quote, NeighbourError> {
        let variant_ids = lines.iter().map(|(variant_id, _)| variant_id.clone()).collect();
        self.driver.neighbours().quote(variant_ids, currency.code()).await
    }

    fn currency(&self, code: Option<&str>) -> Result<Currency, Problem> {
        let Some(code) = code else {
            return Ok(self.currency_default);
        };
        Currency::parse(code)
            .map_err(|error| Problem::new(ProblemCode::CurrencyMismatch, format!("{error}.")).at(&["currencyCode"]))
    }

    async fn wanted_lines(
        &self,
        user_id: &str,
        given: Option<&[(String, i32)]>,
    ) -> Result<(Vec<(String, u32)>, bool), PlaceError> {
        if let Some(given) = given {
            return Ok((merged(given).map_err(PlaceError::Problems)?, false));
        }
        let cart = self.driver.store().cart(user_id).await?;
        let lines = cart.map(|cart| cart.lines).unwrap_or_default();
        if lines.is_empty() {
            return Err(Problem::new(ProblemCode::Empty, "The cart is empty.").into());
        }
        Ok((
            lines.into_iter().map(|line| (line.variant_id, line.quantity)).collect(),
            true,
        ))
    }

    async fn address(&self, user_id: &str, request: &PlaceRequest) -> Result<Address, PlaceError> {
        let reply = self
            .driver
            .neighbours()
            .buyer(user_id, request.shipping_address_id.clone())
            .await?;
        if reply.user.is_none() {
            return Err(Problem::new(ProblemCode::NotFound, "The account does not exist any more.").into());
        }
        match (&request.shipping_address, reply.address) {
            (Some(address), _) => Ok(address.clone()),
            (None, Some(address)) => Ok(copied(address)),
            (None, None) => Err(no_such_address().into()),
        }
    }

    fn totals(
        &self,
        lines: &[(String, u32)],
        quote: &Quote,
        address: &Address,
        currency: Currency,
    ) -> Result<Totals, PlaceError> {
        let mut problems = Vec::new();
        let mut priced = Vec::with_capacity(lines.len());
        for (variant_id, quantity) in lines {
            match check_line(quote, variant_id, *quantity) {
                Ok(quote) => priced.push(PricedLine {
                    unit_price_minor: quote.price.amount_minor,
                    quantity: *quantity,
                    weight_grams: quote.weight_grams.map_or(0, i64::from),
                    tax_class: quote.tax_class.clone(),
                }),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(PlaceError::Problems(problems));
        }
        let totals = self.pricing.totals(&priced, &address.country_code, currency);
        let totals = totals.map_err(|error| Problem::new(ProblemCode::Invalid, format!("{error}.")))?;
        totals.ok_or_else(|| {
            let message = format!("We cannot send to {} in {currency}.", address.country_code);
            Problem::new(ProblemCode::CurrencyMismatch, message).into()
        })
    }
}

/// Problems of variants, each at the first of the `given` lines that names its variant: some may be of the same. What is in the
/// cart is at none.
fn placed(cause: PlaceError, given: &[(String, i32)]) -> PlaceError {
    let at_line = |problem: Problem| {
        let position = given.iter().position(|(id, _)| problem.variant_id.as_ref() == Some(id));
        match position {
            Some(position) => problem.at(&["lines", &position.to_string()]),
            None => problem,
        }
    };
    match cause {
        PlaceError::Problems(problems) => PlaceError::Problems(problems.into_iter().map(at_line).collect()),
        cause => cause,
    }
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::TooManyUnpaid => Problem::new(
            ProblemCode::OrderLimit,
            format!("{UNPAID_ORDERS_MAX} orders wait to be paid; pay or cancel one of them first."),
        ),
        Refusal::CartTaken => Problem::new(
            ProblemCode::Empty,
            "What is in the cart is being ordered already, or has changed a moment ago.",
        ),
    }
}

/// Title of a line: the product's, and the variant's where it says more.
#[must_use]
pub fn line_title(product_title: &str, variant_title: &str) -> String {
    if variant_title.is_empty() || variant_title == product_title {
        return product_title.to_owned();
    }
    format!("{product_title} – {variant_title}")
}

/// A caller's key: `owner` keeps the keys of different people and orders apart.
#[must_use]
pub fn key_use(scope: &str, owner: &[&str], request: &impl Serialize) -> KeyUse {
    let request = serde_json::to_vec(request).expect("a request is plain data");
    KeyUse {
        id: sha256_hex(format!("{scope}\n{}", owner.join("\n")).as_bytes()),
        request_hash: sha256_hex(&request),
        payment_id: None,
    }
}

/// What is wrong with an idempotency key, if anything.
#[must_use]
pub fn key_problem(key: &str) -> Option<Problem> {
    if key.trim().is_empty() {
        return Some(Problem::new(ProblemCode::Required, "A key is required.").at(&["idempotencyKey"]));
    }
    let mistake = text_mistake(key, KEY_CHARS_MAX);
    mistake.map(|message| Problem::new(ProblemCode::Invalid, message).at(&["idempotencyKey"]))
}

/// Why a text cannot be stored, if so, for whoever wrote it.
#[must_use]
pub fn text_mistake(text: &str, chars_max: usize) -> Option<String> {
    // PostgreSQL takes every other character.
    if text.contains('\0') {
        return Some("U+0000 is no character of a text.".to_owned());
    }
    let is_long = text.chars().count() > chars_max;
    is_long.then(|| format!("There may be at most {chars_max} characters."))
}

/// Units per variant, each variant once.
///
/// # Errors
/// What is wrong with the entries.
pub fn merged(given: &[(String, i32)]) -> Result<Vec<(String, u32)>, Vec<Problem>> {
    if given.is_empty() {
        return Err(vec![
            Problem::new(ProblemCode::Empty, "There is nothing to order.").at(&["lines"]),
        ]);
    }
    if given.len() > LINES_MAX {
        let message = format!("At most {LINES_MAX} lines.");
        return Err(vec![Problem::new(ProblemCode::LineLimit, message).at(&["lines"])]);
    }
    let mut problems = Vec::new();
    let mut lines: Vec<(String, u32)> = Vec::new();
    for (position, (variant_id, quantity)) in given.iter().enumerate() {
        let place = position.to_string();
        if !service::id::is("var", variant_id) {
            let problem = Problem::new(ProblemCode::NotFound, "There is no such variant.");
            problems.push(problem.at(&["lines", &place, "variantId"]));
            continue;
        }
        let before = lines.iter().position(|(known, _)| known == variant_id);
        let already = before.map_or(0, |index| lines[index].1);
        let quantity = u32::try_from(*quantity).ok().filter(|quantity| *quantity > 0);
        let sum = quantity
            .and_then(|quantity| quantity.checked_add(already))
            .filter(|sum| *sum <= QUANTITY_MAX);
        match (sum, before) {
            (None, _) => {
                let message = format!("The quantity must be between 1 and {QUANTITY_MAX}.");
                let problem = Problem::new(ProblemCode::QuantityInvalid, message).about(variant_id);
                problems.push(problem.at(&["lines", &place, "quantity"]));
            }
            (Some(sum), Some(index)) => lines[index].1 = sum,
            (Some(sum), None) => lines.push((variant_id.clone(), sum)),
        }
    }
    if problems.is_empty() { Ok(lines) } else { Err(problems) }
}

/// The quote of a line that can be bought.
///
/// # Errors
/// Why it cannot.
pub fn check_line<'a>(quote: &'a Quote, variant_id: &str, quantity: u32) -> Result<&'a VariantQuote, Problem> {
    let found = quote.variants.iter().find(|quote| quote.variant_id == variant_id);
    let Some(found) = found else {
        let message = "This is not sold, or not in this currency.";
        return Err(Problem::new(ProblemCode::ProductUnavailable, message).about(variant_id));
    };
    if !found.available_for_sale {
        let message = format!("{} is not for sale.", found.product_title);
        return Err(Problem::new(ProblemCode::ProductUnavailable, message).about(variant_id));
    }
    if found.quantity_available < i64::from(quantity) {
        let message = match found.quantity_available {
            ..=0 => format!("{} is out of stock.", found.product_title),
            left => format!("Only {left} of {} are left.", found.product_title),
        };
        return Err(Problem::new(ProblemCode::OutOfStock, message).about(variant_id));
    }
    Ok(found)
}

fn check_form(request: &PlaceRequest) -> Result<(), Vec<Problem>> {
    let mut problems: Vec<Problem> = key_problem(&request.key).into_iter().collect();
    if let Some(Err(wrong)) = request.lines.as_deref().map(merged) {
        problems.extend(wrong);
    }
    match (&request.shipping_address_id, &request.shipping_address) {
        (Some(id), None) if !service::id::is("adr", id) => problems.push(no_such_address()),
        (None, None) => {
            let problem = Problem::new(ProblemCode::AddressRequired, "Say where it should go.");
            problems.push(problem.at(&["shippingAddressId"]));
        }
        (Some(_), Some(_)) => {
            let problem = Problem::new(ProblemCode::Invalid, "Give an address or the id of one, not both.");
            problems.push(problem.at(&["shippingAddress"]));
        }
        _ => {}
    }
    let addresses = [
        ("shippingAddress", &request.shipping_address),
        ("billingAddress", &request.billing_address),
    ];
    for (name, address) in addresses {
        problems.extend(address.iter().flat_map(|address| check_address(name, address)));
    }
    let note = request
        .note
        .as_deref()
        .and_then(|note| text_mistake(note, NOTE_CHARS_MAX));
    problems.extend(note.map(|message| Problem::new(ProblemCode::Invalid, message).at(&["note"])));
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn no_such_address() -> Problem {
    Problem::new(ProblemCode::NotFound, "There is no such address.").at(&["shippingAddressId"])
}

fn check_address(name: &str, address: &Address) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (field, value) in [
        ("name", &address.name),
        ("line1", &address.line1),
        ("city", &address.city),
    ] {
        if value.trim().is_empty() {
            problems.push(Problem::new(ProblemCode::Required, "This is required.").at(&[name, field]));
        }
    }
    if !is_country_code(&address.country_code) {
        let problem = Problem::new(
            ProblemCode::Invalid,
            "A country code is two capital letters, such as DE.",
        );
        problems.push(problem.at(&[name, "countryCode"]));
    }
    let optional = [
        &address.company,
        &address.line2,
        &address.region,
        &address.postal_code,
        &address.phone,
    ];
    let fields = [&address.name, &address.line1, &address.city]
        .into_iter()
        .chain(optional.into_iter().flatten());
    let mut mistakes = fields.filter_map(|field| text_mistake(field, ADDRESS_FIELD_CHARS_MAX));
    problems.extend(mistakes.next().map(|message| {
        let message = format!("One of its lines is wrong: {message}");
        Problem::new(ProblemCode::Invalid, message).at(&[name])
    }));
    problems
}

fn check_expected(expected: Option<&str>, totals: &Totals, currency: Currency) -> Result<(), Problem> {
    let Some(expected) = expected else { return Ok(()) };
    let amount = Amount::parse(expected, currency)
        .map_err(|error| Problem::new(ProblemCode::Invalid, format!("{error}.")).at(&["expectedTotal"]))?;
    if amount.minor == totals.total_minor {
        return Ok(());
    }
    let message = format!("It costs {} {currency} now.", Amount::new(totals.total_minor, currency));
    Err(Problem::new(ProblemCode::PriceChanged, message).at(&["expectedTotal"]))
}

fn order_lines(lines: &[(String, u32)], quote: &Quote, totals: &Totals) -> Vec<OrderLine> {
    let priced = lines.iter().zip(&totals.lines).zip(0..);
    priced
        .filter_map(|(((variant_id, quantity), (total_minor, tax_minor)), position)| {
            let quote = quote.variants.iter().find(|quote| quote.variant_id == *variant_id)?;
            Some(OrderLine {
                id: service::id::new("oln"),
                position,
                variant_id: variant_id.clone(),
                product_id: quote.product_id.clone(),
                title: line_title(&quote.product_title, &quote.variant_title),
                sku: quote.sku.clone(),
                image_url: quote.image_url.clone(),
                quantity: *quantity,
                unit_price_minor: quote.price.amount_minor,
                total_minor: *total_minor,
                tax_minor: *tax_minor,
                refunded_quantity: 0,
            })
        })
        .collect()
}

fn same_request(known: Placed, key: &KeyUse) -> Result<String, PlaceError> {
    match known {
        Placed::KnownKey {
            order_id, request_hash, ..
        } if request_hash == key.request_hash => Ok(order_id),
        _ => {
            let problem = Problem::new(
                ProblemCode::IdempotencyKeyReused,
                "This key was used with another request.",
            );
            Err(problem.at(&["idempotencyKey"]).into())
        }
    }
}

fn copied(address: PostalAddress) -> Address {
    Address {
        name: address.name,
        company: address.company,
        line1: address.line1,
        line2: address.line2,
        city: address.city,
        region: address.region,
        postal_code: address.postal_code,
        country_code: address.country_code,
        phone: address.phone,
    }
}

fn nowhere() -> Address {
    Address {
        name: String::new(),
        company: None,
        line1: String::new(),
        line2: None,
        city: String::new(),
        region: None,
        postal_code: None,
        country_code: String::new(),
        phone: None,
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
