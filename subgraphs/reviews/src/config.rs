//! The settings that only this service has.

/// Settings of reviews.
#[derive(Clone, Debug, clap::Args)]
pub struct ReviewsConfig {
    /// Accept reviews only from people who bought the product. For shops that are plagued by invented reviews; others
    /// gain more from every voice, and show `verifiedPurchase` beside it.
    #[arg(long, env = "REVIEWS_REQUIRE_PURCHASE")]
    pub require_purchase: bool,

    /// How old the ratings of products may be, in milliseconds; 0 counts them anew each time. What a replica changes
    /// itself is in its ratings at once. For shops whose reviewers must see each other's stars without delay.
    #[arg(long, env = "RATINGS_AGE_MAX_MS", default_value_t = RATINGS_AGE_MAX_MS)]
    pub ratings_age_max_ms: u64,
}

/// As long as products keeps its lists, beside which ratings are shown.
const RATINGS_AGE_MAX_MS: u64 = 3_000;

impl Default for ReviewsConfig {
    fn default() -> ReviewsConfig {
        ReviewsConfig {
            require_purchase: false,
            ratings_age_max_ms: RATINGS_AGE_MAX_MS,
        }
    }
}
