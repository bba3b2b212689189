//! Alipay's dialect, as far as `subgraphs/payments` speaks it: signed forms at `/gateway.do`, signed answers.
//!
//! The shopper decides on the page `/3ds/{id}`, to which both the QR code and the page of `alipay.trade.page.pay` lead. Until
//! it was opened there is no such trade, as at Alipay.

mod keys;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use chrono::{DateTime, FixedOffset, Utc};
use serde_json::{Map, Value, json};
use service::money::{Amount, Currency};
use url::form_urlencoded;

use crate::Sandbox;
use crate::call::{Call, Done, Operation, Reply, page_url};
use crate::ledger::{Dialect, LedgerError, NewPayment, NextAction, Payment, Status};
use crate::token::{Answer, Decision};
pub(crate) use keys::AlipaySide;

pub(crate) fn router(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/gateway.do", get(page).post(call))
        .with_state(sandbox)
}

type Parameters = BTreeMap<String, String>;

/// Why a request is not even looked at.
type Rejected = &'static str;

/// A request whose signature is right.
struct Request {
    method: String,
    content: Map<String, Value>,
    parameters: Parameters,
}

impl Request {
    fn parse(sandbox: &Sandbox, form: &[u8]) -> Result<Self, Rejected> {
        let parameters: Parameters = form_urlencoded::parse(form).into_owned().collect();
        let text = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
        if text("app_id") != sandbox.config.alipay.app_id {
            return Err("isv.invalid-app-id");
        }
        let signed = parameters.iter().filter(|(name, _)| *name != "sign");
        if text("sign_type") != "RSA2" || !sandbox.alipay.verify(&joined(signed), text("sign")) {
            return Err("isv.invalid-signature");
        }
        let content = serde_json::from_str(text("biz_content")).map_err(|_| "isv.invalid-parameter")?;
        Ok(Self {
            method: text("method").to_owned(),
            content,
            parameters,
        })
    }

    fn text(&self, name: &str) -> &str {
        self.content.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// What the request asks to be paid; `None` where it makes no sense.
    fn new_payment(&self) -> Option<NewPayment> {
        let amount = Amount::parse(self.text("total_amount"), yuan())
            .ok()
            .filter(|amount| amount.minor > 0)?;
        let reference = self.text("out_trade_no");
        let sound = !reference.is_empty() && reference.len() <= 64 && !self.text("subject").is_empty();
        sound.then(|| NewPayment {
            reference: reference.to_owned(),
            amount_minor: amount.minor,
            currency: yuan().code().to_owned(),
            payment_method_token: "tok_qr".to_owned(),
            return_url: self.parameters.get("return_url").cloned(),
            dialect: Dialect::Alipay,
            metadata: BTreeMap::new(),
            notify_url: self.parameters.get("notify_url").cloned(),
        })
    }
}

/// `alipay.trade.page.pay`, opened by a browser.
async fn page(State(sandbox): State<Arc<Sandbox>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let request = Request::parse(&sandbox, query.unwrap_or_default().as_bytes());
    let new = match &request {
        Ok(request) if request.method == "alipay.trade.page.pay" => request.new_payment(),
        _ => None,
    };
    let Some(new) = new else {
        return (
            StatusCode::BAD_REQUEST,
            "This payment page was not asked for correctly.\n",
        )
            .into_response();
    };
    let page = page_url(&sandbox, &headers);
    match booked(&sandbox, new, &page) {
        Ok(payment) => Redirect::to(&format!("{page}/3ds/{}", payment.id)).into_response(),
        Err(code) => (StatusCode::CONFLICT, code).into_response(),
    }
}

/// A call of the shop's server.
async fn call(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = match Request::parse(&sandbox, &body) {
        Ok(request) => request,
        Err(code) => {
            let answer = json!({"code": "40002", "msg": "Invalid Arguments", "sub_code": code}).to_string();
            return signed(&sandbox, "error_response", &answer);
        }
    };
    let operation = match request.method.as_str() {
        "alipay.trade.precreate" => Operation::Create,
        "alipay.trade.close" => Operation::Void,
        "alipay.trade.refund" => Operation::Refund,
        _ => Operation::Lookup,
    };
    let call = Call {
        sandbox: Arc::clone(&sandbox),
        operation,
        key: None,
        fingerprint: String::new(),
        act: format!("{} {}", request.method, request.text("out_trade_no")),
        answer: Answer::Prompt,
        internal_error: failed("ACQ.SYSTEM_ERROR"),
    };
    let page = page_url(&sandbox, &headers);
    let name = format!("{}_response", request.method.replace('.', "_"));
    let reply = call.run(move |sandbox| {
        let (body, changed) = answer(sandbox, &request, &page).unwrap_or_else(|code| (failed(code), None));
        Done {
            status: StatusCode::OK,
            body,
            changed,
        }
    });
    match reply.await {
        Reply::Answer { body, .. } => signed(&sandbox, &name, &body.to_string()),
        Reply::Mismatch | Reply::Running => signed(&sandbox, &name, &failed("ACQ.SYSTEM_ERROR").to_string()),
    }
}

type Answered = Result<(Value, Option<Payment>), Rejected>;

fn answer(sandbox: &Sandbox, request: &Request, page: &str) -> Answered {
    match request.method.as_str() {
        "alipay.trade.precreate" => {
            let new = request.new_payment().ok_or("ACQ.INVALID_PARAMETER")?;
            let payment = booked(sandbox, new, page)?;
            let code = match &payment.next_action {
                Some(NextAction::QrCode { payload, .. } | NextAction::Redirect { url: payload, .. }) => payload.clone(),
                None => return Err("ACQ.TRADE_HAS_SUCCESS"),
            };
            Ok((done(json!({"out_trade_no": payment.reference, "qr_code": code})), None))
        }
        "alipay.trade.query" => Ok((done(trade(&opened(sandbox, request)?)), None)),
        "alipay.trade.close" => {
            let payment = opened(sandbox, request)?;
            let payment = sandbox.ledger.void(&payment.id).map_err(|_| "ACQ.TRADE_STATUS_ERROR")?;
            Ok((
                done(json!({"out_trade_no": payment.reference, "trade_no": payment.id})),
                Some(payment),
            ))
        }
        "alipay.trade.refund" => refund(sandbox, request),
        "alipay.trade.fastpay.refund.query" => {
            let payment = opened(sandbox, request)?;
            let asked = request.text("out_request_no");
            let made = payment.refunds.iter().find(|refund| refund.reference == asked);
            let mut body = json!({"out_trade_no": payment.reference, "trade_no": payment.id, "out_request_no": asked});
            if let Some(refund) = made {
                body["refund_amount"] = json!(yuan_text(refund.amount_minor));
                body["refund_status"] = json!("REFUND_SUCCESS");
            }
            Ok((done(body), None))
        }
        _ => Err("isv.invalid-method"),
    }
}

/// Once for each `out_request_no`; a repeat tells that nothing moved.
fn refund(sandbox: &Sandbox, request: &Request) -> Answered {
    let payment = opened(sandbox, request)?;
    let reference = request.text("out_request_no");
    let amount = Amount::parse(request.text("refund_amount"), yuan()).map_err(|_| "ACQ.INVALID_PARAMETER")?;
    let known = payment.refunds.iter().find(|refund| refund.reference == reference);
    if known.is_some_and(|known| known.amount_minor != amount.minor) {
        return Err("ACQ.DISCORDANT_REPEAT_REQUEST");
    }
    let fresh = known.is_none();
    let payment = if fresh {
        let refunded = sandbox.ledger.refund(&payment.id, reference, Some(amount.minor));
        refunded.map_err(|error| match error {
            LedgerError::AmountTooLarge => "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
            _ => "ACQ.TRADE_STATUS_ERROR",
        })?
    } else {
        payment
    };
    let body = json!({
        "out_trade_no": payment.reference,
        "trade_no": payment.id,
        "fund_change": if fresh { "Y" } else { "N" },
        "refund_fee": yuan_text(payment.refunded_minor),
    });
    Ok((done(body), fresh.then_some(payment)))
}

/// The trade of a new payment, or the one that was asked for before with the same `out_trade_no`.
fn booked(sandbox: &Sandbox, new: NewPayment, page: &str) -> Result<Payment, Rejected> {
    match sandbox.ledger.of_dialect(&new.reference, Dialect::Alipay) {
        Some(known) if known.amount_minor != new.amount_minor => Err("ACQ.CONTEXT_INCONSISTENT"),
        Some(known) if known.status == Status::Captured => Err("ACQ.TRADE_HAS_SUCCESS"),
        Some(known) if known.status != Status::RequiresAction => Err("ACQ.TRADE_HAS_CLOSE"),
        Some(known) => Ok(known),
        None => Ok(sandbox.ledger.create(new, Decision::QrCode, page)),
    }
}

fn opened(sandbox: &Sandbox, request: &Request) -> Result<Payment, Rejected> {
    let found = sandbox.ledger.of_dialect(request.text("out_trade_no"), Dialect::Alipay);
    found.filter(|payment| payment.opened).ok_or("ACQ.TRADE_NOT_EXIST")
}

fn trade(payment: &Payment) -> Value {
    let mut trade = json!({
        "trade_no": payment.id,
        "out_trade_no": payment.reference,
        "trade_status": trade_status(payment),
        "total_amount": yuan_text(payment.amount_minor),
        "buyer_logon_id": "sbx***@example.com",
    });
    if payment.captured_minor > 0 {
        trade["send_pay_date"] = json!(local_time(payment.created_at));
    }
    trade
}

fn trade_status(payment: &Payment) -> &'static str {
    match payment.status {
        Status::RequiresAction | Status::Processing => "WAIT_BUYER_PAY",
        Status::Captured | Status::Authorized if payment.refunded_minor < payment.amount_minor => "TRADE_SUCCESS",
        _ => "TRADE_CLOSED",
    }
}

/// The signed form that tells the shop of `payment`.
pub(crate) fn notification(sandbox_side: &AlipaySide, app_id: &str, payment: &Payment) -> String {
    let mut parameters: Parameters = [
        ("notify_id", service::id::new("ntf")),
        ("notify_type", "trade_status_sync".to_owned()),
        ("notify_time", local_time(Utc::now())),
        ("app_id", app_id.to_owned()),
        ("charset", "utf-8".to_owned()),
        ("version", "1.0".to_owned()),
        ("out_trade_no", payment.reference.clone()),
        ("trade_no", payment.id.clone()),
        ("trade_status", trade_status(payment).to_owned()),
        ("total_amount", yuan_text(payment.amount_minor)),
        ("subject", "Order 100 % + more".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let signature = sandbox_side.sign(&joined(parameters.iter()));
    parameters.insert("sign".to_owned(), signature);
    parameters.insert("sign_type".to_owned(), "RSA2".to_owned());
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// `{"<name>": <answer>, "sign": …}`: the signature is of the answer's text.
fn signed(sandbox: &Sandbox, name: &str, answer: &str) -> Response {
    let body = format!("{{\"{name}\":{answer},\"sign\":\"{}\"}}", sandbox.alipay.sign(answer));
    ([(header::CONTENT_TYPE, "application/json;charset=utf-8")], body).into_response()
}

fn done(mut body: Value) -> Value {
    body["code"] = json!("10000");
    body["msg"] = json!("Success");
    body
}

fn failed(code: &str) -> Value {
    json!({"code": "40004", "msg": "Business Failed", "sub_code": code, "sub_msg": code})
}

/// `a=1&b=2`, without escapes: what is signed.
fn joined<'a>(parameters: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let parameters = parameters.filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = parameters.map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn yuan() -> Currency {
    Currency::parse("CNY").expect("the yuan is a currency")
}

fn yuan_text(minor: i64) -> String {
    Amount::new(minor, yuan()).to_string()
}

fn local_time(time: DateTime<Utc>) -> String {
    let beijing = FixedOffset::east_opt(8 * 3600).expect("eight hours are less than a day");
    time.with_timezone(&beijing).format("%Y-%m-%d %H:%M:%S").to_string()
}
