//! Conditions on lists of keys, whose statements have few texts.
//!
//! A server reads and plans the text of each statement for each of its connections, five times before it settles for a plan,
//! and the keys that are asked for together are more or fewer each time. So lists are only as long as a power of two.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Value};
use std::iter;

/// Conditions on a column, for keys whose number is another each time.
pub trait OneOf: ColumnTrait {
    /// As [`ColumnTrait::is_in`], but the statement may hold the last value several times. At most half as many values as
    /// a statement may have parameters, which are 32,766 on SQLite.
    fn is_one_of<V: Into<Value> + Clone>(&self, values: impl IntoIterator<Item = V>) -> Expr {
        self.is_in(padded(values.into_iter().collect()))
    }
}

impl<C: ColumnTrait> OneOf for C {}

/// The values, the last of them again until there are 1, 2, 4, 8 …; none stay none.
pub(super) fn padded<V: Clone>(mut values: Vec<V>) -> Vec<V> {
    if let Some(last) = values.last().cloned() {
        let missing = values.len().next_power_of_two() - values.len();
        values.extend(iter::repeat_n(last, missing));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::padded;

    #[test]
    fn lists_become_as_long_as_a_power_of_two() {
        for (given, expected) in [
            (vec![], vec![]),
            (vec!["a"], vec!["a"]),
            (vec!["a", "b"], vec!["a", "b"]),
            (vec!["a", "b", "c"], vec!["a", "b", "c", "c"]),
            (
                vec!["a", "b", "c", "d", "e"],
                vec!["a", "b", "c", "d", "e", "e", "e", "e"],
            ),
        ] {
            assert_eq!(padded(given), expected);
        }
    }
}
