//! What order lines need to know of variants: whether they are sold, and for how much.

use super::{Result, Store};
use crate::domain::product::Variant;
use crate::entity::variant;
use service::contract::products::{Price, ShortageReason, VariantQuote};
use service::database::OneOf as _;
use service::loader::{LoadError, Loader};
use service::money::Currency;
use std::collections::HashMap;

/// Variants with their prices in one currency, for all who ask at about the same time.
#[derive(Clone)]
pub(crate) struct Offers {
    loader: Loader<(String, Currency), Offer>,
}

/// A variant that exists.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    variant: Variant,
    /// In minor units of `currency`; `None` without a price in it.
    price_minor: Option<i64>,
    currency: Currency,
}

impl Offers {
    pub(crate) fn new(store: Store) -> Offers {
        let loader = Loader::new(move |keys| {
            let store = store.clone();
            async move { store.offers(keys).await }
        });
        Offers { loader }
    }

    /// Variants by id with their prices in `currency`; unknown ids are missing.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn of(
        &self,
        variant_ids: Vec<String>,
        currency: Currency,
    ) -> std::result::Result<HashMap<String, Offer>, LoadError> {
        let keys = variant_ids.into_iter().map(|id| (id, currency));
        let offers = self.loader.load_many(keys).await?;
        let offers = offers.into_iter().flatten();
        Ok(offers.map(|offer| (offer.variant.id.clone(), offer)).collect())
    }
}

impl Offer {
    /// Why it cannot be sold, whatever is on hand.
    pub(super) fn refusal(&self) -> Option<ShortageReason> {
        match self.price_minor {
            _ if !self.variant.is_offered() => Some(ShortageReason::NotForSale),
            None => Some(ShortageReason::NoPrice),
            Some(_) => None,
        }
    }

    /// What orders is told of it; `None` without a price.
    ///
    /// * `picture`: the absolute URL of a stored one.
    pub(crate) fn quote(&self, picture: impl Fn(&str) -> String) -> Option<VariantQuote> {
        let variant = &self.variant;
        Some(VariantQuote {
            variant_id: variant.id.clone(),
            product_id: variant.product_id.clone(),
            sku: variant.sku.clone(),
            product_title: variant.product_title.clone(),
            variant_title: variant.title.clone(),
            image_url: variant.media.first().map(|media| picture(&media.url)),
            price: Price {
                amount_minor: self.price_minor?,
                currency_code: self.currency.code().to_owned(),
            },
            weight_grams: variant.weight_grams,
            tax_class: variant.tax_class.clone(),
            available_for_sale: variant.available_for_sale(),
            quantity_available: i64::from(variant.stock.available()),
        })
    }
}

impl Store {
    /// One statement, and one more when currencies beside the main one are asked for.
    async fn offers(&self, keys: Vec<(String, Currency)>) -> Result<HashMap<(String, Currency), Offer>> {
        let others: Vec<_> = keys.iter().filter(|key| key.1 != self.main_currency).cloned().collect();
        let prices = match others.is_empty() {
            true => HashMap::new(),
            false => self.prices(others).await?,
        };
        let ids = keys.iter().map(|(id, _)| id.as_str());
        let variants = self.priced_variants(variant::Column::Id.is_one_of(ids)).await?;
        let variants: HashMap<_, _> = variants
            .into_iter()
            .map(|(variant, main_minor)| (variant.id.clone(), (variant, main_minor)))
            .collect();
        let offer = |key: (String, Currency)| {
            let (variant, main_minor) = variants.get(&key.0)?;
            let price_minor = match key.1 == self.main_currency {
                true => *main_minor,
                false => prices.get(&key).map(|price| price.amount.minor),
            };
            let offer = Offer {
                variant: variant.clone(),
                price_minor,
                currency: key.1,
            };
            Some((key, offer))
        };
        Ok(keys.into_iter().filter_map(offer).collect())
    }
}
