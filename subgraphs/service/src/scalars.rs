//! The GraphQL value types that every subgraph shares, with the same names and descriptions everywhere.

use crate::money::{Amount, Currency};
use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};
use chrono::{SecondsFormat, Utc};

/// RFC 3339 timestamp, UTC, e.g. 2026-11-23T09:10:32Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// RFC 3339 timestamp, UTC, e.g. 2026-11-23T09:10:32Z.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        chrono::DateTime::parse_from_rfc3339(text)
            .map(|time| DateTime(time.with_timezone(&Utc)))
            .map_err(|_| InputValueError::custom("expected an RFC 3339 timestamp such as 2026-11-23T09:10:32Z"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(time: chrono::DateTime<Utc>) -> DateTime {
        DateTime(time)
    }
}

/// ISO 4217 alphabetic code. A scalar, not an enum: adding a currency must not need four coordinated deploys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyCode(pub Currency);

/// ISO 4217 alphabetic code. A scalar, not an enum: adding a currency must not need four coordinated deploys.
#[Scalar]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        Currency::parse(text).map(CurrencyCode).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.code().to_owned())
    }
}

impl From<Currency> for CurrencyCode {
    fn from(currency: Currency) -> CurrencyCode {
        CurrencyCode(currency)
    }
}

/// A decimal number as a string, so that no client loses digits: "19.99".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal(pub String);

/// A decimal number as a string, so that no client loses digits: "19.99".
#[Scalar]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else {
            return Err(InputValueError::expected_type(value));
        };
        if text.len() > 32 || rust_decimal::Decimal::from_str_exact(&text).is_err() {
            return Err(InputValueError::custom(
                "expected a decimal number as a string, such as \"19.99\"",
            ));
        }
        Ok(Decimal(text))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// Whole number up to 2^53-1, sent as a JSON number (GraphQL Int stops at 21 474 836.47 EUR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long(pub i64);

/// Whole number up to 2^53-1, sent as a JSON number (GraphQL Int stops at 21 474 836.47 EUR).
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Number(number) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        match number.as_i64() {
            Some(long) if long.unsigned_abs() <= crate::money::AMOUNT_MINOR_MAX.unsigned_abs() => Ok(Long(long)),
            _ => Err(InputValueError::custom(
                "expected a whole number between -(2^53-1) and 2^53-1",
            )),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

/// An amount of money. Stored and computed as integer minor units; `amount` is for people.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
#[graphql(shareable)]
pub struct Money {
    /// Decimal string in major units: "19.99".
    pub amount: Decimal,
    /// Integer minor units: 1999.
    pub amount_minor: Long,
    #[allow(
        missing_docs,
        reason = "a doc comment would become a description that the schema does not have"
    )]
    pub currency_code: CurrencyCode,
}

impl Money {
    /// `minor` units of `currency`.
    #[must_use]
    pub fn new(minor: i64, currency: Currency) -> Money {
        Amount::new(minor, currency).into()
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Money {
        Money {
            amount: Decimal(amount.to_string()),
            amount_minor: Long(amount.minor),
            currency_code: CurrencyCode(amount.currency),
        }
    }
}

#[allow(
    missing_docs,
    reason = "doc comments would become descriptions that the schema does not have"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, SimpleObject)]
#[graphql(shareable)]
pub struct PageInfo {
    pub has_next_page: bool,
    pub has_previous_page: bool,
    pub start_cursor: Option<String>,
    pub end_cursor: Option<String>,
}
