//! Writing what has changed of rows: of several at once, by one statement where that is less work.

use super::DbErr;
use super::one_of::padded;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoIden, Query, TableRef, UpdateStatement, ValueTuple};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IdenStatic, Iterable, QueryFilter,
    Value,
};
use std::collections::HashSet;
use std::iter;

type ColumnOf<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Column;

/// A row as it was read, and as it is to be.
#[derive(Clone, Debug)]
pub struct RowChange<A: ActiveModelTrait> {
    /// Its key.
    pub id: String,
    /// As it was read.
    pub before: A,
    /// What is not set here stays as it is in the database, and so does what is as before.
    pub after: A,
    /// What must hold of the row for it to be written.
    pub guards: Vec<(ColumnOf<A>, Value)>,
}

/// How rows of a table are written.
#[derive(Clone, Copy, Debug)]
pub struct RowsOf<C: 'static> {
    /// The column of the key.
    pub key: C,
    /// Columns that change often: they may be written also to what they were. So no others may change them while the guards
    /// hold, such as a lease.
    pub usual: &'static [C],
}

/// Writes rows of one table; says of each whether it was written: not when its guards do not hold, nor when one before it has
/// the same key.
///
/// On PostgreSQL, to which each statement is a way there and back, those with the same guards and columns are one statement, in
/// which all the usual columns are: each other list of columns would be another text to plan. Rows are locked in the order of
/// `changes`, but those of one statement before those of the next.
///
/// # Errors
/// [`DbErr`] when the database fails.
pub async fn update_all<A>(
    connection: &impl ConnectionTrait,
    rows: RowsOf<ColumnOf<A>>,
    changes: &[RowChange<A>],
) -> Result<Vec<bool>, DbErr>
where
    A: ActiveModelTrait,
{
    let mut written = vec![false; changes.len()];
    for (columns, places) in groups(connection.get_database_backend(), rows.usual, changes) {
        if let [place] = places[..] {
            written[place] = update_one(connection, rows.key, &changes[place]).await?;
            continue;
        }
        let group: Vec<_> = places.iter().map(|place| &changes[*place]).collect();
        let update = update_statement(rows.key, &columns, &group);
        let found = connection.query_all(&update).await?;
        let found = found.iter().map(|row| row.try_get("", rows.key.as_str()));
        let found: HashSet<String> = found.collect::<Result<_, _>>()?;
        for place in places {
            written[place] = found.contains(&changes[place].id);
        }
    }
    Ok(written)
}

/// Places of those that are written together, with the columns that are set; without those whose key comes a second time.
fn groups<A: ActiveModelTrait>(
    backend: DatabaseBackend,
    usual: &[ColumnOf<A>],
    changes: &[RowChange<A>],
) -> Vec<(Vec<ColumnOf<A>>, Vec<usize>)> {
    let mut groups: Vec<(Shape, Vec<ColumnOf<A>>, Vec<usize>)> = Vec::new();
    let mut keys = HashSet::new();
    for (place, change) in changes.iter().enumerate() {
        if !keys.insert(change.id.as_str()) {
            continue;
        }
        let columns = columns(usual, change);
        let guards = change.guards.iter().map(|(column, _)| column.as_str()).collect();
        let shape = (guards, columns.iter().map(IdenStatic::as_str).collect());
        match groups.iter_mut().find(|group| group.0 == shape) {
            Some((_, _, places)) if backend == DatabaseBackend::Postgres => places.push(place),
            _ => groups.push((shape, columns, vec![place])),
        }
    }
    groups
        .into_iter()
        .map(|(_, columns, places)| (columns, places))
        .collect()
}

/// Names of the columns of the guards, and of those that are set.
type Shape = (Vec<&'static str>, Vec<&'static str>);

/// The usual columns, and those that change.
fn columns<A: ActiveModelTrait>(usual: &[ColumnOf<A>], change: &RowChange<A>) -> Vec<ColumnOf<A>> {
    let changed = only_changes(&change.before, change.after.clone());
    let is_usual = |column: &ColumnOf<A>| usual.iter().any(|usual| usual.as_str() == column.as_str());
    ColumnOf::<A>::iter()
        .filter(|column| changed.get(*column).is_set() || (is_usual(column) && change.after.get(*column).is_set()))
        .collect()
}

async fn update_one<A: ActiveModelTrait>(
    connection: &impl ConnectionTrait,
    key: ColumnOf<A>,
    change: &RowChange<A>,
) -> Result<bool, DbErr> {
    let mut update = A::Entity::update_many()
        .set(only_changes(&change.before, change.after.clone()))
        .filter(key.eq(change.id.as_str()));
    for (column, value) in &change.guards {
        update = update.filter(column.eq(value.clone()));
    }
    Ok(update.exec(connection).await?.rows_affected == 1)
}

/// `after` without the columns that are as in `before`. A database writes an index anew for each of its columns that is set,
/// also to what it was.
fn only_changes<A: ActiveModelTrait>(before: &A, mut after: A) -> A {
    for column in ColumnOf::<A>::iter() {
        if before.get(column).into_value() == after.get(column).into_value() {
            after.not_set(column);
        }
    }
    after
}

/// `UPDATE … FROM (VALUES …)`, which answers with the keys of the rows that it wrote. `group` has the same guards, and sets
/// `columns`.
fn update_statement<A: ActiveModelTrait>(
    key: ColumnOf<A>,
    columns: &[ColumnOf<A>],
    group: &[&RowChange<A>],
) -> UpdateStatement {
    let new = || Alias::new("new");
    let value = |place: usize| Expr::col((new(), Alias::new(format!("column{place}"))));
    let mut update = Query::update();
    update
        .table(A::Entity::default())
        .and_where(key.into_expr().eq(value(1)))
        .returning_col(key);
    let guards = group.first().map(|first| first.guards.as_slice()).unwrap_or_default();
    for (place, (column, _)) in (2..).zip(guards) {
        update.and_where(column.into_expr().eq(value(place)));
    }
    for (place, column) in (2 + guards.len()..).zip(columns) {
        update.value(*column, value(place));
    }
    // A row that comes twice is written once.
    let rows = padded(group.iter().map(|row| values(columns, row)).collect());
    update.from(TableRef::ValuesList(rows, new().into_iden()));
    update
}

fn values<A: ActiveModelTrait>(columns: &[ColumnOf<A>], change: &RowChange<A>) -> ValueTuple {
    let id = iter::once(Value::from(change.id.as_str()));
    let guards = change.guards.iter().map(|(_, value)| value.clone());
    let set = columns
        .iter()
        .filter_map(|column| change.after.get(*column).into_value());
    ValueTuple::Many(id.chain(guards).chain(set).collect())
}
