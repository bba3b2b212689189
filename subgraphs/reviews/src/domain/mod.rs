//! Reviews in plain Rust: what one is, and which may be written. Knows neither GraphQL nor a database.

use chrono::{DateTime, Utc};

/// Longest title, in characters.
const TITLE_CHARACTERS_MAX: usize = 120;
/// Longest body, in characters: 20 KB at worst, below the 64 KB of MySQL's TEXT.
const BODY_CHARACTERS_MAX: usize = 5_000;

/// What somebody thinks of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Review {
    /// `rev_…`
    pub(crate) id: String,
    /// `prod_…`
    pub(crate) product_id: String,
    /// `usr_…`
    pub(crate) user_id: String,
    /// 1 to 5.
    pub(crate) rating: i32,
    /// A few words.
    pub(crate) title: Option<String>,
    /// Plain text.
    pub(crate) body: String,
    /// Whether the author bought the product.
    pub(crate) is_verified: bool,
    /// When it was written.
    pub(crate) created_at: DateTime<Utc>,
}

/// A review to be written; its limits are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewReview {
    pub(crate) product_id: String,
    pub(crate) user_id: String,
    pub(crate) rating: i32,
    pub(crate) title: Option<String>,
    pub(crate) body: String,
}

impl NewReview {
    /// Trims the texts and checks the limits.
    ///
    /// # Errors
    /// Every problem.
    pub(crate) fn check(mut self) -> Result<NewReview, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut problem = |code, field, message: String| problems.push(Problem { code, field, message });
        self.body = self.body.trim().to_owned();
        self.title = self
            .title
            .map(|title| title.trim().to_owned())
            .filter(|title| !title.is_empty());
        if !service::id::is("prod", &self.product_id) {
            problem(ProblemCode::NotFound, "productId", "No product has this id.".to_owned());
        }
        if !(1..=5).contains(&self.rating) {
            problem(
                ProblemCode::RatingOutOfRange,
                "rating",
                "A rating is 1 to 5.".to_owned(),
            );
        }
        if self
            .title
            .as_ref()
            .is_some_and(|title| title.chars().count() > TITLE_CHARACTERS_MAX)
        {
            problem(
                ProblemCode::TitleTooLong,
                "title",
                format!("At most {TITLE_CHARACTERS_MAX} characters."),
            );
        }
        if self
            .title
            .as_deref()
            .is_some_and(|title| title.contains(char::is_control))
        {
            problem(ProblemCode::Invalid, "title", "No control characters.".to_owned());
        }
        let is_layout = |c| matches!(c, '\n' | '\r' | '\t');
        if self.body.contains(|c: char| c.is_control() && !is_layout(c)) {
            let message = "No control characters but line breaks and tabs.".to_owned();
            problem(ProblemCode::Invalid, "body", message);
        }
        if self.body.is_empty() {
            problem(ProblemCode::Required, "body", "Say why.".to_owned());
        } else if self.body.chars().count() > BODY_CHARACTERS_MAX {
            problem(
                ProblemCode::BodyTooLong,
                "body",
                format!("At most {BODY_CHARACTERS_MAX} characters."),
            );
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}

/// A mistake that the caller can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: ProblemCode,
    /// Field of the input; empty for the whole call.
    pub(crate) field: &'static str,
    pub(crate) message: String,
}

/// Kinds of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemCode {
    NotFound,
    Required,
    RatingOutOfRange,
    TitleTooLong,
    BodyTooLong,
    Invalid,
    AlreadyReviewed,
    NotPurchased,
    ReviewLimit,
}

/// The order of a list. Ties are broken by age, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ReviewOrder {
    Newest,
    RatingDescending,
    RatingAscending,
}

/// How often a product got each rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RatingSummary {
    /// Of one star first.
    pub(crate) histogram: [i32; 5],
}

impl RatingSummary {
    /// Number of reviews.
    pub(crate) fn count(self) -> i32 {
        self.histogram.iter().sum()
    }

    /// Rounded to two decimals; `None` without reviews.
    pub(crate) fn average(self) -> Option<f64> {
        let sum: f64 = self
            .histogram
            .iter()
            .zip([1.0, 2.0, 3.0, 4.0, 5.0])
            .map(|(count, stars)| f64::from(*count) * stars)
            .sum();
        (self.count() > 0).then(|| (sum / f64::from(self.count()) * 100.0).round() / 100.0)
    }
}
