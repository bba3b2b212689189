//! How Alipay is talked to: signed form parameters, and answers and notifications whose signature is checked before they
//! are believed.
//!
//! Source: Alipay Open Platform, "签名专区" (RSA2 over the sorted parameters; over the answer's text as it came).

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset, Utc};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use url::{Url, form_urlencoded};

use super::{AlipayKeys, AlipaySettings};
use crate::gateway::http_call::{self, Answer, parse};
use crate::gateway::{Credential, GatewayError, WebhookError};

/// The code of a call that did what it was asked for.
const DONE: &str = "10000";

/// Parameters of one notification that are looked at; Alipay sends about thirty.
const PARAMETERS_MAX: usize = 200;

/// What Alipay decided about a call that reached it.
pub(super) enum Outcome<T> {
    /// It did what was asked.
    Done(T),
    /// It understood and did nothing, for this reason: `ACQ.TRADE_NOT_EXIST`.
    Failed(String),
}

pub(super) struct Protocol {
    gateway_url: Url,
    app_id: String,
    notify_url: Option<Url>,
    ours: Credential<AlipayKeys>,
    alipays: Credential<AlipayKeys>,
    client: reqwest::Client,
}

/// A notification that Alipay signed.
pub(super) struct Notification {
    pub(super) notify_id: String,
    pub(super) out_trade_no: String,
}

#[derive(Deserialize)]
struct Common {
    code: String,
    sub_code: Option<String>,
}

impl Protocol {
    pub(super) fn new(settings: AlipaySettings) -> anyhow::Result<Self> {
        let (ours, alipays) = settings.keys;
        Ok(Self {
            client: service::http_client(settings.call_timeout)?,
            gateway_url: settings.gateway_url,
            app_id: settings.app_id,
            notify_url: settings.notify_url,
            ours,
            alipays,
        })
    }

    /// Calls `method` and checks the signature of the answer.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        content: &Value,
    ) -> Result<Outcome<T>, GatewayError> {
        let form = self.signed(method, content, None)?;
        let Answer { status, body } = http_call::send(self.client.post(self.gateway_url.clone()).form(&form)).await?;
        // Every answer of Alipay itself is a 200; anything else comes from something in between.
        if status != StatusCode::OK {
            return Err(http_call::failure(status).unwrap_or_else(|| GatewayError::unknown(status.to_string())));
        }
        let fields: HashMap<String, Box<RawValue>> = parse(&body)?;
        let text = |name: &str| fields.get(name).map(|raw| raw.get());
        let own_name = format!("{}_response", method.replace('.', "_"));
        let Some(answer) = text(&own_name) else {
            return Err(self.protocol_error(text("error_response")));
        };
        let signature = text("sign").and_then(|raw| serde_json::from_str::<String>(raw).ok());
        if !self
            .alipays
            .get()
            .verify(answer.as_bytes(), &signature.unwrap_or_default())
        {
            return Err(GatewayError::unknown("the signature of the answer is wrong"));
        }
        let common: Common = parse(answer.as_bytes())?;
        match common.code.as_str() {
            DONE => Ok(Outcome::Done(parse(answer.as_bytes())?)),
            "20001" => Err(GatewayError::Auth),
            // 20000: not available. 10003: under way.
            "20000" | "10003" => Err(GatewayError::unknown(common.code)),
            _ => match common.sub_code.unwrap_or(common.code) {
                code if code.ends_with("SYSTEM_ERROR") || code.contains("unknow-error") => {
                    Err(GatewayError::unknown(code))
                }
                code => Ok(Outcome::Failed(code)),
            },
        }
    }

    /// The address of a page of Alipay's for the shopper's browser.
    pub(super) fn page(&self, method: &str, content: &Value, return_url: Option<&str>) -> Result<String, GatewayError> {
        let mut url = self.gateway_url.clone();
        url.query_pairs_mut()
            .extend_pairs(self.signed(method, content, return_url)?);
        Ok(url.into())
    }

    /// What a notification is about, if Alipay signed it for this application.
    pub(super) fn verify_notification(&self, body: &[u8]) -> Result<Notification, WebhookError> {
        let parameters: BTreeMap<String, String> =
            form_urlencoded::parse(body).into_owned().take(PARAMETERS_MAX).collect();
        let signature = parameters.get("sign").ok_or(WebhookError::HeaderMissing("sign"))?;
        let signed = parameters
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "sign" | "sign_type"));
        if !self.alipays.get().verify(joined(signed).as_bytes(), signature) {
            return Err(WebhookError::SignatureWrong);
        }
        let text = |name: &str| parameters.get(name).cloned().ok_or(WebhookError::Malformed);
        if text("app_id")? != self.app_id {
            return Err(WebhookError::Malformed);
        }
        Ok(Notification {
            notify_id: text("notify_id")?,
            out_trade_no: text("out_trade_no")?,
        })
    }

    fn signed(
        &self,
        method: &str,
        content: &Value,
        return_url: Option<&str>,
    ) -> Result<BTreeMap<String, String>, GatewayError> {
        let mut parameters: BTreeMap<String, String> = [
            ("app_id", self.app_id.as_str()),
            ("method", method),
            ("format", "JSON"),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("timestamp", &local_time(Utc::now())),
            ("version", "1.0"),
            ("biz_content", &content.to_string()),
            ("notify_url", self.notify_url.as_ref().map_or("", Url::as_str)),
            ("return_url", return_url.unwrap_or_default()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let signature = self
            .ours
            .get()
            .sign(&joined(parameters.iter()))
            .ok_or(GatewayError::Auth)?;
        parameters.insert("sign".to_owned(), signature);
        Ok(parameters)
    }

    /// An answer that is not about the method: the call was not understood, or not accepted. Alipay may leave it unsigned.
    fn protocol_error(&self, answer: Option<&str>) -> GatewayError {
        let common = answer.and_then(|answer| serde_json::from_str::<Common>(answer).ok());
        let Some(common) = common else {
            return GatewayError::unknown("the answer is about something else");
        };
        match common.sub_code.unwrap_or(common.code) {
            code if code.contains("signature") || code.contains("app-id") || code.contains("permission") => {
                GatewayError::Auth
            }
            code if code.contains("unknow-error") || code == "20000" => GatewayError::unknown(code),
            code => GatewayError::Refused { code },
        }
    }
}

/// `a=1&b=2`, without escapes: what is signed.
fn joined<'a>(parameters: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let parameters = parameters.filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = parameters.map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// A time as Alipay writes it: in Beijing, to the second.
pub(super) fn local_time(time: DateTime<Utc>) -> String {
    let beijing = FixedOffset::east_opt(8 * 3600).expect("eight hours are less than a day");
    time.with_timezone(&beijing).format("%Y-%m-%d %H:%M:%S").to_string()
}
