//! What clients read: orders, their lines and their history, for many parents at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, Iterable as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use service::database::{Database, OneOf as _};
use service::paging::{Cursor, Keyset, Page, PageArgs};

use super::rows::{event_from_row, line_from_row, order_from_row, refund_from_row, saga_from_row};
use super::{Store, StoreError};
use crate::domain::{Event, Order, OrderFile, OrderLine, OrderStatus};
use crate::entity::{order_event, order_line, order_refund, orders};

/// Which orders of a list are wanted; the default wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OrderFilter {
    /// Any of these; empty for all.
    pub statuses: Vec<OrderStatus>,
    /// Placed then or later.
    pub placed_from: Option<DateTime<Utc>>,
    /// Placed then or earlier.
    pub placed_to: Option<DateTime<Utc>>,
    /// This number.
    pub number: Option<i64>,
}

impl OrderFilter {
    fn condition(&self) -> Condition {
        use orders::Column;
        let statuses = self.statuses.iter().map(|status| status.as_str());
        Condition::all()
            .add_option((!self.statuses.is_empty()).then(|| Column::Status.is_in(statuses)))
            .add_option(self.placed_from.map(|from| Column::PlacedAt.gte(from)))
            .add_option(self.placed_to.map(|to| Column::PlacedAt.lte(to)))
            .add_option(self.number.map(|number| Column::Number.eq(number)))
    }
}

impl Store {
    /// Everything about one order, as it is when this is called or later.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn file(&self, order_id: &str) -> Result<Option<OrderFile>, StoreError> {
        Ok(self.files.load(order_id.to_owned()).await?)
    }

    /// The orders with these ids, in any order.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn orders_by_id(&self, ids: Vec<String>) -> Result<HashMap<String, Order>, StoreError> {
        let rows = orders::Entity::find()
            .filter(orders::Column::Id.is_one_of(ids))
            .all(self.database.read())
            .await?;
        rows.into_iter()
            .map(|row| Ok((row.id.clone(), order_from_row(row)?)))
            .collect()
    }

    /// The order with this number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn order_by_number(&self, number: i64) -> Result<Option<Order>, StoreError> {
        let row = orders::Entity::find()
            .filter(orders::Column::Number.eq(number))
            .one(self.database.read())
            .await?;
        row.map(order_from_row).transpose()
    }

    /// The lines of each of these orders, by position.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn lines_by_order(&self, order_ids: Vec<String>) -> Result<HashMap<String, Vec<OrderLine>>, StoreError> {
        lines_by_order(&self.database, order_ids).await
    }

    /// The history of each of these orders, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn events_by_order(&self, order_ids: Vec<String>) -> Result<HashMap<String, Vec<Event>>, StoreError> {
        let rows = order_event::Entity::find()
            .filter(order_event::Column::OrderId.is_one_of(order_ids))
            .order_by_asc(order_event::Column::Id)
            .all(self.database.read())
            .await?;
        let mut events: HashMap<String, Vec<Event>> = HashMap::new();
        for row in rows {
            events
                .entry(row.order_id.clone())
                .or_default()
                .push(event_from_row(row)?);
        }
        Ok(events)
    }

    /// A page of all orders, newest first; `counted` also counts them.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn page(&self, filter: &OrderFilter, args: &PageArgs, counted: bool) -> Result<Page<Order>, StoreError> {
        let select = orders::Entity::find().filter(filter.condition());
        let total = if counted {
            Some(select.clone().count(self.database.read()).await?)
        } else {
            None
        };
        let rows = newest_first().apply(select, args).all(self.database.read()).await?;
        let orders = rows.into_iter().map(order_from_row).collect::<Result<Vec<_>, _>>()?;
        Ok(args.page(orders, cursor).with_total(total))
    }

    /// The same page of the orders of each of these users, in one statement, and one more when `counted`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn pages_by_user(
        &self,
        user_ids: Vec<String>,
        filter: &OrderFilter,
        (args, counted): (&PageArgs, bool),
    ) -> Result<HashMap<String, Page<Order>>, StoreError> {
        use orders::Column;
        let database = self.database.read();
        let mut select = Query::select();
        select
            .columns(Column::iter())
            .from(orders::Entity)
            .cond_where(filter.condition())
            .and_where(Column::UserId.is_one_of(&user_ids));
        let statement = newest_first().apply_below(select, Expr::col(Column::UserId), args);
        let mut rows: HashMap<String, Vec<Order>> = HashMap::new();
        for row in database.query_all(&statement).await? {
            let order = order_from_row(orders::Model::from_query_result(&row, "")?)?;
            rows.entry(order.user_id.clone()).or_default().push(order);
        }
        let totals = if counted {
            self.counts_by_user(&user_ids, filter).await?
        } else {
            HashMap::new()
        };
        let pages = user_ids.into_iter().map(|user_id| {
            let page = args.page(rows.remove(&user_id).unwrap_or_default(), cursor);
            let total = counted.then(|| totals.get(&user_id).copied().unwrap_or_default());
            (user_id, page.with_total(total))
        });
        Ok(pages.collect())
    }

    async fn counts_by_user(
        &self,
        user_ids: &[String],
        filter: &OrderFilter,
    ) -> Result<HashMap<String, u64>, StoreError> {
        use orders::Column;
        let counts = orders::Entity::find()
            .select_only()
            .column(Column::UserId)
            .column_as(Column::Id.count(), "count")
            .filter(filter.condition())
            .filter(Column::UserId.is_one_of(user_ids))
            .group_by(Column::UserId)
            .into_tuple::<(String, i64)>()
            .all(self.database.read())
            .await?;
        Ok(counts
            .into_iter()
            .map(|(user_id, count)| (user_id, u64::try_from(count).unwrap_or_default()))
            .collect())
    }
}

/// Everything about these orders.
pub(super) async fn files(database: &Database, ids: Vec<String>) -> Result<HashMap<String, OrderFile>, StoreError> {
    // A row for each refund, and most orders have none.
    let rows = orders::Entity::find()
        .filter(orders::Column::Id.is_one_of(&ids))
        .find_also_related(order_refund::Entity)
        .order_by_asc(order_refund::Column::Id)
        .all(database.read())
        .await?;
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let mut lines = lines_by_order(database, ids).await?;
    let mut files: HashMap<String, OrderFile> = HashMap::new();
    for (order, refund) in rows {
        let id = order.id.clone();
        if !files.contains_key(&id) {
            let file = OrderFile {
                saga: saga_from_row(&order)?,
                order: order_from_row(order)?,
                lines: lines.remove(&id).unwrap_or_default(),
                refunds: Vec::new(),
                new_events: Vec::new(),
            };
            files.insert(id.clone(), file);
        }
        if let (Some(file), Some(refund)) = (files.get_mut(&id), refund) {
            file.refunds.push(refund_from_row(refund)?);
        }
    }
    Ok(files)
}

async fn lines_by_order(
    database: &Database,
    order_ids: Vec<String>,
) -> Result<HashMap<String, Vec<OrderLine>>, StoreError> {
    let rows = order_line::Entity::find()
        .filter(order_line::Column::OrderId.is_one_of(order_ids))
        .order_by_asc(order_line::Column::OrderId)
        .order_by_asc(order_line::Column::Position)
        .all(database.read())
        .await?;
    let mut lines: HashMap<String, Vec<OrderLine>> = HashMap::new();
    for row in rows {
        lines.entry(row.order_id.clone()).or_default().push(line_from_row(row));
    }
    Ok(lines)
}

/// Ids begin with the time.
fn newest_first() -> Keyset {
    Keyset::new().descending(Expr::col(orders::Column::Id))
}

fn cursor(order: &Order) -> Cursor {
    Cursor::new(&(&order.id,))
}
