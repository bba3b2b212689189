//! What order lines need to know of variants: whether they are sold, and for how much.

use super::{Result, Store};
use crate::domain::product::Variant;
use crate::entity::{stock, variant};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, ConnectionTrait};
use service::contract::products::{Price, ShortageReason, VariantQuote};
use service::database::OneOf as _;
use service::id;
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
    /// Units that can be sold now, if it is offered.
    available: i32,
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
        let ids = variant_ids.into_iter().filter(|text| id::is("var", text));
        let keys = ids.map(|id| (id, currency));
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
            available_for_sale: variant.is_offered(),
            quantity_available: i64::from(self.available),
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
        let variants = self.stocked_variants(&keys).await?;
        let offer = |key: (String, Currency)| {
            let (variant, available, main_minor) = variants.get(&key.0)?;
            let price_minor = match key.1 == self.main_currency {
                true => *main_minor,
                false => prices.get(&key).map(|price| price.amount.minor),
            };
            let offer = Offer {
                variant: variant.clone(),
                available: *available,
                price_minor,
                currency: key.1,
            };
            Some((key, offer))
        };
        Ok(keys.into_iter().filter_map(offer).collect())
    }

    /// Variants by id, each with the units that are free, and its price in the main currency in minor units, if it has one.
    async fn stocked_variants(
        &self,
        keys: &[(String, Currency)],
    ) -> Result<HashMap<String, (Variant, i32, Option<i64>)>> {
        let is_stock = stock::Column::VariantId
            .into_expr()
            .equals((variant::Entity, variant::Column::Id));
        let mut select = self.select_variants();
        select
            .inner_join(stock::Entity, is_stock)
            .expr(stock::Column::OnHand.into_expr())
            .expr(stock::Column::Reserved.into_expr())
            .and_where(variant::Column::Id.is_one_of(keys.iter().map(|(id, _)| id.as_str())));
        let mut variants = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let variant = self.variant(&row)?;
            let available = row.try_get::<i32>("", "on_hand")? - row.try_get::<i32>("", "reserved")?;
            variants.insert(
                variant.id.clone(),
                (variant, available, row.try_get("", "amount_minor")?),
            );
        }
        Ok(variants)
    }
}
