//! Relay pages by keyset: `WHERE (sort key, id) > (cursor)`, never `OFFSET`.
//!
//! [`PageArgs`] is what a field was asked, [`Keyset`] turns it into SQL, and [`Page`] is what the store answers. The
//! GraphQL side is [`crate::connection!`].

use crate::graphql::{BAD_USER_INPUT, error};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::QuerySelect;
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, Order, OverStatement, Query, SelectStatement, SimpleExpr, WindowStatement,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Page size of a list when the client names none.
pub const FIRST_DEFAULT: u32 = 20;
/// Largest page a client may ask for.
pub const FIRST_MAX: u32 = 100;
/// Column of [`Keyset::apply_below`] that tells whose row it is.
pub const PAGE_PARENT: &str = "page_parent";
/// Longest cursor that is read; ours are below 300 characters.
const CURSOR_BYTES_MAX: usize = 1024;

/// Most parts of a sort key that is read; ours have three.
const CURSOR_PARTS_MAX: usize = 8;

/// A place in a sorted list: the sort key of one row. Opaque to clients (base64url of a JSON array).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    key: Vec<serde_json::Value>,
}

impl Cursor {
    /// The cursor of the row with this sort `key`, such as `(price, id)`. The key must serialise to an array of
    /// strings, numbers and booleans.
    ///
    /// # Panics
    /// When `key` does not serialise; tuples of plain values always do.
    #[must_use]
    pub fn new(key: &impl Serialize) -> Cursor {
        let key = match serde_json::to_value(key).expect("a tuple of plain values") {
            serde_json::Value::Array(key) => key,
            single => vec![single],
        };
        Cursor { key }
    }

    /// Reads what [`Cursor::encode`] wrote.
    #[must_use]
    pub fn decode(text: &str) -> Option<Cursor> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let key: Vec<serde_json::Value> = serde_json::from_slice(&json).ok()?;
        // No text of ours holds a NUL, and PostgreSQL refuses a statement with one.
        let is_plain = |part: &serde_json::Value| match part {
            serde_json::Value::String(text) => !text.contains('\0'),
            part => !part.is_object() && !part.is_array(),
        };
        (key.len() <= CURSOR_PARTS_MAX && key.iter().all(is_plain)).then_some(Cursor { key })
    }

    /// The text that clients hold.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::Value::Array(self.key.clone()).to_string())
    }

    /// The sort key as a tuple; `None` when the cursor is of another list.
    #[must_use]
    pub fn key<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(serde_json::Value::Array(self.key.clone())).ok()
    }
}

/// Which page of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageArgs {
    /// Rows on the page, at most the list's maximum. 0 is allowed.
    pub limit: u32,
    /// True for `last`/`before`: the page is taken from the end.
    pub backward: bool,
    /// Only rows after this one.
    pub after: Option<Cursor>,
    /// Only rows before this one.
    pub before: Option<Cursor>,
}

/// The arguments of a Relay connection, as they arrive.
#[derive(Clone, Debug, Default)]
pub struct RawPageArgs {
    /// Rows from the start.
    pub first: Option<i32>,
    /// Start behind this cursor.
    pub after: Option<String>,
    /// Rows from the end.
    pub last: Option<i32>,
    /// End ahead of this cursor.
    pub before: Option<String>,
}

impl PageArgs {
    /// Checks the arguments of a connection, with the usual default of 20 rows and maximum of 100.
    ///
    /// `last` wins over a `first` that may be the schema's default value, so `first` and `last` together are allowed.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a negative or too large page, or a cursor that is not one.
    pub fn parse(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<PageArgs> {
        PageArgs::parse_with(
            RawPageArgs {
                first,
                after,
                last,
                before,
            },
            FIRST_DEFAULT,
            FIRST_MAX,
        )
    }

    /// Like [`PageArgs::parse`], with this list's own default and maximum.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` as [`PageArgs::parse`].
    pub fn parse_with(raw: RawPageArgs, default: u32, max: u32) -> async_graphql::Result<PageArgs> {
        let (name, asked) = if raw.last.is_some() {
            ("last", raw.last)
        } else {
            ("first", raw.first)
        };
        let limit = match asked.map(u32::try_from) {
            None => default,
            Some(Ok(limit)) if limit <= max => limit,
            Some(_) => return Err(error(BAD_USER_INPUT, format!("`{name}` must be between 0 and {max}"))),
        };
        let cursor = |name: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => match Cursor::decode(&text) {
                Some(cursor) => Ok(Some(cursor)),
                None => Err(error(BAD_USER_INPUT, format!("`{name}` is not a cursor of this list"))),
            },
        };
        let (after, before) = (cursor("after", raw.after)?, cursor("before", raw.before)?);
        Ok(PageArgs {
            limit,
            backward: raw.last.is_some(),
            after,
            before,
        })
    }

    /// Takes the name of the order off the cursors of a list that has several: it is the first part of each, so that a cursor of
    /// one order is not taken for a place in another.
    ///
    /// * `order`: the name as clients know it, such as `PRICE_ASC`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a cursor of another order.
    pub fn of_order(mut self, order: &str) -> async_graphql::Result<PageArgs> {
        for (name, cursor) in [("after", &mut self.after), ("before", &mut self.before)] {
            let Some(Cursor { key }) = cursor else { continue };
            if key.first().and_then(serde_json::Value::as_str) != Some(order) {
                let message =
                    format!("`{name}` is not a cursor of this list in the order {order}: begin with its first page");
                return Err(error(BAD_USER_INPUT, message));
            }
            key.remove(0);
        }
        Ok(self)
    }

    /// Turns the rows that [`Keyset::apply`] selected (one more than the page holds, perhaps in reverse order) into a
    /// page. `cursor` gives the sort key of a row.
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        if self.backward {
            rows.reverse();
        }
        let has_previous = if self.backward { more } else { self.after.is_some() };
        let has_next = if self.backward { self.before.is_some() } else { more };
        let rows = rows.into_iter().map(|row| (cursor(&row), row)).collect();
        Page {
            rows,
            has_next,
            has_previous,
            total: None,
        }
    }
}

/// One page of a list, in the list's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Each row with its cursor.
    pub rows: Vec<(Cursor, T)>,
    /// Whether there are rows behind the page.
    pub has_next: bool,
    /// Whether there are rows ahead of the page.
    pub has_previous: bool,
    /// Number of rows of the whole list, when it was counted.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// A page with nothing on it.
    #[must_use]
    pub fn empty() -> Page<T> {
        Page {
            rows: Vec::new(),
            has_next: false,
            has_previous: false,
            total: Some(0),
        }
    }

    /// The same page of other rows.
    #[must_use]
    pub fn map<U>(self, mut convert: impl FnMut(T) -> U) -> Page<U> {
        let rows = self
            .rows
            .into_iter()
            .map(|(cursor, row)| (cursor, convert(row)))
            .collect();
        Page {
            rows,
            has_next: self.has_next,
            has_previous: self.has_previous,
            total: self.total,
        }
    }

    /// The same page, knowing the length of the whole list.
    #[must_use]
    pub fn with_total(self, total: Option<u64>) -> Page<T> {
        Page { total, ..self }
    }
}

/// A total order of rows: columns (or expressions) from most to least significant, the last one unique.
#[derive(Clone, Debug, Default)]
pub struct Keyset {
    columns: Vec<KeyColumn>,
}

#[derive(Clone, Debug)]
struct KeyColumn {
    column: SimpleExpr,
    order: Order,
    kind: Kind,
}

/// What is in a column of a [`Keyset`]: whoever makes up a cursor must not choose what it is compared with.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Number,
}

impl Keyset {
    /// An order by nothing yet.
    #[must_use]
    pub fn new() -> Keyset {
        Keyset::default()
    }

    /// Then by the text in `column`, smallest first.
    #[must_use]
    pub fn ascending(self, column: impl Into<SimpleExpr>) -> Keyset {
        self.then(column.into(), Order::Asc, Kind::Text)
    }

    /// Then by the text in `column`, largest first.
    #[must_use]
    pub fn descending(self, column: impl Into<SimpleExpr>) -> Keyset {
        self.then(column.into(), Order::Desc, Kind::Text)
    }

    /// Then by the whole number in `column`, smallest first.
    #[must_use]
    pub fn ascending_number(self, column: impl Into<SimpleExpr>) -> Keyset {
        self.then(column.into(), Order::Asc, Kind::Number)
    }

    /// Then by the whole number in `column`, largest first.
    #[must_use]
    pub fn descending_number(self, column: impl Into<SimpleExpr>) -> Keyset {
        self.then(column.into(), Order::Desc, Kind::Number)
    }

    fn then(mut self, column: SimpleExpr, order: Order, kind: Kind) -> Keyset {
        self.columns.push(KeyColumn { column, order, kind });
        self
    }

    /// Orders `select`, and limits it to the page and one row more (which [`PageArgs::page`] turns into
    /// `hasNextPage`). A cursor with other parts than the order has columns, or with other types, matches nothing.
    pub fn apply<S: QuerySelect>(&self, mut select: S, args: &PageArgs) -> S {
        self.apply_to(QuerySelect::query(&mut select), args);
        select
    }

    /// [`Keyset::apply`] for a statement of sea-query.
    pub fn apply_to<'a>(&self, select: &'a mut SelectStatement, args: &PageArgs) -> &'a mut SelectStatement {
        self.cut(select, args);
        for KeyColumn { column, order, .. } in &self.columns {
            select.order_by_expr(column.clone(), directed(order, args));
        }
        select.limit(u64::from(args.limit) + 1)
    }

    /// The same page below each of many parents, in one statement: the rows of each `parent` are numbered by a window
    /// function in this order, and the page and one row more of each are kept.
    ///
    /// Answers the columns of `select` (which must have distinct names) and, as `page_parent`, the parent; hand the
    /// rows of each parent to [`PageArgs::page`].
    #[must_use]
    pub fn apply_below(&self, mut select: SelectStatement, parent: SimpleExpr, args: &PageArgs) -> SelectStatement {
        self.cut(&mut select, args);
        let mut window = WindowStatement::new();
        window.add_partition_by(parent.clone());
        for KeyColumn { column, order, .. } in &self.columns {
            window.order_by_expr(column.clone(), directed(order, args));
        }
        select.expr_as(parent, PAGE_PARENT);
        select.expr_window_as(Expr::cust("ROW_NUMBER()"), window, "page_row");
        let mut page = Query::select();
        page.expr(Expr::cust("*"))
            .from_subquery(select, "page")
            .and_where(Expr::col("page_row").lte(u64::from(args.limit) + 1))
            .order_by("page_row", Order::Asc);
        page
    }

    /// Keeps what is between the cursors.
    fn cut(&self, select: &mut SelectStatement, args: &PageArgs) {
        for (cursor, towards_end) in [(&args.after, true), (&args.before, false)] {
            if let Some(cursor) = cursor {
                select.cond_where(self.beyond(cursor, towards_end));
            }
        }
    }

    /// `(a > x) OR (a = x AND b > y) OR …`: row values would be shorter, but cannot mix directions.
    fn beyond(&self, cursor: &Cursor, towards_end: bool) -> Condition {
        let Some(values) = self.values(cursor) else {
            return Condition::any().add(Expr::val(1).eq(0));
        };
        let mut any = Condition::any();
        for (position, (key, value)) in self.columns.iter().zip(&values).enumerate() {
            let mut all = Condition::all();
            for (KeyColumn { column, .. }, value) in self.columns.iter().zip(&values).take(position) {
                all = all.add(column.clone().eq(value.clone()));
            }
            let ascending = (key.order == Order::Asc) == towards_end;
            let column = key.column.clone();
            any = any.add(all.add(if ascending {
                column.gt(value.clone())
            } else {
                column.lt(value.clone())
            }));
        }
        any
    }

    /// The parts of a cursor of this order; `None` of another one.
    fn values(&self, cursor: &Cursor) -> Option<Vec<sea_orm::Value>> {
        if cursor.key.len() != self.columns.len() {
            return None;
        }
        let parts = self.columns.iter().zip(&cursor.key);
        parts.map(|(key, part)| key.kind.value(part)).collect()
    }
}

impl Kind {
    fn value(self, part: &serde_json::Value) -> Option<sea_orm::Value> {
        match self {
            Kind::Text => part.as_str().map(Into::into),
            Kind::Number => part.as_i64().map(Into::into),
        }
    }
}

/// `order`, or the reverse of it when the page is taken from the end.
fn directed(order: &Order, args: &PageArgs) -> Order {
    match (order, args.backward) {
        (Order::Asc, true) => Order::Desc,
        (_, true) => Order::Asc,
        (order, false) => order.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_refuse_junk() {
        let cursor = Cursor::new(&(1999, "prod_1"));
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor.clone()));
        assert_eq!(cursor.key::<(i64, String)>(), Some((1999, "prod_1".to_owned())));
        assert_eq!(cursor.key::<(String, String)>(), None);
        for junk in ["", "!", "e30", &"A".repeat(2000)] {
            assert_eq!(Cursor::decode(junk), None, "{junk}");
        }
        for key in [
            vec![serde_json::json!([1])],
            vec![serde_json::json!(1); 9],
            vec![serde_json::json!("a\0")],
        ] {
            assert_eq!(Cursor::decode(&Cursor { key }.encode()), None);
        }
    }

    #[test]
    fn arguments_are_checked() {
        for (first, last, after, expected) in [
            (None, None, None, "20 forward"),
            (Some(5), None, None, "5 forward"),
            (Some(0), None, None, "0 forward"),
            (Some(20), Some(3), None, "3 backward"),
            (Some(101), None, None, "`first` must be between 0 and 100"),
            (None, Some(-1), None, "`last` must be between 0 and 100"),
            (None, None, Some("?"), "`after` is not a cursor of this list"),
        ] {
            let shown = match PageArgs::parse(first, after.map(str::to_owned), last, None) {
                Ok(args) => format!("{} {}", args.limit, if args.backward { "backward" } else { "forward" }),
                Err(error) => error.message,
            };
            assert_eq!(shown, expected);
        }
    }
    #[test]
    fn pages_below_many_parents_are_one_statement() {
        use sea_orm::sea_query::SqliteQueryBuilder;
        let keyset = Keyset::new()
            .descending_number(Expr::col("age"))
            .ascending(Expr::col("id"));
        let args = PageArgs {
            limit: 2,
            backward: false,
            after: Some(Cursor::new(&(7, "b"))),
            before: None,
        };
        let mut select = Query::select();
        select
            .columns(["id", "age"])
            .from("review")
            .and_where(Expr::col("product_id").is_in(["p", "q"]));
        let sql = keyset
            .apply_below(select, Expr::col("product_id"), &args)
            .to_string(SqliteQueryBuilder);
        expect_test::expect![[r#"SELECT * FROM (SELECT "id", "age", "product_id" AS "page_parent", ROW_NUMBER() OVER ( PARTITION BY "product_id" ORDER BY "age" DESC, "id" ASC ) AS "page_row" FROM "review" WHERE "product_id" IN ('p', 'q') AND ("age" < 7 OR ("age" = 7 AND "id" > 'b'))) AS "page" WHERE "page_row" <= 3 ORDER BY "page_row" ASC"#]].assert_eq(&sql);
    }

    #[test]
    fn a_cursor_of_other_columns_matches_nothing() {
        use sea_orm::sea_query::SqliteQueryBuilder;
        let keyset = Keyset::new()
            .ascending_number(Expr::col("age"))
            .ascending(Expr::col("id"));
        let matching = r#""age" > 7 OR ("age" = 7 AND "id" > 'b')"#;
        for (cursor, expected) in [
            (Cursor::new(&(7, "b")), matching),
            (Cursor::new(&("7", "b")), "1 = 0"),
            (Cursor::new(&(7.5, "b")), "1 = 0"),
            (Cursor::new(&(1e300, "b")), "1 = 0"),
            (Cursor::new(&(true, "b")), "1 = 0"),
            (Cursor::new(&(None::<i64>, "b")), "1 = 0"),
            (Cursor::new(&(7, 8)), "1 = 0"),
            (Cursor::new(&(7,)), "1 = 0"),
            (Cursor::new(&(7, "b", "c")), "1 = 0"),
        ] {
            let mut select = Query::select();
            select
                .column("id")
                .from("review")
                .cond_where(keyset.beyond(&cursor, true));
            let sql = select.to_string(SqliteQueryBuilder);
            assert_eq!(sql.split(" WHERE ").nth(1), Some(expected), "{cursor:?}");
        }
    }

    #[test]
    fn cursors_of_several_orders_tell_which() {
        let args = |cursor: Cursor| PageArgs::parse(None, Some(cursor.encode()), None, None).unwrap();
        let named = args(Cursor::new(&("NEWEST", 7, "b"))).of_order("NEWEST").unwrap();
        assert_eq!(named.after, Some(Cursor::new(&(7, "b"))));
        for other in [
            Cursor::new(&("TITLE", 7, "b")),
            Cursor::new(&(7, "b")),
            Cursor { key: Vec::new() },
        ] {
            let refused = args(other).of_order("NEWEST").unwrap_err();
            let expected = "`after` is not a cursor of this list in the order NEWEST: begin with its first page";
            assert_eq!(refused.message, expected);
        }
    }
}
