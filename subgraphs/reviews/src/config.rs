//! The settings that only this service has.

/// Settings of reviews.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ReviewsConfig {
    /// Accept reviews only from people who bought the product. For shops that are plagued by invented reviews; others
    /// gain more from every voice, and show `verifiedPurchase` beside it.
    #[arg(long, env = "REVIEWS_REQUIRE_PURCHASE")]
    pub require_purchase: bool,
}
