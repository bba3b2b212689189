//! Amounts of money as integers of the currency's smallest unit. No GraphQL: see [`crate::scalars::Money`].

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use std::fmt;

/// ISO 4217 code of a currency whose number of decimals is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    code: [u8; 3],
}

/// Decimals of currencies that do not have two, and the two-decimal ones this shop knows (ISO 4217, list one).
const EXPONENTS: &[(&str, u32)] = &[
    ("AED", 2),
    ("ARS", 2),
    ("AUD", 2),
    ("BGN", 2),
    ("BHD", 3),
    ("BRL", 2),
    ("CAD", 2),
    ("CHF", 2),
    ("CLP", 0),
    ("CNY", 2),
    ("COP", 2),
    ("CZK", 2),
    ("DKK", 2),
    ("EGP", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("HKD", 2),
    ("HUF", 2),
    ("IDR", 2),
    ("ILS", 2),
    ("INR", 2),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("MAD", 2),
    ("MOP", 2),
    ("MXN", 2),
    ("MYR", 2),
    ("NOK", 2),
    ("NZD", 2),
    ("OMR", 3),
    ("PEN", 2),
    ("PHP", 2),
    ("PLN", 2),
    ("QAR", 2),
    ("RON", 2),
    ("SAR", 2),
    ("SEK", 2),
    ("SGD", 2),
    ("THB", 2),
    ("TND", 3),
    ("TRY", 2),
    ("TWD", 2),
    ("UAH", 2),
    ("USD", 2),
    ("VND", 0),
    ("ZAR", 2),
];

/// What cannot be done with an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an ISO 4217 code that this shop knows.
    #[error("`{code}` is not a known currency")]
    UnknownCurrency {
        /// What was given.
        code: String,
    },
    /// Two amounts in different currencies.
    #[error("amounts in {left} and {right} cannot be combined")]
    CurrencyMismatch {
        /// Currency of the first amount.
        left: Currency,
        /// Currency of the second amount.
        right: Currency,
    },
    /// Beyond 2^53-1 minor units, the largest integer that every JSON reader keeps.
    #[error("the amount is too large")]
    Overflow,
    /// Not a decimal number with at most as many decimals as the currency has.
    #[error("`{text}` is not an amount in {currency}")]
    Malformed {
        /// What was given.
        text: String,
        /// Its currency.
        currency: Currency,
    },
}

/// Largest amount in minor units, in either direction: 2^53-1.
pub const AMOUNT_MINOR_MAX: i64 = (1 << 53) - 1;

impl Currency {
    /// The euro, the shop's default currency.
    pub const EUR: Currency = Currency { code: *b"EUR" };

    /// Reads a code such as `EUR`; upper case only.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`] if the code is not in the table.
    pub fn parse(code: &str) -> Result<Currency, MoneyError> {
        let unknown = || MoneyError::UnknownCurrency {
            code: code.chars().take(16).collect(),
        };
        let known = EXPONENTS.iter().any(|(known, _)| *known == code);
        if !known {
            return Err(unknown());
        }
        Ok(Currency {
            code: code.as_bytes().try_into().map_err(|_| unknown())?,
        })
    }

    /// The code, such as `EUR`.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).expect("built from a three-letter code")
    }

    /// Number of decimals: 2 for EUR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(&self) -> u32 {
        EXPONENTS
            .iter()
            .find(|(code, _)| *code == self.code())
            .map_or(2, |(_, exponent)| *exponent)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// An amount of money: integer minor units and a currency. Arithmetic never wraps and never mixes currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Amount {
    /// Minor units: 1999 is 19.99 EUR, or 1999 JPY.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Amount {
    /// An amount of `minor` units.
    #[must_use]
    pub fn new(minor: i64, currency: Currency) -> Amount {
        Amount { minor, currency }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub fn zero(currency: Currency) -> Amount {
        Amount { minor: 0, currency }
    }

    /// Reads a decimal such as `19.99`, with at most as many decimals as the currency has.
    ///
    /// # Errors
    /// [`MoneyError::Malformed`] or [`MoneyError::Overflow`].
    pub fn parse(text: &str, currency: Currency) -> Result<Amount, MoneyError> {
        let malformed = || MoneyError::Malformed {
            text: text.chars().take(32).collect(),
            currency,
        };
        if text.len() > 32
            || !text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')
        {
            return Err(malformed());
        }
        let decimal = Decimal::from_str_exact(text).map_err(|_| malformed())?;
        let scale = Decimal::from(10_u64.pow(currency.exponent()));
        let minor = decimal.checked_mul(scale).ok_or(MoneyError::Overflow)?;
        if !minor.fract().is_zero() {
            return Err(malformed());
        }
        Amount::bounded(minor.to_i64().ok_or(MoneyError::Overflow)?, currency)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Amount) -> Result<Amount, MoneyError> {
        self.same_currency(other)?;
        Amount::bounded(
            self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?,
            self.currency,
        )
    }

    /// The difference; may be negative.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn checked_sub(self, other: Amount) -> Result<Amount, MoneyError> {
        self.same_currency(other)?;
        Amount::bounded(
            self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?,
            self.currency,
        )
    }

    /// `quantity` times the amount.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn checked_mul(self, quantity: i64) -> Result<Amount, MoneyError> {
        Amount::bounded(
            self.minor.checked_mul(quantity).ok_or(MoneyError::Overflow)?,
            self.currency,
        )
    }

    /// `percent` of the amount, rounded half away from zero to a whole minor unit: 7.5 % of 1.00 EUR is 0.08 EUR.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn percent_half_up(self, percent: Decimal) -> Result<Amount, MoneyError> {
        let exact = Decimal::from(self.minor)
            .checked_mul(percent)
            .ok_or(MoneyError::Overflow)?
            / Decimal::ONE_HUNDRED;
        let rounded = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        Amount::bounded(rounded.to_i64().ok_or(MoneyError::Overflow)?, self.currency)
    }

    fn same_currency(self, other: Amount) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch {
            left: self.currency,
            right: other.currency,
        })
    }

    fn bounded(minor: i64, currency: Currency) -> Result<Amount, MoneyError> {
        if minor.unsigned_abs() > AMOUNT_MINOR_MAX.unsigned_abs() {
            Err(MoneyError::Overflow)
        } else {
            Ok(Amount { minor, currency })
        }
    }
}

/// The decimal without the currency: `19.99`, `-0.05`, `1999` (JPY).
impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = usize::try_from(self.currency.exponent()).unwrap_or_default();
        if exponent == 0 {
            return write!(formatter, "{}", self.minor);
        }
        let scale = 10_u64.pow(self.currency.exponent());
        let (whole, rest) = (self.minor.unsigned_abs() / scale, self.minor.unsigned_abs() % scale);
        let sign = if self.minor < 0 { "-" } else { "" };
        write!(formatter, "{sign}{whole}.{rest:0exponent$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, code, expected) in [
            ("19.99", "EUR", "1999 -> 19.99"),
            ("19.9", "EUR", "1990 -> 19.90"),
            ("0.05", "USD", "5 -> 0.05"),
            ("-0.05", "USD", "-5 -> -0.05"),
            ("1999", "JPY", "1999 -> 1999"),
            ("1.234", "KWD", "1234 -> 1.234"),
            ("1.5", "JPY", "`1.5` is not an amount in JPY"),
            ("1.999", "EUR", "`1.999` is not an amount in EUR"),
            ("1e3", "EUR", "`1e3` is not an amount in EUR"),
            ("", "EUR", "`` is not an amount in EUR"),
            ("90071992547409.92", "EUR", "the amount is too large"),
            ("-92233720368547758.08", "EUR", "the amount is too large"),
            ("-9223372036854775808", "JPY", "the amount is too large"),
            ("1", "eur", "`eur` is not a known currency"),
        ] {
            let read = Currency::parse(code).and_then(|currency| Amount::parse(text, currency));
            let shown = read.map_or_else(|e| e.to_string(), |amount| format!("{} -> {amount}", amount.minor));
            assert_eq!(shown, expected, "{text} {code}");
        }
    }

    #[test]
    fn percent_rounds_half_away_from_zero() {
        for (minor, percent, expected) in [(100, "7.5", 8), (100, "7.4", 7), (-100, "7.5", -8), (1999, "19", 380)] {
            let percent = Decimal::from_str_exact(percent).unwrap();
            assert_eq!(
                Amount::new(minor, Currency::EUR)
                    .percent_half_up(percent)
                    .unwrap()
                    .minor,
                expected
            );
        }
    }

    #[test]
    fn arithmetic_neither_wraps_nor_mixes_currencies() {
        let (euro, yen) = (
            Amount::new(1, Currency::EUR),
            Amount::new(1, Currency::parse("JPY").unwrap()),
        );
        assert_eq!(
            euro.checked_add(yen).unwrap_err().to_string(),
            "amounts in EUR and JPY cannot be combined"
        );
        assert_eq!(euro.checked_mul(i64::MAX), Err(MoneyError::Overflow));
        assert_eq!(euro.checked_sub(Amount::new(3, Currency::EUR)).unwrap().minor, -2);
    }
}
