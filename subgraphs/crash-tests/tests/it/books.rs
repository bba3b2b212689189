//! The books: what orders, payments, products and the gateway each say, held against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sea_orm::{ConnectionTrait as _, QueryResult, Statement};
use service::database::Database;

use crate::shop::Shop;

/// Longest time in which everything that was begun comes to its end: backoff and lookups, at the pace of the clock.
const SETTLE: Duration = Duration::from_secs(120);

/// Longest time in which a lock is given back by somebody who is not frozen.
const WRITE: Duration = Duration::from_secs(5);

/// The databases, and what they held at first.
pub(crate) struct Books {
    orders: Database,
    products: Database,
    payments: Database,
    before: Stock,
}

/// Per variant: on hand, reserved, reserved by reservations, committed, restocked.
type Stock = BTreeMap<String, [i64; 5]>;

/// One order, as orders has it.
struct Row {
    id: String,
    status: String,
    total: i64,
    refunded: i64,
}

impl Books {
    pub(crate) async fn open(shop: &Shop) -> Result<Books> {
        let products = shop.database("products").await?;
        Ok(Books {
            before: stock(&products).await?,
            orders: shop.database("orders").await?,
            payments: shop.database("payments").await?,
            products,
        })
    }

    /// Waits until no saga goes on.
    pub(crate) async fn settle_sagas(&self) -> Result<()> {
        let begun = Instant::now();
        while let [open, ..] = &self.open_sagas().await?[..] {
            ensure!(begun.elapsed() < SETTLE, "still under way: {open}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Whether orders can be written: nobody who froze is in the middle of that.
    pub(crate) async fn can_be_written(&self) -> bool {
        let writing = async {
            let transaction = self.orders.begin().await?;
            transaction
                .execute_unprepared("UPDATE orders SET status = status")
                .await?;
            transaction.rollback().await
        };
        matches!(tokio::time::timeout(WRITE, writing).await, Ok(Ok(())))
    }

    /// Waits until nothing is under way, then checks everything; gives the number of orders by status.
    pub(crate) async fn balance(&self, shop: &Shop) -> Result<BTreeMap<String, usize>> {
        let begun = Instant::now();
        loop {
            let open = self.under_way().await?;
            if open.is_empty() {
                break;
            }
            if begun.elapsed() > SETTLE {
                bail!("still under way: {open:#?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.check_stock().await?;
        self.check_money(shop).await
    }

    /// Lets go of the databases.
    pub(crate) async fn close(self) {
        for database in [self.orders, self.products, self.payments] {
            database.close().await;
        }
    }

    /// Sagas that go on, events that were not sent, and those that orders has not taken.
    async fn under_way(&self) -> Result<Vec<String>> {
        let mut open = self.open_sagas().await?;
        for database in [&self.orders, &self.payments] {
            for row in rows(database, "SELECT id FROM event_outbox WHERE sent_at IS NULL").await? {
                open.push(format!("event {} waits", text(&row, "id")?));
            }
        }
        // Payments tells orders alone.
        let taken = ids(&self.orders, "SELECT id FROM event_inbox").await?;
        for sent in ids(&self.payments, "SELECT id FROM event_outbox").await? {
            if !taken.contains(&sent) {
                open.push(format!("event {sent} was not taken"));
            }
        }
        Ok(open)
    }

    async fn open_sagas(&self) -> Result<Vec<String>> {
        let sagas = "SELECT id, saga_step FROM orders WHERE saga_step NOT IN ('DONE', 'AWAIT_PAYMENT')";
        let open = |row| Ok(format!("{} {}", text(&row, "id")?, text(&row, "saga_step")?));
        rows(&self.orders, sagas).await?.into_iter().map(open).collect()
    }

    async fn check_stock(&self) -> Result<()> {
        for (variant, [on_hand, reserved, held, committed, restocked]) in stock(&self.products).await? {
            let [first, _, _, committed_first, restocked_first] = self.before[&variant];
            ensure!(
                reserved == held,
                "{variant}: {reserved} reserved, but reservations hold {held}"
            );
            ensure!(
                (0..=on_hand).contains(&reserved),
                "{variant}: {reserved} of {on_hand} reserved"
            );
            let expected = first - (committed - committed_first) + (restocked - restocked_first);
            ensure!(on_hand == expected, "{variant}: {on_hand} on hand, not {expected}");
        }
        Ok(())
    }

    async fn check_money(&self, shop: &Shop) -> Result<BTreeMap<String, usize>> {
        let mut order_of = BTreeMap::new();
        for row in rows(&self.payments, "SELECT id, order_id FROM payment").await? {
            order_of.insert(text(&row, "id")?, text(&row, "order_id")?);
        }
        let mut booked: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
        for payment in shop.ledger().await? {
            let reference = payment["reference"].as_str().unwrap_or_default();
            let Some(order) = order_of.get(reference) else {
                bail!("the gateway has {payment}, and payments has not");
            };
            ensure!(payment["status"] != "authorized", "a hold is left behind: {payment}");
            let amount = |name: &str| payment[name].as_i64().unwrap_or_default();
            if amount("captured_minor") > 0 {
                let taken = (amount("captured_minor"), amount("refunded_minor"));
                booked.entry(order.clone()).or_default().push(taken);
            }
        }
        let mut statuses = BTreeMap::new();
        for order in self.placed_orders().await? {
            let taken = booked.remove(&order.id).unwrap_or_default();
            ensure!(taken.len() <= 1, "{} was captured {} times", order.id, taken.len());
            let kept: i64 = taken.iter().map(|(captured, refunded)| captured - refunded).sum();
            let expected = match order.status.as_str() {
                "PAID" | "FULFILLED" | "PARTIALLY_REFUNDED" | "REFUNDED" => order.total - order.refunded,
                _ => 0,
            };
            let Row { id, status, .. } = &order;
            ensure!(kept == expected, "{id} is {status}: {kept} kept, not {expected}");
            *statuses.entry(order.status).or_default() += 1;
        }
        ensure!(booked.is_empty(), "money without an order: {booked:?}");
        Ok(statuses)
    }

    /// Orders that are not of the demo shop: those are paid without the gateway of this test.
    async fn placed_orders(&self) -> Result<Vec<Row>> {
        let seeded = service::seed::orders::all();
        let mut orders = Vec::new();
        for row in rows(
            &self.orders,
            "SELECT id, status, total_minor, refunded_minor FROM orders",
        )
        .await?
        {
            let id = text(&row, "id")?;
            if seeded.iter().any(|seed| seed.id == id) {
                continue;
            }
            orders.push(Row {
                id,
                status: text(&row, "status")?,
                total: row.try_get("", "total_minor")?,
                refunded: row.try_get("", "refunded_minor")?,
            });
        }
        Ok(orders)
    }
}

async fn stock(products: &Database) -> Result<Stock> {
    let mut stock = Stock::new();
    for row in rows(products, "SELECT variant_id, on_hand, reserved FROM stock").await? {
        let entry = [number(&row, "on_hand")?, number(&row, "reserved")?, 0, 0, 0];
        stock.insert(text(&row, "variant_id")?, entry);
    }
    let lines = "SELECT l.variant_id AS variant_id, l.quantity AS quantity, l.restocked AS restocked, r.state AS state
        FROM reservation_line l JOIN reservation r ON r.order_id = l.order_id";
    for row in rows(products, lines).await? {
        let Some(entry) = stock.get_mut(&text(&row, "variant_id")?) else {
            continue;
        };
        let quantity = number(&row, "quantity")?;
        match text(&row, "state")?.as_str() {
            "RESERVED" => entry[2] += quantity,
            "COMMITTED" => entry[3] += quantity,
            _ => {}
        }
        entry[4] += number(&row, "restocked")?;
    }
    Ok(stock)
}

async fn ids(database: &Database, sql: &str) -> Result<BTreeSet<String>> {
    rows(database, sql).await?.iter().map(|row| text(row, "id")).collect()
}

async fn rows(database: &Database, sql: &str) -> Result<Vec<QueryResult>> {
    let connection = database.read();
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    Ok(connection.query_all_raw(statement).await?)
}

fn text(row: &QueryResult, column: &str) -> Result<String> {
    Ok(row.try_get("", column)?)
}

fn number(row: &QueryResult, column: &str) -> Result<i64> {
    Ok(i64::from(row.try_get::<i32>("", column)?))
}
