//! The gateway's pages for people: the list of payments, and the 3-D Secure page where a shopper approves or rejects.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;
use service::money::{Amount, Currency};
use url::Url;

use crate::Sandbox;
use crate::ledger::{LedgerError, Payment, Status};
use crate::token::TOKENS;

/// Payments on the start page.
const LISTED: usize = 100;

const STYLE: &str = include_str!("pages.css");

pub(crate) fn router(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/3ds/{id}", get(challenge).post(decide))
        .with_state(sandbox)
}

async fn list(State(sandbox): State<Arc<Sandbox>>) -> Html<String> {
    let mut rows = String::new();
    for payment in sandbox.ledger.newest(LISTED) {
        let status = status_name(&payment);
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td><code>{}</code></td><td class=\"amount\">{}</td>\
             <td><span class=\"status {status}\">{}</span></td><td>{}</td><td>{}</td></tr>",
            escape(&payment.id),
            escape(&payment.reference),
            escape(&amount(&payment)),
            status.replace('_', " "),
            escape(&payment.token),
            payment.created_at.format("%Y-%m-%d %H:%M:%S"),
        );
    }
    let empty = if rows.is_empty() {
        "<p class=\"empty\">No payment yet.</p>"
    } else {
        ""
    };
    let tokens = TOKENS.iter().fold(String::new(), |mut text, (name, _, meaning)| {
        let _ = write!(text, "<dt><code>{name}</code></dt><dd>{meaning}</dd>");
        text
    });
    page(
        "Payments",
        &format!(
            "<main><h1>Payments</h1><p class=\"lead\">The newest {LISTED}. No money moves here.</p>\
             <table><thead><tr><th>Id</th><th>Reference</th><th class=\"amount\">Amount</th><th>Status</th><th>Token</th>\
             <th>Made (UTC)</th></tr></thead><tbody>{rows}</tbody></table>{empty}<h2>Tokens</h2><dl>{tokens}</dl></main>"
        ),
    )
}

async fn challenge(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let Some(payment) = sandbox.ledger.open_page(&id) else {
        return message(
            StatusCode::NOT_FOUND,
            "Unknown payment",
            "There is no payment at this address.",
        );
    };
    if payment.status != Status::RequiresAction {
        return decided(&payment);
    }
    let (amount, reference) = (escape(&amount(&payment)), escape(&payment.reference));
    let card = match &payment.payment_method.last4 {
        Some(last4) => format!("Card ending in {}", escape(last4)),
        None => "Wallet".to_owned(),
    };
    page(
        "Approve the payment",
        &format!(
            "<main class=\"card\"><p class=\"bank\">Sandbox Bank</p><h1>Approve this payment?</h1>\
             <p class=\"sum\">{amount}</p><p class=\"lead\">{card}<br><code>{reference}</code></p>\
             <form method=\"post\"><button name=\"decision\" value=\"approve\" class=\"approve\">Approve</button>\
             <button name=\"decision\" value=\"reject\" class=\"reject\">Reject</button></form>\
             <p class=\"hint\">A real bank would ask for a code or your fingerprint here.</p></main>"
        ),
    )
    .into_response()
}

#[derive(Deserialize)]
struct Decided {
    decision: String,
}

async fn decide(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>, Form(form): Form<Decided>) -> Response {
    match sandbox.ledger.decide(&id, form.decision == "approve") {
        Ok(payment) => {
            sandbox.webhooks.send(&payment);
            decided(&payment)
        }
        Err(LedgerError::NotFound) => message(
            StatusCode::NOT_FOUND,
            "Unknown payment",
            "There is no payment at this address.",
        ),
        Err(_) => match sandbox.ledger.get(&id) {
            Some(payment) => decided(&payment),
            None => message(
                StatusCode::NOT_FOUND,
                "Unknown payment",
                "There is no payment at this address.",
            ),
        },
    }
}

/// Sends the shopper back to the shop, or says what was decided when the shop gave no address.
fn decided(payment: &Payment) -> Response {
    let return_url = payment.return_url.as_deref().and_then(|url| Url::parse(url).ok());
    if let Some(mut url) = return_url.filter(|url| matches!(url.scheme(), "http" | "https")) {
        url.query_pairs_mut()
            .append_pair("payment", &payment.reference)
            .append_pair("status", status_name(payment));
        return Redirect::to(url.as_str()).into_response();
    }
    let (title, text) = match payment.status {
        Status::Authorized | Status::Captured => ("Approved", "You can close this page and return to the shop."),
        Status::Declined => (
            "Rejected",
            "Nothing was taken. You can close this page and return to the shop.",
        ),
        _ => (
            "Not waiting any more",
            "The shop has ended this payment. Nothing was taken.",
        ),
    };
    message(StatusCode::OK, title, text)
}

fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!(
        "<main class=\"card\"><p class=\"bank\">Sandbox Bank</p><h1>{title}</h1><p class=\"lead\">{text}</p></main>"
    );
    (status, page(title, &body)).into_response()
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Sandbox gateway</title>\
         <style>{STYLE}</style></head><body><header><a href=\"/\">Sandbox gateway</a><span>test money only</span></header>\
         {body}</body></html>"
    ))
}

/// The status as the API spells it, and the two that only the books tell.
fn status_name(payment: &Payment) -> &'static str {
    match payment.status {
        Status::RequiresAction => "requires_action",
        Status::Processing => "processing",
        Status::Authorized => "authorized",
        Status::Captured if payment.refunded_minor == payment.captured_minor => "refunded",
        Status::Captured if payment.refunded_minor > 0 => "partially_refunded",
        Status::Captured => "captured",
        Status::Voided => "voided",
        Status::Declined => "declined",
    }
}

fn amount(payment: &Payment) -> String {
    match Currency::parse(&payment.currency) {
        Ok(currency) => format!("{} {currency}", Amount::new(payment.amount_minor, currency)),
        Err(_) => format!("{} minor units of {}", payment.amount_minor, payment.currency),
    }
}

/// Text for HTML, in an element or a quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
