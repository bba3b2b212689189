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

    /// How old a page of a product list, its total and its facets may be, in milliseconds; 0 makes each anew. What a
    /// replica changes itself is in its lists at once. What an order costs, and whether there is stock for it, is never
    /// old.
    #[arg(long, env = "LISTS_AGE_MAX_MS", default_value_t = LISTS_AGE_MAX_MS)]
    pub lists_age_max_ms: u64,
}

/// Long enough that a crowd in front of the shop window is one query, and no longer than a shopper looks at a page.
const LISTS_AGE_MAX_MS: u64 = 3_000;

impl Default for ProductsConfig {
    fn default() -> ProductsConfig {
        let media_base_url = Url::parse("http://127.0.0.1:5000").expect("a constant URL");
        ProductsConfig {
            media_base_url,
            main_currency: Currency::EUR,
            lists_age_max_ms: LISTS_AGE_MAX_MS,
        }
    }
}
