//! What migrations change on MySQL and MariaDB alone: types that end early, and comparisons that are not letter by letter. The
//! other databases do by themselves what the domain does.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::SchemaManager;

/// Runs `statements`, one after the other, on MySQL and MariaDB; does nothing elsewhere.
///
/// # Errors
/// [`DbErr`] of the first that fails; those before it stay.
pub async fn alter_on_mysql(manager: &SchemaManager<'_>, statements: &[impl AsRef<str> + Sync]) -> Result<(), DbErr> {
    if manager.get_database_backend() != DatabaseBackend::MySql {
        return Ok(());
    }
    for statement in statements {
        manager.get_connection().execute_unprepared(statement.as_ref()).await?;
    }
    Ok(())
}

/// The type of a text, on MySQL and MariaDB, that is compared letter by letter: by their usual collations `evt_1a` is `evt_1A`,
/// and `á` is `a`.
#[must_use]
pub fn exact_varchar(characters_max: u32) -> String {
    format!("varchar({characters_max}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
}
