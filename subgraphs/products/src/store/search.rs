//! The full-text index of each database, behind one interface: tokens in, product ids and scores out.
//!
//! All three match the same tokens and so find the same products. Scores are each database's own, made whole numbers
//! so that they can stand in a cursor.

use super::{Result, Store};
use crate::domain::search::SearchQuery;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement, Value};

/// How much more a word in the title counts than one in the rest.
const TITLE_WEIGHT: u32 = 8;

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
        let (condition, score) = match self.backend() {
            DatabaseBackend::Postgres => postgres_matches(query),
            DatabaseBackend::MySql => mysql_matches(query),
            _ => sqlite_matches(query),
        };
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

/// The products that match, and how well. Apart, since the score must not be selected where nobody reads it: MariaDB
/// 10.11 crashes when it prunes a full-text function from a derived table.
struct Matches {
    condition: SelectStatement,
    score: Expr,
}

/// Indexes a product, again if it was already.
pub(super) async fn index<C: ConnectionTrait>(connection: &C, id: &str, document: SearchDocument) -> Result<()> {
    let backend = connection.get_database_backend();
    let (delete, insert) = match backend {
        DatabaseBackend::Postgres => (
            "DELETE FROM product_search WHERE product_id = $1",
            "INSERT INTO product_search (product_id, vector)
             VALUES ($1, setweight(to_tsvector('simple', $2), 'A') || setweight(to_tsvector('simple', $3), 'D'))",
        ),
        _ => (
            "DELETE FROM product_search WHERE product_id = ?",
            "INSERT INTO product_search (product_id, title_tokens, body_tokens) VALUES (?, ?, ?)",
        ),
    };
    connection
        .execute_raw(Statement::from_sql_and_values(backend, delete, [id.into()]))
        .await?;
    let values: [Value; 3] = [id.into(), document.title_tokens.into(), document.body_tokens.into()];
    connection
        .execute_raw(Statement::from_sql_and_values(backend, insert, values))
        .await?;
    Ok(())
}

/// Condition and score.
fn sqlite_matches(query: &SearchQuery) -> (Expr, Expr) {
    let exact = query.exact.iter().map(|token| format!("\"{token}\""));
    let prefix = query.prefix.iter().map(|token| format!("\"{token}\"*"));
    let text = exact.chain(prefix).collect::<Vec<_>>().join(" AND ");
    // bm25 is negative, and more so for better matches.
    let score = format!("CAST(ROUND(bm25(product_search, 0.0, {TITLE_WEIGHT}.0, 1.0) * -1000000.0) AS INTEGER)");
    (
        Expr::cust_with_values("product_search MATCH ?", [text]),
        Expr::cust(score),
    )
}

/// Condition and score.
fn postgres_matches(query: &SearchQuery) -> (Expr, Expr) {
    let prefix = query.prefix.iter().map(|token| format!("{token}:*"));
    let text = query
        .exact
        .iter()
        .cloned()
        .chain(prefix)
        .collect::<Vec<_>>()
        .join(" & ");
    let score = "CAST(ROUND(CAST(ts_rank(vector, to_tsquery('simple', $1)) * 1000000 AS numeric)) AS bigint)";
    (
        Expr::cust_with_values("vector @@ to_tsquery('simple', $1)", [text.clone()]),
        Expr::cust_with_values(score, [text]),
    )
}

/// Condition and score.
fn mysql_matches(query: &SearchQuery) -> (Expr, Expr) {
    let tokens = |plus: &str| {
        let exact = query.exact.iter().map(|token| format!("{plus}{token}"));
        let prefix = query.prefix.iter().map(|token| format!("{plus}{token}*"));
        exact.chain(prefix).collect::<Vec<_>>().join(" ")
    };
    let score = format!(
        "CAST(ROUND((MATCH (title_tokens) AGAINST (? IN BOOLEAN MODE) * {TITLE_WEIGHT} \
         + MATCH (title_tokens, body_tokens) AGAINST (? IN BOOLEAN MODE)) * 1000) AS SIGNED)"
    );
    let matches = "MATCH (title_tokens, body_tokens) AGAINST (? IN BOOLEAN MODE)";
    (
        Expr::cust_with_values(matches, [tokens("+")]),
        Expr::cust_with_values(score, [tokens(""), tokens("+")]),
    )
}
