//! The full-text index of each database, behind one interface: tokens in, product ids and scores out.
//!
//! SQLite has FTS5 for it and PostgreSQL `tsvector`; on MySQL it is a plain table of tokens, since a FULLTEXT index is not
//! part of the transaction: what was just committed is not found while InnoDB writes the index's cache to disk.
//! All three match the same tokens and so find the same products. Scores are each database's own, made whole numbers
//! so that they can stand in a cursor.

use super::{Result, Store};
use crate::domain::search::SearchQuery;
use sea_orm::sea_query::{Cond, Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement, Value};
use std::collections::BTreeMap;

/// How much more a word in the title counts than one in the rest.
const TITLE_WEIGHT: u32 = 8;

/// Rows in one statement.
const ROWS_MAX: usize = 500;

/// What is indexed of a product, as tokens joined by spaces.
#[derive(Debug)]
pub(super) struct SearchDocument {
    /// Of the title.
    pub(super) title_tokens: String,
    /// Of the description, attributes, options and SKUs.
    pub(super) body_tokens: String,
}

impl Store {
    /// A statement that answers `product_id` of all products that match.
    pub(crate) fn matching(&self, query: &SearchQuery) -> SelectStatement {
        self.matches(query).condition
    }

    /// A statement that answers `product_id` and `score` (larger is better) of all products that match.
    pub(crate) fn scored(&self, query: &SearchQuery) -> SelectStatement {
        let Matches { mut condition, score } = self.matches(query);
        condition.expr_as(score, "score");
        condition
    }

    fn matches(&self, query: &SearchQuery) -> Matches {
        match self.backend() {
            DatabaseBackend::Postgres => postgres_matches(query),
            DatabaseBackend::MySql => mysql_matches(query),
            _ => sqlite_matches(query),
        }
    }
}

/// The products that match, and how well.
struct Matches {
    condition: SelectStatement,
    score: Expr,
}

impl Matches {
    /// Those of `product_search` for which `condition` holds.
    fn new(condition: Expr, score: Expr) -> Matches {
        let mut select = Query::select();
        select
            .expr(Expr::cust("product_id"))
            .from("product_search")
            .and_where(condition);
        Matches {
            condition: select,
            score,
        }
    }
}

/// Takes a product out of the index.
pub(super) async fn unindex<C: ConnectionTrait>(connection: &C, id: &str) -> Result<()> {
    let mut delete = Query::delete();
    delete
        .from_table("product_search")
        .and_where(Expr::col("product_id").eq(id));
    connection.execute(&delete).await?;
    Ok(())
}

/// Indexes a product that is not in the index.
pub(super) async fn index<C: ConnectionTrait>(connection: &C, id: &str, document: SearchDocument) -> Result<()> {
    let backend = connection.get_database_backend();
    let insert = match backend {
        DatabaseBackend::Postgres => {
            "INSERT INTO product_search (product_id, vector)
             VALUES ($1, setweight(to_tsvector('simple', $2), 'A') || setweight(to_tsvector('simple', $3), 'D'))"
        }
        DatabaseBackend::MySql => return insert_tokens(connection, id, &document).await,
        _ => "INSERT INTO product_search (product_id, title_tokens, body_tokens) VALUES (?, ?, ?)",
    };
    let values: [Value; 3] = [id.into(), document.title_tokens.into(), document.body_tokens.into()];
    connection
        .execute_raw(Statement::from_sql_and_values(backend, insert, values))
        .await?;
    Ok(())
}

/// One row for each token of a product that has none.
async fn insert_tokens<C: ConnectionTrait>(connection: &C, id: &str, document: &SearchDocument) -> Result<()> {
    let mut weights: BTreeMap<&str, u32> = BTreeMap::new();
    for (tokens, weight) in [(&document.title_tokens, TITLE_WEIGHT), (&document.body_tokens, 1)] {
        for token in tokens.split_ascii_whitespace() {
            *weights.entry(token).or_default() += weight;
        }
    }
    let weights: Vec<(&str, u32)> = weights.into_iter().collect();
    for rows in weights.chunks(ROWS_MAX) {
        let mut insert = Query::insert();
        insert
            .into_table("product_search")
            .columns(["token", "product_id", "weight"]);
        for (token, weight) in rows {
            insert.values_panic([Expr::value(*token), Expr::value(id), Expr::value(*weight)]);
        }
        connection.execute(&insert).await?;
    }
    Ok(())
}

fn sqlite_matches(query: &SearchQuery) -> Matches {
    let exact = query.exact.iter().map(|token| format!("\"{token}\""));
    let prefix = query.prefix.iter().map(|token| format!("\"{token}\"*"));
    let text = exact.chain(prefix).collect::<Vec<_>>().join(" AND ");
    // bm25 is negative, and more so for better matches.
    let score = format!("CAST(ROUND(bm25(product_search, 0.0, {TITLE_WEIGHT}.0, 1.0) * -1000000.0) AS INTEGER)");
    Matches::new(
        Expr::cust_with_values("product_search MATCH ?", [text]),
        Expr::cust(score),
    )
}

fn postgres_matches(query: &SearchQuery) -> Matches {
    let prefix = query.prefix.iter().map(|token| format!("{token}:*"));
    let text = query
        .exact
        .iter()
        .cloned()
        .chain(prefix)
        .collect::<Vec<_>>()
        .join(" & ");
    let score = "CAST(ROUND(CAST(ts_rank(vector, to_tsquery('simple', $1)) * 1000000 AS numeric)) AS bigint)";
    Matches::new(
        Expr::cust_with_values("vector @@ to_tsquery('simple', $1)", [text.clone()]),
        Expr::cust_with_values(score, [text]),
    )
}

/// Reads the rows of every token of the query, and keeps the products that have all of them.
fn mysql_matches(query: &SearchQuery) -> Matches {
    let is_exact = || Expr::col("token").is_in(query.exact.iter().map(String::as_str));
    // Tokens are letters and digits, so nothing in them is a wildcard.
    let is_prefixed = |prefix: &String| Expr::col("token").like(format!("{prefix}%"));
    let sum = |condition: Expr| Expr::expr(Func::sum(condition));
    let mut any = Cond::any();
    let mut all = Cond::all();
    if !query.exact.is_empty() {
        any = any.add(is_exact());
        all = all.add(sum(is_exact()).eq(u64::try_from(query.exact.len()).unwrap_or(u64::MAX)));
    }
    if let Some(prefix) = &query.prefix {
        any = any.add(is_prefixed(prefix));
        all = all.add(sum(is_prefixed(prefix)).gt(0));
    }
    let mut matches = Matches::new(any.into(), Expr::cust("CAST(SUM(weight) AS SIGNED)"));
    matches.condition.group_by_col("product_id").cond_having(all);
    matches
}
