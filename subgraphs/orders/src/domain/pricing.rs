//! What an order costs: flat shipping by destination and weight, and tax by class and country.
//!
//! All amounts are integer minor units; tax is rounded half up, per line. Whether prices contain tax is one setting of
//! the shop. Promotions are not known here.

use std::collections::BTreeMap;

use serde::Deserialize;
use service::money::{Amount, Currency, MoneyError};

/// Name of the entry for every country that has none of its own.
const ELSEWHERE: &str = "*";

/// The shop's price rules; `Pricing::default()` is a shop in Germany.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pricing {
    /// Whether the prices of the catalogue, and of shipping, contain tax.
    pub prices_include_tax: bool,
    /// Per country code (or `*`) and tax class: the rate in per mille. A class that is missing is not taxed.
    pub tax_permille: BTreeMap<String, BTreeMap<String, u32>>,
    /// The first zone that names the country (or `*`) is taken.
    pub shipping: Vec<ShippingZone>,
}

/// What sending costs to some countries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShippingZone {
    /// ISO 3166-1 alpha-2, or `*`.
    pub countries: Vec<String>,
    /// Days until it arrives: at least.
    pub min_days: u32,
    /// Days until it arrives: at most.
    pub max_days: u32,
    /// Cost of one parcel by weight, the lightest first. More than the last one holds goes in several.
    pub parcels: Vec<Parcel>,
}

/// One size of parcel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parcel {
    /// Most that it holds, in grams.
    pub weight_grams_max: u32,
    /// Minor units per currency code.
    pub cost_minor: BTreeMap<String, i64>,
}

/// One line to be priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedLine {
    /// Price of one unit.
    pub unit_price_minor: i64,
    /// Units.
    pub quantity: u32,
    /// Weight of one unit.
    pub weight_grams: i64,
    /// `standard`, `reduced`, `zero`.
    pub tax_class: String,
}

/// What an order costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Per line: its total and its tax.
    pub lines: Vec<(i64, i64)>,
    /// Sum of the lines.
    pub subtotal_minor: i64,
    /// Shipping.
    pub shipping_minor: i64,
    /// Tax of lines and shipping, contained or not.
    pub tax_minor: i64,
    /// What is to be paid.
    pub total_minor: i64,
}

/// What sending costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShippingCost {
    /// As the shop's prices are: with tax or without.
    pub minor: i64,
    /// Days until it arrives: at least.
    pub min_days: u32,
    /// Days until it arrives: at most.
    pub max_days: u32,
}

impl Pricing {
    /// Prices an order; `None` when nothing is sent there, or not in this currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn totals(
        &self,
        lines: &[PricedLine],
        country_code: &str,
        currency: Currency,
    ) -> Result<Option<Totals>, MoneyError> {
        let weight_grams = lines
            .iter()
            .map(|line| line.weight_grams.max(0) * i64::from(line.quantity))
            .sum();
        let Some(shipping) = self.shipping(country_code, weight_grams, currency) else {
            return Ok(None);
        };
        let mut subtotal = Amount::zero(currency);
        let mut tax = self.tax(Amount::new(shipping.minor, currency), country_code, "standard")?;
        let mut priced = Vec::with_capacity(lines.len());
        for line in lines {
            let total = Amount::new(line.unit_price_minor, currency).checked_mul(i64::from(line.quantity))?;
            let line_tax = self.tax(total, country_code, &line.tax_class)?;
            priced.push((total.minor, line_tax.minor));
            subtotal = subtotal.checked_add(total)?;
            tax = tax.checked_add(line_tax)?;
        }
        let mut total = subtotal.checked_add(Amount::new(shipping.minor, currency))?;
        if !self.prices_include_tax {
            total = total.checked_add(tax)?;
        }
        Ok(Some(Totals {
            lines: priced,
            subtotal_minor: subtotal.minor,
            shipping_minor: shipping.minor,
            tax_minor: tax.minor,
            total_minor: total.minor,
        }))
    }

    /// What sending `weight_grams` costs; `None` when nothing is sent there, or not in this currency.
    #[must_use]
    pub fn shipping(&self, country_code: &str, weight_grams: i64, currency: Currency) -> Option<ShippingCost> {
        let names = |zone: &&ShippingZone, wanted: &str| zone.countries.iter().any(|country| country == wanted);
        let zone = self.shipping.iter().find(|zone| names(zone, country_code));
        let zone = zone.or_else(|| self.shipping.iter().find(|zone| names(zone, ELSEWHERE)))?;
        let fits = |parcel: &&Parcel| weight_grams <= i64::from(parcel.weight_grams_max);
        let parcel = zone.parcels.iter().find(fits).or_else(|| zone.parcels.last())?;
        let holds = i64::from(parcel.weight_grams_max.max(1));
        let parcels = weight_grams.max(1).saturating_add(holds - 1) / holds;
        let minor = parcel.cost_minor.get(currency.code())?.checked_mul(parcels)?;
        Some(ShippingCost {
            minor,
            min_days: zone.min_days,
            max_days: zone.max_days,
        })
    }

    /// What the shopper pays for sending something of `tax_class`: the cost with tax.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn shipping_with_tax(
        &self,
        cost: ShippingCost,
        country_code: &str,
        tax_class: &str,
        currency: Currency,
    ) -> Result<Amount, MoneyError> {
        let cost = Amount::new(cost.minor, currency);
        if self.prices_include_tax {
            return Ok(cost);
        }
        cost.checked_add(self.tax(cost, country_code, tax_class)?)
    }

    /// Tax contained in `amount`, or to be added to it; rounded half up.
    fn tax(&self, amount: Amount, country_code: &str, tax_class: &str) -> Result<Amount, MoneyError> {
        let rates = self
            .tax_permille
            .get(country_code)
            .or_else(|| self.tax_permille.get(ELSEWHERE));
        let permille = rates
            .and_then(|rates| rates.get(tax_class))
            .map_or(0, |permille| i64::from(*permille));
        let parts = if self.prices_include_tax {
            1_000 + permille
        } else {
            1_000
        };
        let doubled = amount.checked_mul(2)?.checked_mul(permille)?;
        Ok(Amount::new(
            (doubled.minor + parts).div_euclid(2 * parts),
            amount.currency,
        ))
    }
}

impl Default for Pricing {
    fn default() -> Self {
        const TAX: &[(&str, u32, u32)] = &[
            ("DE", 190, 70),
            ("AT", 200, 100),
            ("BE", 210, 60),
            ("DK", 250, 250),
            ("EE", 240, 90),
            ("ES", 210, 100),
            ("FR", 200, 55),
            ("IT", 220, 100),
            ("NL", 210, 90),
            ("PL", 230, 80),
            ("SE", 250, 120),
            ("NO", 250, 150),
            ("GB", 200, 50),
            ("CN", 130, 90),
            ("JP", 100, 80),
        ];
        let rates =
            |standard, reduced| BTreeMap::from([("standard".to_owned(), standard), ("reduced".to_owned(), reduced)]);
        let tax = TAX
            .iter()
            .map(|(country, standard, reduced)| ((*country).to_owned(), rates(*standard, *reduced)));
        Self {
            prices_include_tax: true,
            tax_permille: tax.collect(),
            shipping: vec![
                zone(&["DE"], (1, 3), [[490, 550, 3_900, 800], [990, 1_090, 7_900, 1_600]]),
                zone(
                    &["AT", "BE", "DK", "EE", "ES", "FR", "IT", "NL", "PL", "SE"],
                    (3, 6),
                    [[990, 1_090, 7_900, 1_600], [1_990, 2_190, 15_900, 3_200]],
                ),
                zone(
                    &[ELSEWHERE],
                    (6, 14),
                    [[1_990, 2_190, 15_900, 3_200], [4_990, 5_490, 39_900, 8_000]],
                ),
            ],
        }
    }
}

/// A zone with parcels of 5 kg and 31.5 kg, each with its cost in EUR, USD, CNY and JPY.
fn zone(countries: &[&str], (min_days, max_days): (u32, u32), costs: [[i64; 4]; 2]) -> ShippingZone {
    let parcel = |weight_grams_max, cost: [i64; 4]| Parcel {
        weight_grams_max,
        cost_minor: ["EUR", "USD", "CNY", "JPY"]
            .into_iter()
            .map(str::to_owned)
            .zip(cost)
            .collect(),
    };
    ShippingZone {
        countries: countries.iter().map(|country| (*country).to_owned()).collect(),
        min_days,
        max_days,
        parcels: vec![parcel(5_000, costs[0]), parcel(31_500, costs[1])],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::seed::orders;

    fn line(unit_price_minor: i64, quantity: u32, weight_grams: i64, tax_class: &str) -> PricedLine {
        PricedLine {
            unit_price_minor,
            quantity,
            weight_grams,
            tax_class: tax_class.to_owned(),
        }
    }

    #[test]
    fn tax_is_rounded_half_up_per_line() {
        let lines = [
            line(1_999, 2, 300, "standard"),
            line(5, 1, 0, "reduced"),
            line(1_000, 1, 0, "zero"),
        ];
        for (prices_include_tax, country, expected) in [
            (
                true,
                "DE",
                "lines [(3998, 638), (5, 0), (1000, 0)] shipping 490 tax 716 total 5493",
            ),
            (
                true,
                "US",
                "lines [(3998, 0), (5, 0), (1000, 0)] shipping 1990 tax 0 total 6993",
            ),
            (
                false,
                "DE",
                "lines [(3998, 760), (5, 0), (1000, 0)] shipping 490 tax 853 total 6346",
            ),
        ] {
            let pricing = Pricing {
                prices_include_tax,
                ..Pricing::default()
            };
            let totals = pricing.totals(&lines, country, Currency::EUR).unwrap().unwrap();
            let shown = format!(
                "lines {:?} shipping {} tax {} total {}",
                totals.lines, totals.shipping_minor, totals.tax_minor, totals.total_minor
            );
            assert_eq!(shown, expected, "{country}");
        }
    }

    #[test]
    fn shipping_is_flat_by_destination_and_weight() {
        let pricing = Pricing::default();
        for (country, grams, currency, expected) in [
            ("DE", 0, "EUR", Some(490)),
            ("DE", 5_000, "EUR", Some(490)),
            ("DE", 5_001, "EUR", Some(990)),
            ("DE", 31_501, "EUR", Some(1_980)),
            ("FR", 100, "USD", Some(1_090)),
            ("BR", 100, "JPY", Some(3_200)),
            ("BR", 100, "BRL", None),
        ] {
            let cost = pricing.shipping(country, grams, Currency::parse(currency).unwrap());
            assert_eq!(cost.map(|cost| cost.minor), expected, "{country} {grams} {currency}");
        }
    }

    #[test]
    fn amounts_never_wrap() {
        let lines = [line(service::money::AMOUNT_MINOR_MAX, 2, 0, "standard")];
        assert_eq!(
            Pricing::default().totals(&lines, "DE", Currency::EUR),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn seeded_orders_cost_what_they_would_cost_today() {
        for order in orders::all() {
            let lines: Vec<PricedLine> = order
                .lines
                .iter()
                .map(|seed| {
                    let weight_grams = i64::from(seed.variant.weight_grams);
                    line(
                        seed.unit_price_minor,
                        seed.quantity,
                        weight_grams,
                        &seed.variant.tax_class,
                    )
                })
                .collect();
            let totals = Pricing::default()
                .totals(&lines, order.address.country_code, Currency::EUR)
                .unwrap()
                .unwrap();
            let seeded: Vec<_> = order
                .lines
                .iter()
                .map(|line| (line.total_minor, line.tax_minor))
                .collect();
            assert_eq!(totals.lines, seeded, "{}", order.id);
            assert_eq!(totals.shipping_minor, order.shipping_minor, "{}", order.id);
            assert_eq!(
                (totals.tax_minor, totals.total_minor),
                (order.tax_minor, order.total_minor),
                "{}",
                order.id
            );
        }
    }
}
