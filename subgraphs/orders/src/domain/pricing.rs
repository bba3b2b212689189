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
    /// Everything in these rules that would make wrong prices of a slip of the pen; each says where it is.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let is_country = |country: &str| country == ELSEWHERE || is_country_code(country);
        for (country, rates) in &self.tax_permille {
            if !is_country(country) {
                mistakes.push(format!(
                    "`taxPermille.{country}`: a country is two capital letters, or `*`"
                ));
            }
            for (class, permille) in rates.iter().filter(|(_, permille)| **permille > 1_000) {
                mistakes.push(format!(
                    "`taxPermille.{country}.{class}`: {permille} is more than 1000 per mille"
                ));
            }
        }
        for (index, zone) in self.shipping.iter().enumerate() {
            let at = format!("shipping[{index}]");
            for country in zone.countries.iter().filter(|country| !is_country(country)) {
                mistakes.push(format!(
                    "`{at}.countries`: `{country}` is no country; that is two capital letters, or `*`"
                ));
            }
            if zone.min_days > zone.max_days {
                mistakes.push(format!("`{at}`: `minDays` is more than `maxDays`"));
            }
            mistakes.extend(zone.mistakes_of_parcels(&at));
        }
        mistakes
    }

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
        let permille = |line: &PricedLine| self.permille(country_code, &line.tax_class);
        // Sending is taxed like what is sent, and that by the highest rate where there are several.
        let shipping_permille = lines.iter().map(permille).max().unwrap_or_default();
        let mut subtotal = Amount::zero(currency);
        let mut tax = self.tax(Amount::new(shipping.minor, currency), shipping_permille)?;
        let mut priced = Vec::with_capacity(lines.len());
        for line in lines {
            let total = Amount::new(line.unit_price_minor, currency).checked_mul(i64::from(line.quantity))?;
            let line_tax = self.tax(total, permille(line))?;
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
        cost.checked_add(self.tax(cost, self.permille(country_code, tax_class))?)
    }

    /// The rate of a class in a country.
    fn permille(&self, country_code: &str, tax_class: &str) -> i64 {
        let rates = self
            .tax_permille
            .get(country_code)
            .or_else(|| self.tax_permille.get(ELSEWHERE));
        rates
            .and_then(|rates| rates.get(tax_class))
            .map_or(0, |permille| i64::from(*permille))
    }

    /// Tax contained in `amount`, or to be added to it; rounded half up.
    fn tax(&self, amount: Amount, permille: i64) -> Result<Amount, MoneyError> {
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

impl ShippingZone {
    fn mistakes_of_parcels(&self, at: &str) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut lighter = 0;
        for (index, parcel) in self.parcels.iter().enumerate() {
            let at = format!("{at}.parcels[{index}]");
            if parcel.weight_grams_max <= lighter {
                mistakes.push(format!(
                    "`{at}.weightGramsMax`: not more than {lighter}; the lightest parcel comes first"
                ));
            }
            lighter = parcel.weight_grams_max;
            for (code, minor) in &parcel.cost_minor {
                match Currency::parse(code) {
                    Ok(_) if *minor < 0 => mistakes.push(format!("`{at}.costMinor.{code}`: less than nothing")),
                    Ok(_) => {}
                    Err(error) => mistakes.push(format!("`{at}.costMinor`: {error}")),
                }
            }
        }
        mistakes
    }
}

/// Whether `text` looks like ISO 3166-1 alpha-2.
#[must_use]
pub fn is_country_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
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
    fn sending_is_taxed_like_what_is_sent() {
        let pricing = Pricing {
            prices_include_tax: false,
            ..Pricing::default()
        };
        for (classes, expected) in [
            (&["standard"][..], 583),
            (&["reduced"], 524),
            (&["zero"], 490),
            (&["reduced", "standard", "zero"], 583),
        ] {
            let lines: Vec<_> = classes.iter().map(|class| line(0, 1, 300, class)).collect();
            let totals = pricing.totals(&lines, "DE", Currency::EUR).unwrap().unwrap();
            assert_eq!(totals.total_minor, expected, "{classes:?}");
            if let [class] = classes {
                let cost = pricing.shipping("DE", 300, Currency::EUR).unwrap();
                let estimate = pricing.shipping_with_tax(cost, "DE", class, Currency::EUR).unwrap();
                assert_eq!(estimate.minor, expected, "the estimate of {class}");
            }
        }
    }

    #[test]
    fn slips_of_the_pen_are_found() {
        assert_eq!(Pricing::default().mistakes(), Vec::<String>::new());
        let parcel = |weight_grams_max, code: &str, minor| Parcel {
            weight_grams_max,
            cost_minor: BTreeMap::from([(code.to_owned(), minor)]),
        };
        let zone = ShippingZone {
            countries: vec!["de".to_owned()],
            min_days: 4,
            max_days: 3,
            parcels: vec![
                parcel(0, "EUR", -1),
                parcel(5_000, "euro", 490),
                parcel(2_000, "EUR", 1),
            ],
        };
        let rates = BTreeMap::from([("standard".to_owned(), 1_900)]);
        let pricing = Pricing {
            prices_include_tax: true,
            tax_permille: BTreeMap::from([("Germany".to_owned(), rates)]),
            shipping: vec![zone],
        };
        expect_test::expect![[r#"
            `taxPermille.Germany`: a country is two capital letters, or `*`
            `taxPermille.Germany.standard`: 1900 is more than 1000 per mille
            `shipping[0].countries`: `de` is no country; that is two capital letters, or `*`
            `shipping[0]`: `minDays` is more than `maxDays`
            `shipping[0].parcels[0].weightGramsMax`: not more than 0; the lightest parcel comes first
            `shipping[0].parcels[0].costMinor.EUR`: less than nothing
            `shipping[0].parcels[1].costMinor`: `euro` is not a known currency
            `shipping[0].parcels[2].weightGramsMax`: not more than 5000; the lightest parcel comes first"#]]
        .assert_eq(&pricing.mistakes().join("\n"));
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
