//! Settings of the orders service beside those that every service has.

use std::path::PathBuf;

use anyhow::Context as _;
use service::money::Currency;

use crate::domain::Pricing;

/// What things cost beside the catalogue's prices.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// JSON file with tax rates and shipping costs, and whether prices contain tax; the format is in the README of
    /// `subgraphs/orders`. Without it, a shop in Germany whose prices contain tax.
    #[arg(long, env = "PRICING_FILE")]
    pub pricing_file: Option<PathBuf>,

    /// Currency of an order that names none, and of shipping estimates.
    #[arg(long, env = "CURRENCY_DEFAULT", default_value = "EUR", value_parser = Currency::parse)]
    pub currency_default: Currency,
}

impl Config {
    /// The price rules.
    ///
    /// # Errors
    /// When the file cannot be read or understood, or its rules make no sense; says everything that is wrong with them.
    pub fn pricing(&self) -> anyhow::Result<Pricing> {
        let Some(path) = &self.pricing_file else {
            return Ok(Pricing::default());
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("`{}` could not be read", path.display()))?;
        let pricing: Pricing =
            serde_json::from_str(&text).with_context(|| format!("`{}` is not a price file", path.display()))?;
        let mistakes = pricing.mistakes();
        anyhow::ensure!(
            mistakes.is_empty(),
            "`{}` has mistakes: {}",
            path.display(),
            mistakes.join("; ")
        );
        Ok(pricing)
    }
}
