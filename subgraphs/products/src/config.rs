//! The settings that only this service has.

use service::money::Currency;
use url::Url;

/// Settings of the catalogue.
#[derive(Clone, Debug, clap::Args)]
pub struct ProductsConfig {
    /// Where browsers reach this service's `/media`, without that path: the address of the edge.
    #[arg(long, env = "MEDIA_BASE_URL", default_value = "http://127.0.0.1:5000")]
    pub media_base_url: Url,

    /// ISO 4217 code of the currency in which every variant has a price; lists are sorted by it.
    /// Cannot be changed once there are products that have no prices in the new one.
    #[arg(long, env = "MAIN_CURRENCY", default_value = "EUR", value_parser = Currency::parse)]
    pub main_currency: Currency,

    /// How old may be what shoppers see of the catalogue, in milliseconds: products, variants, categories, prices, lists,
    /// totals and facets; 0 reads all of it anew. What a replica changes itself is seen there at once. Never old is what
    /// those see who write the catalogue, what an order costs, and how many units of a variant there are.
    #[arg(long, env = "CATALOGUE_AGE_MAX_MS", default_value_t = CATALOGUE_AGE_MAX_MS)]
    pub catalogue_age_max_ms: u64,
}

/// Long enough that a crowd in front of the shop window is one query, and no longer than a shopper looks at a page.
const CATALOGUE_AGE_MAX_MS: u64 = 3_000;

impl Default for ProductsConfig {
    fn default() -> ProductsConfig {
        let media_base_url = Url::parse("http://127.0.0.1:5000").expect("a constant URL");
        ProductsConfig {
            media_base_url,
            main_currency: Currency::EUR,
            catalogue_age_max_ms: CATALOGUE_AGE_MAX_MS,
        }
    }
}
