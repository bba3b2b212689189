//! The catalogue of the demo shop: 40 categories, 300 products, 800 variants with prices and stock.
//!
//! In: the table in [`listing`]. Out: rows with ids, made once per process. Does not know of any database; the products
//! service stores these rows, and orders reads the same ones so that seeded order lines name real variants.

mod listing;

use super::{mix, opening, pick};
use crate::id;
use chrono::{DateTime, Duration, Utc};
use listing::{Axis, DEPARTMENTS, Item, SHELVES, Shelf};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A category; parents come before their children.
#[derive(Debug, Clone)]
pub struct SeedCategory {
    /// `cat_…`
    pub id: String,
    /// URL part, unique.
    pub slug: String,
    /// What shoppers read.
    pub name: String,
    /// One line.
    pub description: Option<String>,
    /// `None` for a department.
    pub parent_id: Option<String>,
}

/// A product with its variants.
#[derive(Debug, Clone)]
pub struct SeedProduct {
    /// `prod_…`
    pub id: String,
    /// URL part, unique.
    pub slug: String,
    /// Some are Chinese, a few Japanese.
    pub title: String,
    /// Two paragraphs of Markdown.
    pub description: String,
    /// One to two categories.
    pub category_ids: Vec<String>,
    /// Names and values: Brand, Material, and where it was made.
    pub attributes: Vec<(String, String)>,
    /// Within the year before the shop's opening; no two are equal.
    pub created_at: DateTime<Utc>,
    /// One to six.
    pub variants: Vec<SeedVariant>,
}

/// What is bought.
#[derive(Debug, Clone)]
pub struct SeedVariant {
    /// `var_…`
    pub id: String,
    /// `prod_…`
    pub product_id: String,
    /// Title of the product.
    pub product_title: String,
    /// Unique over the shop: `TSHI-01-S-NAVY`.
    pub sku: String,
    /// The options joined: `S / Navy`; the product's title when there are none.
    pub title: String,
    /// Names and values: `[("Size", "S"), ("Colour", "Navy")]`.
    pub options: Vec<(String, String)>,
    /// The first one is in EUR; then USD and CNY, and JPY for some.
    pub prices: Vec<SeedPrice>,
    /// Weight of one unit.
    pub weight_grams: i32,
    /// Length, width and height, in millimetres.
    pub dimensions_mm: [i32; 3],
    /// EAN-13 from the range for use within a shop.
    pub barcode: String,
    /// `standard` or `reduced`.
    pub tax_class: String,
    /// Units in stock; about one variant in twelve has none.
    pub on_hand: i32,
}

impl SeedVariant {
    /// The price in euro cents, which every seeded variant has.
    #[must_use]
    pub fn price_minor_eur(&self) -> i64 {
        self.prices[0].amount_minor
    }
}

/// A price in one currency.
#[derive(Debug, Clone)]
pub struct SeedPrice {
    /// ISO 4217.
    pub currency_code: &'static str,
    /// Minor units.
    pub amount_minor: i64,
    /// Struck-through price, for about one product in six.
    pub compare_at_minor: Option<i64>,
}

/// The categories, parents first.
#[must_use]
pub fn categories() -> &'static [SeedCategory] {
    static CATEGORIES: LazyLock<Vec<SeedCategory>> = LazyLock::new(build_categories);
    &CATEGORIES
}

/// The products, shelf by shelf.
#[must_use]
pub fn products() -> &'static [SeedProduct] {
    static PRODUCTS: LazyLock<Vec<SeedProduct>> = LazyLock::new(build_products);
    &PRODUCTS
}

/// The variants of all products, in the order of the products.
#[must_use]
pub fn variants() -> &'static [SeedVariant] {
    static VARIANTS: LazyLock<Vec<SeedVariant>> = LazyLock::new(|| {
        products()
            .iter()
            .flat_map(|product| product.variants.iter().cloned())
            .collect()
    });
    &VARIANTS
}

fn build_categories() -> Vec<SeedCategory> {
    let mut categories: Vec<SeedCategory> = Vec::new();
    let mut ids: HashMap<&str, String> = HashMap::new();
    let mut add = |name: &'static str, description: Option<&str>, parent: Option<&str>| {
        let id = id::seeded("cat", to_u64(categories.len()));
        let parent_id = parent.map(|parent| ids[parent].clone());
        let description = description.map(str::to_owned);
        categories.push(SeedCategory {
            id: id.clone(),
            slug: slug(name),
            name: name.to_owned(),
            description,
            parent_id,
        });
        ids.insert(name, id);
    };
    for department in DEPARTMENTS {
        add(department.name, Some(department.description), None);
        for group in department.groups {
            add(group, None, Some(department.name));
        }
    }
    for shelf in SHELVES {
        add(shelf.name, Some(shelf.description), Some(shelf.parent));
    }
    categories
}

fn build_products() -> Vec<SeedProduct> {
    let category_ids: HashMap<&str, &str> = categories()
        .iter()
        .map(|category| (category.name.as_str(), category.id.as_str()))
        .collect();
    let mut products = Vec::new();
    let mut variant_count = 0;
    for shelf in SHELVES {
        for (position, item) in shelf.items.iter().enumerate() {
            let place = Place {
                shelf,
                item,
                index: to_u64(products.len()),
                number: position + 1,
            };
            let product = place.product(&category_ids, variant_count);
            variant_count += to_u64(product.variants.len());
            products.push(product);
        }
    }
    products
}

/// Where a product stands, and all that its rows are derived from.
struct Place<'a> {
    shelf: &'a Shelf,
    item: &'a Item,
    /// Over all products, from 0.
    index: u64,
    /// On its shelf, from 1.
    number: usize,
}

impl Place<'_> {
    fn product(&self, category_ids: &HashMap<&str, &str>, first_variant: u64) -> SeedProduct {
        let Item(title, brand, _, material, sentence) = self.item;
        let material_name = match self.shelf.name {
            "Novels" => "Genre",
            "Tea" => "Origin",
            "Chocolate" => "Ingredients",
            _ => "Material",
        };
        let mut attributes = vec![("Brand", *brand), (material_name, *material)];
        if material_name == "Material" {
            attributes.push(("Made in", made_in(brand)));
        }
        let id = id::seeded("prod", self.index);
        let variants = options(self.shelf.axes, self.index)
            .into_iter()
            .enumerate()
            .map(|(position, options)| self.variant(&id, first_variant + to_u64(position), options))
            .collect();
        SeedProduct {
            slug: self.slug(),
            title: (*title).to_owned(),
            description: format!("{sentence}\n\n{}", self.shelf.note),
            category_ids: self.categories().map(|name| category_ids[name].to_owned()).collect(),
            attributes: attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            created_at: opening() - Duration::days(to_i64(mix(self.index, 11) % 365)) - minutes(self.index),
            variants,
            id,
        }
    }

    /// The shelf, and for tea things made in the East also the tea.
    fn categories(&self) -> impl Iterator<Item = &'static str> {
        let is_tea_thing = self.shelf.name == "Tea & Coffee Gear" && matches!(self.item.1, "云窑" | "Ito Works");
        std::iter::once(self.shelf.name).chain(is_tea_thing.then_some("Tea"))
    }

    fn slug(&self) -> String {
        let slug = slug(self.item.0);
        // A Chinese title leaves nothing, or a single letter; the shelf and the number are at least readable.
        if slug.len() < 3 {
            format!("{}-{}", self::slug(self.shelf.name), self.number)
        } else {
            slug
        }
    }

    fn variant(&self, product_id: &str, index: u64, options: Vec<(String, String)>) -> SeedVariant {
        let Item(title, brand, base_minor, ..) = self.item;
        let values: Vec<&str> = options.iter().map(|(_, value)| value.as_str()).collect();
        let step = self.shelf.axes.first().map_or(0, |axis| axis.position(values[0]));
        let factor = 100 + self.shelf.step_percent * step;
        let amount_minor = base_minor * factor / 100 / 10 * 10;
        let weight_grams = i32::try_from(i64::from(self.shelf.weight_grams) * factor / 100).unwrap_or(i32::MAX);
        let side = 60 + i32::try_from(mix(self.index, 12) % 240).expect("below 240");
        SeedVariant {
            id: id::seeded("var", index),
            product_id: product_id.to_owned(),
            product_title: (*title).to_owned(),
            sku: sku(self.shelf.name, self.number, &values),
            title: if values.is_empty() {
                (*title).to_owned()
            } else {
                values.join(" / ")
            },
            prices: prices(amount_minor, brand, mix(self.index, 13).is_multiple_of(6)),
            weight_grams,
            dimensions_mm: [side + 120, side + 40, side / 3 + 10],
            barcode: barcode(index),
            tax_class: self.shelf.tax_class.to_owned(),
            on_hand: on_hand(index),
            options,
        }
    }
}

impl Axis {
    fn name(&self) -> &'static str {
        match self {
            Axis::All(name, _) | Axis::Two(name, _) => name,
        }
    }

    fn values(&self, product_index: u64) -> Vec<&'static str> {
        match self {
            Axis::All(_, values) => values.to_vec(),
            Axis::Two(_, values) => {
                let start = to_usize(mix(product_index, 14) % to_u64(values.len()));
                vec![values[start], values[(start + 1) % values.len()]]
            }
        }
    }

    /// Where `value` stands on an axis that orders its values; 0 on one that does not, such as colours.
    fn position(&self, value: &str) -> i64 {
        match self {
            Axis::All(_, values) => values
                .iter()
                .position(|known| *known == value)
                .map_or(0, |at| to_i64(to_u64(at))),
            Axis::Two(..) => 0,
        }
    }
}

/// The product of the axes, the first one slowest; one empty choice without axes.
fn options(axes: &[Axis], product_index: u64) -> Vec<Vec<(String, String)>> {
    let mut rows = vec![Vec::new()];
    for axis in axes {
        let values = axis.values(product_index);
        rows = rows
            .into_iter()
            .flat_map(|row: Vec<(String, String)>| {
                values.iter().map(move |value| {
                    let option = (axis.name().to_owned(), (*value).to_owned());
                    row.iter().cloned().chain(std::iter::once(option)).collect()
                })
            })
            .collect();
    }
    rows
}

fn prices(euro_cents: i64, brand: &str, reduced: bool) -> Vec<SeedPrice> {
    let price = |currency_code, amount_minor: i64, step: i64| SeedPrice {
        currency_code,
        amount_minor,
        compare_at_minor: reduced.then(|| amount_minor * 5 / 4 / step * step),
    };
    let mut prices = vec![
        price("EUR", euro_cents, 100),
        price("USD", euro_cents * 109 / 1000 * 10, 100),
        price("CNY", euro_cents * 78 / 1000 * 100, 1000),
    ];
    if brand == "Ito Works" {
        prices.push(price("JPY", euro_cents * 165 / 10_000 * 100, 100));
    }
    prices
}

/// Units in stock: none for one variant in twelve, few for another one.
fn on_hand(index: u64) -> i32 {
    let dice = mix(index, 15);
    let units = match dice % 12 {
        0 => 0,
        1 => 1 + dice / 12 % 4,
        _ => 8 + dice / 12 % 180,
    };
    i32::try_from(units).expect("below 188")
}

fn made_in(brand: &str) -> &'static str {
    match brand {
        "山间" | "云窑" => "China",
        "Ito Works" | "Okari" => "Japan",
        "Fjellom" => "Norway",
        "Mirabel" => "France",
        "Brückner" => "Germany",
        _ => pick::<&str>(&["Portugal", "Italy", "Estonia", "Poland"], to_u64(brand.len()), 16),
    }
}

/// `TSHI-01-S-NAVY`: four letters of the shelf, the number on it, the options.
fn sku(shelf: &str, number: usize, values: &[&str]) -> String {
    let letters: String = shelf.chars().filter(char::is_ascii_alphabetic).take(4).collect();
    let options: String = values.iter().map(|value| format!("-{}", slug(value))).collect();
    format!("{letters}-{number:02}{options}").to_ascii_uppercase()
}

/// Thirteen digits: 20 (for use within a shop), the number, and the check digit of EAN-13.
fn barcode(index: u64) -> String {
    let digits = format!("20{index:010}");
    let sum: u32 = digits
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(position, digit)| if position % 2 == 0 { digit } else { 3 * digit })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Lower-case ASCII words joined by hyphens; letters outside ASCII are left out, but for a few Latin ones.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        let letter = match character {
            'ê' | 'é' => 'e',
            'ü' => 'u',
            '\'' => continue,
            other => other.to_ascii_lowercase(),
        };
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn minutes(index: u64) -> Duration {
    Duration::minutes(to_i64(index))
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).expect("counts of seed rows are small")
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("taken modulo a small count")
}

fn to_i64(number: u64) -> i64 {
    i64::try_from(number).expect("taken modulo a small count")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> usize {
        values.collect::<HashSet<_>>().len()
    }

    #[test]
    fn the_shop_has_the_promised_size_and_no_doubles() {
        assert_eq!((categories().len(), products().len(), variants().len()), (40, 300, 800));
        assert_eq!(distinct(categories().iter().map(|category| category.slug.as_str())), 40);
        assert_eq!(distinct(products().iter().map(|product| product.slug.as_str())), 300);
        assert_eq!(distinct(products().iter().map(|product| product.title.as_str())), 300);
        assert_eq!(distinct(variants().iter().map(|variant| variant.sku.as_str())), 800);
        assert_eq!(distinct(variants().iter().map(|variant| variant.barcode.as_str())), 800);
        assert_eq!(distinct(variants().iter().map(|variant| variant.id.as_str())), 800);
    }

    #[test]
    fn rows_are_believable() {
        let is_chinese = |text: &str| {
            text.chars()
                .any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
        };
        assert!(products().iter().filter(|product| is_chinese(&product.title)).count() >= 35);
        assert!((40..110).contains(&variants().iter().filter(|variant| variant.on_hand == 0).count()));
        for variant in variants() {
            assert!(variant.price_minor_eur() >= 500, "{variant:?}");
            assert!(variant.prices.iter().all(|price| price.amount_minor > 0), "{variant:?}");
            assert!(
                variant
                    .prices
                    .iter()
                    .all(|price| price.compare_at_minor.is_none_or(|was| was > price.amount_minor))
            );
            assert!(variant.sku.len() <= 64 && variant.weight_grams > 0);
        }
        expect_test::expect![[r#"
            SeedVariant {
                id: "var_01ke6jq3z8e68swbasv7w46mn9",
                product_id: "prod_01ke6jq300e10r2eddybmrm2wj",
                product_title: "Heavyweight Tee",
                sku: "TSHI-01-S-BLACK",
                title: "S / Black",
                options: [
                    (
                        "Size",
                        "S",
                    ),
                    (
                        "Colour",
                        "Black",
                    ),
                ],
                prices: [
                    SeedPrice {
                        currency_code: "EUR",
                        amount_minor: 2900,
                        compare_at_minor: None,
                    },
                    SeedPrice {
                        currency_code: "USD",
                        amount_minor: 3160,
                        compare_at_minor: None,
                    },
                    SeedPrice {
                        currency_code: "CNY",
                        amount_minor: 22600,
                        compare_at_minor: None,
                    },
                ],
                weight_grams: 190,
                dimensions_mm: [
                    317,
                    237,
                    75,
                ],
                barcode: "2000000000015",
                tax_class: "standard",
                on_hand: 52,
            }"#]]
        .assert_eq(&format!("{:#?}", variants()[1]));
    }
}
