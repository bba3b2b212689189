//! Changes of the catalogue, checked: what is built here can be stored, but for clashes with other rows.
//!
//! Each `parse` takes what a client sent and gives the change, or every problem of it at once.

use super::problem::{Problem, ProblemCode};
use super::product::{MediaKind, NameValue, Price, ProductStatus};
use super::sku::Sku;
use super::slug::Slug;
use service::money::{Amount, Currency, MoneyError};
use std::collections::HashSet;
use url::Url;

/// Longest title of a product, variant or category, in characters.
const TITLE_CHARACTERS_MAX: usize = 200;
/// Longest description, in characters: 40 KB at worst, below the 64 KB of MySQL's TEXT.
const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
/// Longest name and value of an attribute or option, in characters.
pub(crate) const VALUE_CHARACTERS_MAX: usize = 100;
/// Most variants of one product.
pub(crate) const VARIANTS_MAX: usize = 100;
/// Most options of one product.
const OPTIONS_MAX: usize = 5;
/// Most attributes of one product.
const ATTRIBUTES_MAX: usize = 30;
/// Most pictures and films of one product.
const MEDIA_MAX: usize = 20;
/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_000;
/// Most categories of one product.
const CATEGORIES_MAX: usize = 20;
/// Heaviest unit: a tonne.
const WEIGHT_GRAMS_MAX: i32 = 1_000_000;

/// Fields of a product as a client sent them. On an update, `None` leaves the field as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProductInput {
    /// See [`ProductChange::title`].
    pub(crate) title: Option<String>,
    /// See [`ProductChange::slug`].
    pub(crate) slug: Option<String>,
    /// `Some(None)` takes the description away.
    pub(crate) description: Option<Option<String>>,
    /// See [`ProductChange::status`].
    pub(crate) status: Option<ProductStatus>,
    /// See [`ProductChange::category_ids`].
    pub(crate) category_ids: Option<Vec<String>>,
    /// See [`ProductChange::attributes`].
    pub(crate) attributes: Option<Vec<NameValue>>,
    /// See [`ProductChange::media`].
    pub(crate) media: Option<Vec<MediaInput>>,
}

/// A picture or film as a client sent it.
#[derive(Debug, Clone)]
pub(crate) struct MediaInput {
    /// Absolute, http or https.
    pub(crate) url: String,
    /// What it is.
    pub(crate) kind: MediaKind,
    /// For people who do not see it.
    pub(crate) alt_text: Option<String>,
}

/// A variant as a client sent it.
#[derive(Debug, Clone)]
pub(crate) struct VariantInput {
    /// Id of the variant to change; without it, a variant with this SKU that no other entry names is changed, else one is
    /// added.
    pub(crate) id: Option<String>,
    /// See [`Sku`].
    pub(crate) sku: String,
    /// `None`: the options joined.
    pub(crate) title: Option<String>,
    /// Decimal amount and currency.
    pub(crate) price: (String, Currency),
    /// Struck-through price, in the same currency.
    pub(crate) compare_at_price: Option<(String, Currency)>,
    /// One value for each option.
    pub(crate) options: Vec<NameValue>,
    /// Weight of one unit.
    pub(crate) weight_grams: Option<i32>,
    /// Digits below the bars.
    pub(crate) barcode: Option<String>,
}

/// Checked fields of a product; `None` where nothing changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProductChange {
    /// 1 to 200 characters.
    pub(crate) title: Option<String>,
    /// Unique; checked when stored.
    pub(crate) slug: Option<Slug>,
    /// Made of the title of a new product; numbered when another product has it.
    pub(crate) derived_slug: Option<Slug>,
    /// At most 10 000 characters.
    pub(crate) description: Option<Option<String>>,
    /// Any may follow any.
    pub(crate) status: Option<ProductStatus>,
    /// At most 20; that they exist is checked when stored.
    pub(crate) category_ids: Option<Vec<String>>,
    /// At most 30.
    pub(crate) attributes: Option<Vec<NameValue>>,
    /// At most 20.
    pub(crate) media: Option<Vec<MediaInput>>,
}

/// A checked variant.
#[derive(Debug, Clone)]
pub(crate) struct VariantChange {
    /// Id of the variant to change, if the client named one.
    pub(crate) id: Option<String>,
    /// Unique over the shop; checked when stored.
    pub(crate) sku: Sku,
    /// Given, or the options joined, or empty (then it is the product's title).
    pub(crate) title: String,
    /// In one currency; prices in others stay as they are.
    pub(crate) price: Price,
    /// The same names for each variant of the product.
    pub(crate) options: Vec<NameValue>,
    /// Weight of one unit.
    pub(crate) weight_grams: Option<i32>,
    /// Digits below the bars.
    pub(crate) barcode: Option<String>,
}

impl ProductChange {
    /// Checks a new product: the title is needed, and the slug is made of it when none is given.
    ///
    /// # Errors
    /// Every problem of the input, with its path below `input`.
    pub(crate) fn parse_new(input: ProductInput) -> Result<ProductChange, Vec<Problem>> {
        let missing = input.title.is_none();
        let mut change = ProductChange::parse(input)?;
        if missing {
            return Err(vec![Problem::at(
                "input.title",
                ProblemCode::Required,
                "A product needs a title.",
            )]);
        }
        change.derived_slug = change.title.as_deref().and_then(Slug::from_title);
        if change.slug.is_none() && change.derived_slug.is_none() {
            let message = "No slug can be made of this title; give one.";
            return Err(vec![Problem::at("input.slug", ProblemCode::Required, message)]);
        }
        Ok(change)
    }

    /// Checks an update.
    ///
    /// # Errors
    /// Every problem of the input, with its path below `input`.
    pub(crate) fn parse(input: ProductInput) -> Result<ProductChange, Vec<Problem>> {
        let mut check = Check::default();
        let title = input.title.map(|title| check.title("input.title", &title));
        let slug = input.slug.and_then(|slug| check.slug("input.slug", &slug));
        let description = input
            .description
            .map(|text| check.description("input.description", text));
        if let Some(ids) = &input.category_ids {
            check.count("input.categoryIds", ids.len(), 0, CATEGORIES_MAX);
        }
        let attributes = input
            .attributes
            .map(|list| check.values("input.attributes", list, ATTRIBUTES_MAX));
        if let Some(media) = &input.media {
            check.media(media);
        }
        let (status, category_ids, media) = (input.status, input.category_ids, input.media);
        let derived_slug = None;
        check.done(ProductChange {
            title,
            slug,
            derived_slug,
            description,
            status,
            category_ids,
            attributes,
            media,
        })
    }
}

/// Checks all variants of a product together.
///
/// `path`: where they stand in the arguments, such as `input.variants`.
///
/// # Errors
/// Every problem: limits, ids, SKUs or options that occur twice, and option names that differ from variant to variant.
pub(crate) fn parse_variants(path: &str, inputs: Vec<VariantInput>) -> Result<Vec<VariantChange>, Vec<Problem>> {
    let mut check = Check::default();
    check.count(path, inputs.len(), 1, VARIANTS_MAX);
    let mut variants: Vec<VariantChange> = Vec::new();
    for (position, input) in inputs.into_iter().take(VARIANTS_MAX).enumerate() {
        if let Some(variant) = check.variant(&format!("{path}.{position}"), input) {
            variants.push(variant);
        }
    }
    if check.problems.is_empty() {
        check.variants_differ(path, &variants);
    }
    check.done(variants)
}

/// Fields of a category as a client sent them. On an update, `None` leaves the field as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct CategoryInput {
    /// What shoppers read.
    pub(crate) name: Option<String>,
    /// See [`Slug`].
    pub(crate) slug: Option<String>,
    /// `Some(None)` takes it away.
    pub(crate) description: Option<Option<String>>,
    /// `Some(None)` makes it a root.
    pub(crate) parent_id: Option<Option<String>>,
}

/// Checked fields of a category.
#[derive(Debug, Clone, Default)]
pub(crate) struct CategoryChange {
    /// 1 to 200 characters.
    pub(crate) name: Option<String>,
    /// Unique; checked when stored.
    pub(crate) slug: Option<Slug>,
    /// Made of the name of a new category; numbered when another one has it.
    pub(crate) derived_slug: Option<Slug>,
    /// At most 10 000 characters.
    pub(crate) description: Option<Option<String>>,
    /// Checked when stored.
    pub(crate) parent_id: Option<Option<String>>,
}

impl CategoryChange {
    /// Checks a new category, which needs a name; the slug is made of it when none is given.
    ///
    /// # Errors
    /// Every problem of the input.
    pub(crate) fn parse_new(input: CategoryInput) -> Result<CategoryChange, Vec<Problem>> {
        let mut change = CategoryChange::parse(input)?;
        let Some(name) = &change.name else {
            return Err(vec![Problem::at(
                "input.name",
                ProblemCode::Required,
                "A category needs a name.",
            )]);
        };
        change.derived_slug = Slug::from_title(name);
        if change.slug.is_none() && change.derived_slug.is_none() {
            let message = "No slug can be made of this name; give one.";
            return Err(vec![Problem::at("input.slug", ProblemCode::Required, message)]);
        }
        Ok(change)
    }

    /// Checks an update.
    ///
    /// # Errors
    /// Every problem of the input.
    pub(crate) fn parse(input: CategoryInput) -> Result<CategoryChange, Vec<Problem>> {
        let mut check = Check::default();
        let name = input.name.map(|name| check.title("input.name", &name));
        let slug = input.slug.and_then(|slug| check.slug("input.slug", &slug));
        let description = input
            .description
            .map(|text| check.description("input.description", text));
        check.done(CategoryChange {
            name,
            slug,
            derived_slug: None,
            description,
            parent_id: input.parent_id,
        })
    }
}

/// Collects the problems of one input.
#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn done<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(self.problems)
        }
    }

    fn problem(&mut self, path: &str, code: ProblemCode, message: impl Into<String>) {
        self.problems.push(Problem::at(path, code, message));
    }

    fn text(&mut self, path: &str, text: &str, max: usize) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.problem(path, ProblemCode::Required, "This cannot be empty.");
        } else if text.chars().count() > max {
            self.problem(path, ProblemCode::Invalid, format!("At most {max} characters."));
        } else if text.chars().any(char::is_control) {
            self.problem(
                path,
                ProblemCode::Invalid,
                "No control characters, such as line breaks.",
            );
        }
        text.to_owned()
    }

    fn title(&mut self, path: &str, title: &str) -> String {
        self.text(path, title, TITLE_CHARACTERS_MAX)
    }

    fn slug(&mut self, path: &str, text: &str) -> Option<Slug> {
        let slug = Slug::parse(text);
        if slug.is_none() {
            let message = "A slug is 1 to 80 lower-case letters and digits, with single hyphens between them.";
            self.problem(path, ProblemCode::Invalid, message);
        }
        slug
    }

    fn description(&mut self, path: &str, text: Option<String>) -> Option<String> {
        if text
            .as_ref()
            .is_some_and(|text| text.chars().count() > DESCRIPTION_CHARACTERS_MAX)
        {
            self.problem(
                path,
                ProblemCode::Invalid,
                format!("At most {DESCRIPTION_CHARACTERS_MAX} characters."),
            );
        }
        // Line breaks are welcome; PostgreSQL stores no NUL.
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            self.problem(path, ProblemCode::Invalid, "No character U+0000.");
        }
        text.filter(|text| !text.trim().is_empty())
    }

    fn count(&mut self, path: &str, count: usize, min: usize, max: usize) {
        if count < min {
            self.problem(path, ProblemCode::Required, format!("At least {min}."));
        } else if count > max {
            self.problem(path, ProblemCode::Invalid, format!("At most {max}."));
        }
    }

    fn values(&mut self, path: &str, list: Vec<NameValue>, max: usize) -> Vec<NameValue> {
        self.count(path, list.len(), 0, max);
        let mut names = HashSet::new();
        let mut values = Vec::new();
        for (position, NameValue { name, value }) in list.into_iter().take(max).enumerate() {
            let name = self.text(&format!("{path}.{position}.name"), &name, VALUE_CHARACTERS_MAX);
            let value = self.text(&format!("{path}.{position}.value"), &value, VALUE_CHARACTERS_MAX);
            if !names.insert(name.clone()) {
                self.problem(
                    &format!("{path}.{position}.name"),
                    ProblemCode::Invalid,
                    "This name occurs twice.",
                );
            }
            values.push(NameValue { name, value });
        }
        values
    }

    fn media(&mut self, media: &[MediaInput]) {
        self.count("input.media", media.len(), 0, MEDIA_MAX);
        for (position, media) in media.iter().enumerate() {
            let is_web = Url::parse(&media.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !is_web || media.url.len() > URL_BYTES_MAX {
                let message = format!("An http or https URL of at most {URL_BYTES_MAX} bytes.");
                self.problem(&format!("input.media.{position}.url"), ProblemCode::Invalid, message);
            }
            if media
                .alt_text
                .as_ref()
                .is_some_and(|text| text.chars().count() > TITLE_CHARACTERS_MAX)
            {
                let message = format!("At most {TITLE_CHARACTERS_MAX} characters.");
                self.problem(
                    &format!("input.media.{position}.altText"),
                    ProblemCode::Invalid,
                    message,
                );
            }
        }
    }

    fn variant(&mut self, path: &str, input: VariantInput) -> Option<VariantChange> {
        let before = self.problems.len();
        let sku = Sku::parse(&input.sku);
        if sku.is_none() {
            let message = "A SKU is 1 to 64 of A-Z, 0-9 and hyphens.";
            self.problem(&format!("{path}.sku"), ProblemCode::Invalid, message);
        }
        let options = self.values(&format!("{path}.options"), input.options, OPTIONS_MAX);
        let title = input.title.map(|title| self.title(&format!("{path}.title"), &title));
        let price = self.price(path, &input.price, input.compare_at_price.as_ref());
        if input
            .weight_grams
            .is_some_and(|grams| !(0..=WEIGHT_GRAMS_MAX).contains(&grams))
        {
            let message = format!("Between 0 and {WEIGHT_GRAMS_MAX}.");
            self.problem(&format!("{path}.weightGrams"), ProblemCode::Invalid, message);
        }
        let barcode = input.barcode.filter(|barcode| !barcode.is_empty());
        if barcode
            .as_ref()
            .is_some_and(|code| code.len() > 32 || !code.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            self.problem(
                &format!("{path}.barcode"),
                ProblemCode::Invalid,
                "At most 32 letters and digits.",
            );
        }
        let joined = || {
            options
                .iter()
                .map(|option| option.value.as_str())
                .collect::<Vec<_>>()
                .join(" / ")
        };
        let title = title.unwrap_or_else(joined);
        let (sku, price) = (sku?, price?);
        let weight_grams = input.weight_grams;
        (self.problems.len() == before).then_some(VariantChange {
            id: input.id,
            sku,
            title,
            price,
            options,
            weight_grams,
            barcode,
        })
    }

    fn price(
        &mut self,
        path: &str,
        price: &(String, Currency),
        compare_at: Option<&(String, Currency)>,
    ) -> Option<Price> {
        let amount = self.amount(&format!("{path}.price.amount"), price);
        let compare_at = match compare_at {
            None => None,
            Some((_, currency)) if *currency != price.1 => {
                let message = "The struck-through price must be in the currency of the price.";
                self.problem(
                    &format!("{path}.compareAtPrice.currencyCode"),
                    ProblemCode::Invalid,
                    message,
                );
                None
            }
            Some(price) => Some(self.amount(&format!("{path}.compareAtPrice.amount"), price)?),
        };
        Some(Price {
            amount: amount?,
            compare_at,
        })
    }

    fn amount(&mut self, path: &str, (text, currency): &(String, Currency)) -> Option<Amount> {
        match Amount::parse(text, *currency) {
            Ok(amount) if amount.minor < 0 => {
                self.problem(path, ProblemCode::PriceNegative, "A price cannot be below zero.");
                None
            }
            Ok(amount) => Some(amount),
            Err(error @ (MoneyError::Malformed { .. } | MoneyError::Overflow)) => {
                self.problem(path, ProblemCode::Invalid, format!("{error}."));
                None
            }
            Err(error) => {
                self.problem(path, ProblemCode::Invalid, error.to_string());
                None
            }
        }
    }

    fn variants_differ(&mut self, path: &str, variants: &[VariantChange]) {
        let names = |variant: &VariantChange| -> Vec<String> {
            variant.options.iter().map(|option| option.name.clone()).collect()
        };
        let (mut ids, mut skus, mut choices) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (position, variant) in variants.iter().enumerate() {
            if variant.id.as_ref().is_some_and(|id| !ids.insert(id)) {
                let message = "This id occurs twice.";
                self.problem(&format!("{path}.{position}.id"), ProblemCode::Invalid, message);
            }
            if !skus.insert(variant.sku.clone()) {
                self.problem(
                    &format!("{path}.{position}.sku"),
                    ProblemCode::SkuTaken,
                    "This SKU occurs twice.",
                );
            }
            if names(variant) != names(&variants[0]) {
                let message = "Every variant needs the same options, in the same order.";
                self.problem(&format!("{path}.{position}.options"), ProblemCode::Invalid, message);
            } else if !choices.insert(variant.options.clone()) {
                let message = "Another variant has exactly these options.";
                self.problem(&format!("{path}.{position}.options"), ProblemCode::Invalid, message);
            }
        }
    }
}
