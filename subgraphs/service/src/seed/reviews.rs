//! The reviews of the demo shop: 1 000, of which some two thirds are by people who bought the product.
//!
//! In: [`super::orders`], [`super::users`] and [`super::catalogue`]. Out: rows with ids; at most one for each person and
//! product. Knows no tables.

use super::catalogue::{self, SeedProduct};
use super::{mix, opening, orders, pick, users};
use crate::id;
use chrono::{DateTime, Duration, Utc};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Number of reviews.
pub const COUNT: usize = 1_000;

/// Most of them that are by buyers.
const BY_BUYERS_MAX: usize = 680;

/// A review.
#[derive(Debug, Clone)]
pub struct SeedReview {
    /// `rev_…`
    pub id: String,
    /// `prod_…`
    pub product_id: String,
    /// `usr_…`
    pub user_id: String,
    /// 1 to 5.
    pub rating: i32,
    /// A few words; some have none.
    pub title: Option<String>,
    /// Two to four sentences.
    pub body: String,
    /// Whether the author bought the product in a seeded order.
    pub is_verified: bool,
    /// In the half year after the shop's opening.
    pub created_at: DateTime<Utc>,
}

/// All reviews.
#[must_use]
pub fn reviews() -> &'static [SeedReview] {
    static REVIEWS: LazyLock<Vec<SeedReview>> = LazyLock::new(build);
    &REVIEWS
}

/// Who bought which product, as pairs of `usr_…` and `prod_…`; each once.
#[must_use]
pub fn purchases() -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    let bought = orders::all().iter().filter(|order| order.is_bought());
    let pairs = bought.flat_map(|order| {
        order
            .lines
            .iter()
            .map(|line| (order.user_id.clone(), line.variant.product_id.clone()))
    });
    pairs.filter(|pair| seen.insert(pair.clone())).collect()
}

fn build() -> Vec<SeedReview> {
    let products = catalogue::products();
    let purchases = purchases();
    let mut taken: HashSet<(String, String)> = purchases.iter().cloned().collect();
    let mut reviews: Vec<SeedReview> = Vec::new();
    for (user_id, product_id) in purchases.into_iter().take(BY_BUYERS_MAX) {
        let product = products.iter().find(|product| product.id == product_id);
        reviews.extend(product.map(|product| review(reviews.len(), product, user_id, true)));
    }
    let mut dice = 0;
    while reviews.len() < COUNT {
        dice += 1;
        // The product of two dice: a few products are talked about a lot, and some not at all.
        let (first, second) = (mix(dice, 3_001) % 300, mix(dice, 3_002) % 300);
        let product = &products[usize::try_from(first * second / 300).expect("below 300")];
        let user_id = users::id(2 + mix(dice, 3_003) % 98);
        if taken.insert((user_id.clone(), product.id.clone())) {
            reviews.push(review(reviews.len(), product, user_id, false));
        }
    }
    reviews
}

fn review(position: usize, product: &SeedProduct, user_id: String, is_verified: bool) -> SeedReview {
    let index = u64::try_from(position).expect("at most a thousand");
    // People who write reviews are mostly happy, or else very unhappy.
    let rating = *pick(&[5, 5, 5, 5, 5, 4, 4, 4, 4, 3, 3, 2, 1], index, 3_004);
    let is_chinese = product
        .title
        .chars()
        .any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character));
    let (title, body) = if is_chinese && mix(index, 3_005).is_multiple_of(2) {
        chinese(rating, index)
    } else {
        english(rating, index, product)
    };
    SeedReview {
        id: id::seeded("rev", index),
        product_id: product.id.clone(),
        user_id,
        rating,
        title: (!mix(index, 3_006).is_multiple_of(5)).then(|| title.to_owned()),
        body,
        is_verified,
        created_at: opening()
            + Duration::minutes(i64::try_from(mix(index, 3_007) % 262_800).expect("below half a year")),
    }
}

type Words = &'static [&'static str];

/// Titles, openings and closings by rating: five or four, three, two or one.
const ENGLISH: [[Words; 3]; 3] = [
    [
        &[
            "Exactly right",
            "Would buy again",
            "Better than the pictures",
            "A small joy",
            "Worth every cent",
            "No complaints",
        ],
        &[
            "I have used it almost every day since it came.",
            "Bought this as a present and then ordered a second one for myself.",
            "The quality surprised me for the price.",
            "I was sceptical at first, but it does exactly what it says.",
            "My third order here, and again nothing to complain about.",
            "It arrived two days early and well packed.",
        ],
        &[
            "Can only recommend it.",
            "My partner has already asked for one.",
            "I hope they never change it.",
            "If it ever breaks, I will buy the same again.",
            "Five minutes after unpacking I knew it would stay.",
        ],
    ],
    [
        &[
            "Good, not great",
            "Does the job",
            "Mixed feelings",
            "Decent for the price",
        ],
        &[
            "It is fine, but I had expected a little more.",
            "Nice idea, average finish.",
            "Delivery took longer than promised, which is not the product's fault.",
            "Looks good; the details could be better.",
        ],
        &[
            "I am keeping it, but I would compare before buying again.",
            "For half the price it would have four stars.",
            "Not bad, not special.",
        ],
    ],
    [
        &["Disappointed", "Not for me", "Sent it back", "Expected more"],
        &[
            "Sadly it did not survive the second week.",
            "The colour has little to do with the picture.",
            "It may be me, but I could not get used to it.",
            "Mine came with a fault.",
        ],
        &[
            "Returning it was easy, at least.",
            "Support was friendly and refunded me at once, hence not fewer stars.",
            "I will try another model.",
        ],
    ],
];

const CHINESE: [[Words; 3]; 3] = [
    [
        &["非常满意", "值得购买", "会回购", "超出预期"],
        &[
            "包装很用心，物流也快。",
            "质量很好，和描述一致。",
            "买来送人，朋友很喜欢。",
            "用了一个月才来评价，确实不错。",
        ],
        &["推荐给大家。", "下次还会再来。", "性价比很高。"],
    ],
    [
        &["一般般", "还可以", "中规中矩"],
        &[
            "东西还行，就是物流有点慢。",
            "做工一般，价格还算合理。",
            "和想象中有一点差距。",
        ],
        &["可以接受。", "先用用看。"],
    ],
    [
        &["有点失望", "不太满意"],
        &["收到时有瑕疵。", "颜色和图片差别比较大。"],
        &["客服态度不错，已经退款。", "希望能改进。"],
    ],
];

/// What is said of things of a department, whatever the rating.
const DETAILS: &[(&str, Words)] = &[
    (
        "Size",
        &[
            "I am 178 cm and took an M, which fits.",
            "It runs slightly large.",
            "The fabric feels solid.",
            "After three washes it looks like new.",
        ],
    ),
    (
        "Weight",
        &[
            "The smell when you open the tin!",
            "I brew it twice and the second cup is the better one.",
            "Fresh, and the date is on the tin.",
        ],
    ),
    (
        "Format",
        &[
            "I read it on two evenings.",
            "The translation reads well.",
            "The last third drags a little.",
        ],
    ),
    (
        "Diameter",
        &["It heats evenly, even at the rim.", "Heavier than I thought."],
    ),
    (
        "Colour",
        &[
            "The colour is even nicer in daylight.",
            "Light enough to forget that it is there.",
        ],
    ),
];

fn english(rating: i32, index: u64, product: &SeedProduct) -> (&'static str, String) {
    let [titles, openings, closings] = &ENGLISH[mood(rating)];
    let option = product.variants[0]
        .options
        .first()
        .map_or("", |(name, _)| name.as_str());
    let details = DETAILS
        .iter()
        .find(|(name, _)| *name == option)
        .map(|(_, details)| pick(details, index, 3_008));
    let sentences = [
        Some(pick(openings, index, 3_009)),
        details,
        Some(pick(closings, index, 3_010)),
    ];
    let body: Vec<&str> = sentences.into_iter().flatten().copied().collect();
    (pick::<&str>(titles, index, 3_011), body.join(" "))
}

fn chinese(rating: i32, index: u64) -> (&'static str, String) {
    let [titles, openings, closings] = &CHINESE[mood(rating)];
    (
        pick::<&str>(titles, index, 3_011),
        format!("{}{}", pick(openings, index, 3_009), pick(closings, index, 3_010)),
    )
}

fn mood(rating: i32) -> usize {
    match rating {
        4.. => 0,
        3 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_reviews_one_for_each_person_and_product() {
        let pairs: HashSet<_> = reviews()
            .iter()
            .map(|review| (&review.user_id, &review.product_id))
            .collect();
        assert_eq!((reviews().len(), pairs.len()), (COUNT, COUNT));
        let verified = reviews().iter().filter(|review| review.is_verified).count();
        assert!((500..=BY_BUYERS_MAX).contains(&verified), "{verified}");
        let purchases: HashSet<_> = purchases().into_iter().collect();
        assert!(reviews().iter().all(|review| {
            review.is_verified == purchases.contains(&(review.user_id.clone(), review.product_id.clone()))
        }));
        assert!(
            reviews()
                .iter()
                .all(|review| (1..=5).contains(&review.rating) && !review.body.is_empty())
        );
    }
}
