//! Rows that are written together, on databases of all three kinds.

use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, Schema, TryIntoModel as _};
use service::database::{Database, DatabaseOptions, RowChange, RowsOf, update_all};
use service::testing::each_database;

mod parcel {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "parcel")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub version: i64,
        pub weight: i32,
        pub note: Option<String>,
        pub sent_at: Option<DateTimeUtc>,
        pub is_held: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const PARCELS: RowsOf<parcel::Column> = RowsOf {
    key: parcel::Column::Id,
    usual: &[
        parcel::Column::Version,
        parcel::Column::Weight,
        parcel::Column::Note,
        parcel::Column::SentAt,
    ],
};

const COUNT: i32 = 11;

fn id(number: i32) -> String {
    format!("parcel {number:02}")
}

/// A table of parcels of version 1.
async fn filled(url: &str) -> Database {
    let database = Database::connect(url, &DatabaseOptions::default()).await.unwrap();
    let schema = database.schema();
    let table = Schema::new(schema.get_database_backend()).create_table_from_entity(parcel::Entity);
    schema.create_table(table).await.unwrap();
    let rows = (0..COUNT).map(|number| parcel::ActiveModel {
        id: Set(id(number)),
        version: Set(1),
        weight: Set(number),
        note: Set((number % 2 == 0).then(|| "as it was".to_owned())),
        sent_at: Set(None),
        is_held: Set(true),
    });
    parcel::Entity::insert_many(rows)
        .exec_without_returning(database.write())
        .await
        .unwrap();
    database
}

async fn parcels(database: &Database) -> Vec<parcel::Model> {
    let mut parcels = parcel::Entity::find().all(database.read()).await.unwrap();
    parcels.sort_by(|a, b| a.id.cmp(&b.id));
    parcels
}

/// What makes `row` another one of the next version, whether it is held or not.
fn change(row: &parcel::Model) -> RowChange<parcel::ActiveModel> {
    let mut before = parcel::ActiveModel::from(row.clone());
    before.is_held = NotSet;
    let mut after = before.clone();
    after.version = Set(row.version + 1);
    after.weight = Set(row.weight + 100);
    after.note = Set(row.note.is_none().then(|| "it’s \"noted\"".to_owned()));
    after.sent_at = Set((row.weight % 3 == 0).then(|| "2026-11-28T10:00:00Z".parse().unwrap()));
    RowChange {
        id: row.id.clone(),
        before,
        after,
        guards: vec![(parcel::Column::Version, row.version.into())],
    }
}

#[tokio::test]
async fn each_row_gets_its_own_values_unless_it_has_changed() {
    each_database(|url| async move {
        let database = filled(&url).await;
        let read = parcels(&database).await;
        // Somebody is faster with two of them.
        let faster: Vec<_> = [3, 7].map(|place: usize| change(&read[place])).into();
        let written = update_all(database.write(), PARCELS, &faster).await.unwrap();
        assert_eq!(written, [true, true]);
        let mut changes: Vec<_> = read.iter().map(change).collect();
        // One that lets go, one that comes twice, and one of a row that is not there.
        changes[5].after.is_held = Set(false);
        changes.push(change(&read[0]));
        let mut unknown = change(&read[1]);
        unknown.id = "no parcel".to_owned();
        changes.push(unknown);
        let transaction = database.begin().await.unwrap();
        let written = update_all(&transaction, PARCELS, &changes).await.unwrap();
        transaction.commit().await.unwrap();
        let lost = [3, 7, 11, 12];
        let expected: Vec<_> = (0..changes.len()).map(|place| !lost.contains(&place)).collect();
        assert_eq!(written, expected);
        for (before, after) in read.iter().zip(parcels(&database).await) {
            let mut expected = change(before).after;
            // What is not set stays as it is.
            expected.is_held = Set(before.weight != 5);
            assert_eq!(after, expected.try_into_model().unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn on_postgresql_they_are_one_statement() {
    each_database(|url| async move {
        let database = filled(&url).await;
        let changes: Vec<_> = parcels(&database).await.iter().map(change).collect();
        let before = database.statements();
        update_all(database.write(), PARCELS, &changes).await.unwrap();
        let statements = usize::try_from(database.statements() - before).unwrap();
        assert_eq!(statements, if url.starts_with("postgres") { 1 } else { changes.len() });
        update_all(database.write(), PARCELS, &changes[..0]).await.unwrap();
    })
    .await;
}
