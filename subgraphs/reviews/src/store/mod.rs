//! Every query of this service. Takes and gives domain types; rows stay inside.

mod events;
mod people;
mod seeding;

pub(crate) use events::Effect;
pub(crate) use seeding::seed;

use crate::domain::{NewReview, Problem, ProblemCode, RatingSummary, Review, ReviewOrder};
use crate::entity::{purchase, review};
use sea_orm::sea_query::{ExprTrait, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, Iterable, PaginatorTrait,
    QueryFilter, SqlErr,
};
use service::clock::Clock;
use service::database::{Database, OneOf as _};
use service::id;
use service::paging::{Cursor, Keyset, PAGE_PARENT, Page, PageArgs};
use service::recent::Changes;
use service::together::{Storing, Together};
use std::collections::{BTreeSet, HashMap};

use events::{Applying, Effects};

/// Reviews of one person that are younger than a day: which ids are those of products is for their owner to say, so here anybody
/// could review what there is not. Those that were deleted take no room, and do not count.
const DAILY_MAX: u64 = 50;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The tables of reviews.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
    clock: Clock,
    /// Of reviews, by this replica.
    changes: Changes,
    applying: Applying,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Whose it would be has no account any more.
    #[error("the account was erased")]
    Erased,
    /// The database failed: not the caller's fault.
    #[error("a statement failed")]
    Database(#[from] DbErr),
}

type Result<T> = std::result::Result<T, StoreError>;

/// Whose reviews a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Product,
    User,
}

impl Owner {
    fn column(self) -> review::Column {
        match self {
            Owner::Product => review::Column::ProductId,
            Owner::User => review::Column::UserId,
        }
    }
}

impl From<review::Model> for Review {
    fn from(row: review::Model) -> Review {
        Review {
            id: row.id,
            product_id: row.product_id,
            user_id: row.user_id,
            rating: row.rating,
            title: row.title,
            body: row.body,
            is_verified: row.is_verified,
            created_at: chrono::DateTime::from_timestamp_millis(row.created_at_ms).unwrap_or_default(),
        }
    }
}

impl Store {
    /// The tables in `database`.
    pub(crate) fn new(database: Database, clock: Clock) -> Store {
        Store {
            applying: Together::new(Storing(Effects {
                database: database.clone(),
            })),
            database,
            clock,
            changes: Changes::default(),
        }
    }

    /// Of reviews, by this replica.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// Reviews by id; unknown ids are missing.
    pub(crate) async fn reviews(&self, ids: Vec<String>) -> Result<HashMap<String, Review>> {
        let rows = review::Entity::find()
            .filter(review::Column::Id.is_one_of(ids))
            .all(self.database.read())
            .await?;
        Ok(rows.into_iter().map(|row| (row.id.clone(), row.into())).collect())
    }

    /// The same page of the reviews of each owner.
    pub(crate) async fn reviews_of(
        &self,
        owner: Owner,
        owner_ids: Vec<String>,
        order: ReviewOrder,
        args: &PageArgs,
    ) -> Result<HashMap<String, Page<Review>>> {
        let column = owner.column();
        let mut select = Query::select();
        select
            .exprs(review::Column::iter().map(|column| column.into_expr()))
            .from(review::Entity)
            .and_where(column.is_one_of(owner_ids));
        let select = keyset(order).apply_below(select, column.into_expr(), args);
        let mut by_owner: HashMap<String, Vec<Review>> = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let review = review::Model::from_query_result(&row, "")?.into();
            by_owner.entry(row.try_get("", PAGE_PARENT)?).or_default().push(review);
        }
        let page = |rows| args.page(rows, |review| cursor(order, review));
        Ok(by_owner
            .into_iter()
            .map(|(owner_id, rows)| (owner_id, page(rows)))
            .collect())
    }

    /// How many reviews each owner has.
    pub(crate) async fn review_counts(&self, owner: Owner, owner_ids: Vec<String>) -> Result<HashMap<String, u64>> {
        let column = owner.column();
        let mut select = Query::select();
        select
            .expr_as(column.into_expr(), "owner_id")
            .expr_as(review::Column::Id.into_expr().count(), "review_count")
            .from(review::Entity)
            .and_where(column.is_one_of(owner_ids))
            .add_group_by([column.into_expr()]);
        let mut counts = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let count: i64 = row.try_get("", "review_count")?;
            counts.insert(row.try_get("", "owner_id")?, u64::try_from(count).unwrap_or_default());
        }
        Ok(counts)
    }

    /// How often each product got each rating; products without reviews are missing.
    pub(crate) async fn ratings(&self, product_ids: Vec<String>) -> Result<HashMap<String, RatingSummary>> {
        let mut select = Query::select();
        select
            .exprs([
                review::Column::ProductId.into_expr(),
                review::Column::Rating.into_expr(),
            ])
            .expr_as(review::Column::Id.into_expr().count(), "review_count")
            .from(review::Entity)
            .and_where(review::Column::ProductId.is_one_of(product_ids))
            .add_group_by([
                review::Column::ProductId.into_expr(),
                review::Column::Rating.into_expr(),
            ]);
        let mut summaries: HashMap<String, RatingSummary> = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let (rating, count): (i32, i64) = (row.try_get("", "rating")?, row.try_get("", "review_count")?);
            let summary = summaries.entry(row.try_get("", "product_id")?).or_default();
            if let Some(slot) = usize::try_from(rating - 1)
                .ok()
                .and_then(|star| summary.histogram.get_mut(star))
            {
                *slot = i32::try_from(count).unwrap_or(i32::MAX);
            }
        }
        Ok(summaries)
    }

    /// Writes a review. Gives its id.
    ///
    /// # Errors
    /// [`StoreError::Erased`] when the author was; a token outlives an account by some minutes.
    pub(crate) async fn create(
        &self,
        new: NewReview,
        require_purchase: bool,
    ) -> Result<std::result::Result<String, Problem>> {
        let transaction = self.database.begin().await?;
        // A payment that comes at the same time finds the review, or this finds the purchase.
        let erased = people::lock(&transaction, &BTreeSet::from([new.user_id.as_str()])).await?;
        if !erased.is_empty() {
            return Err(StoreError::Erased);
        }
        let recent = review::Entity::find()
            .filter(review::Column::UserId.eq(&new.user_id))
            .filter(review::Column::CreatedAtMs.gt(self.now_ms() - DAY_MS));
        if recent.count(&transaction).await? >= DAILY_MAX {
            return Ok(Err(Problem {
                code: ProblemCode::ReviewLimit,
                field: "",
                message: format!("At most {DAILY_MAX} reviews within a day."),
            }));
        }
        let key = (new.user_id.clone(), new.product_id.clone());
        let is_verified = purchase::Entity::find_by_id(key).count(&transaction).await? > 0;
        if require_purchase && !is_verified {
            let message = "Only people who bought the product can review it.".to_owned();
            return Ok(Err(Problem {
                code: ProblemCode::NotPurchased,
                field: "productId",
                message,
            }));
        }
        let review_id = id::new("rev");
        let row = review::ActiveModel {
            id: Set(review_id.clone()),
            product_id: Set(new.product_id),
            user_id: Set(new.user_id),
            rating: Set(new.rating),
            title: Set(new.title),
            body: Set(new.body),
            is_verified: Set(is_verified),
            created_at_ms: Set(self.now_ms()),
        };
        match review::Entity::insert(row).exec_without_returning(&transaction).await {
            Ok(_) => {
                transaction.commit().await?;
                self.changes.note();
                Ok(Ok(review_id))
            }
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                let message = "You have reviewed this product already.".to_owned();
                Ok(Err(Problem {
                    code: ProblemCode::AlreadyReviewed,
                    field: "productId",
                    message,
                }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a review; of `author` only, unless `None`. Whether there was one.
    pub(crate) async fn delete(&self, review_id: &str, author: Option<&str>) -> Result<bool> {
        let mut delete = review::Entity::delete_many().filter(review::Column::Id.eq(review_id));
        if let Some(author) = author {
            delete = delete.filter(review::Column::UserId.eq(author));
        }
        let deleted = delete.exec(self.database.write()).await?.rows_affected > 0;
        if deleted {
            self.changes.note();
        }
        Ok(deleted)
    }
}

fn keyset(order: ReviewOrder) -> Keyset {
    let (rating, age) = (
        review::Column::Rating.into_expr(),
        review::Column::CreatedAtMs.into_expr(),
    );
    let keyset = match order {
        ReviewOrder::Newest => Keyset::new(),
        ReviewOrder::RatingDescending => Keyset::new().descending_number(rating),
        ReviewOrder::RatingAscending => Keyset::new().ascending_number(rating),
    };
    keyset.descending_number(age).descending(review::Column::Id.into_expr())
}

fn cursor(order: ReviewOrder, review: &Review) -> Cursor {
    let age = review.created_at.timestamp_millis();
    match order {
        ReviewOrder::Newest => Cursor::new(&(age, &review.id)),
        _ => Cursor::new(&(review.rating, age, &review.id)),
    }
}
