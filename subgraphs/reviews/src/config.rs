//! The settings that only this service has.

/// Settings of reviews.
#[derive(Clone, Debug, clap::Args)]
pub struct ReviewsConfig {
    /// Accept reviews only from people who bought the product. For shops that are plagued by invented reviews; others
    /// gain more from every voice, and show `verifiedPurchase` beside it.
    #[arg(long, env = "REVIEWS_REQUIRE_PURCHASE")]
    pub require_purchase: bool,

    /// How old may be what shoppers see of reviews and ratings, in milliseconds; 0 reads them anew each time. What a
    /// replica changes itself is seen there at once. Never old is what staff see.
    #[arg(long, env = "REVIEWS_AGE_MAX_MS", default_value_t = REVIEWS_AGE_MAX_MS)]
    pub reviews_age_max_ms: u64,
}

/// As old as may be what products shows, beside which they stand.
const REVIEWS_AGE_MAX_MS: u64 = 3_000;

impl Default for ReviewsConfig {
    fn default() -> ReviewsConfig {
        ReviewsConfig {
            require_purchase: false,
            reviews_age_max_ms: REVIEWS_AGE_MAX_MS,
        }
    }
}
