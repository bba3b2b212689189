//! Each answer between two processes, lost in turn: the first of a purchase, then the second, and so on.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use crate::books::Books;
use crate::extent;
use crate::link::Cut;
use crate::shop::{self, Setup, Shop};
use crate::story::{Story, tell};

/// Who asks whom while a purchase goes on.
const LINKS: [(&str, &str); 3] = [("orders", "products"), ("orders", "payments"), ("payments", "gateway")];

/// How events come, where NATS does not carry them.
const EVENTS: (&str, &str) = ("payments", "orders");

/// Services whose database a purchase changes.
const DATABASES: [&str; 3] = ["orders", "payments", "products"];

/// No purchase takes as many answers of another service.
const ANSWERS_MAX: usize = 30;

/// Answers of a database that are cut in turn; a purchase takes more of each.
const DATABASE_ANSWERS: usize = 60;

/// By default one in so many of them; `CRASH_ALL` takes all.
const TAKEN_OF: usize = 11;

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_leave_the_books_balanced() -> Result<()> {
    let events = std::env::var_os(shop::NATS).is_none().then_some(EVENTS);
    let links: Vec<_> = LINKS.into_iter().chain(events).collect();
    let setup = Setup {
        links: links.clone(),
        ..Setup::default()
    };
    let mut trial = Trial::open(setup).await?;
    for (from, to) in links {
        let mut cuts = 0;
        for passing in 0..ANSWERS_MAX {
            if !trial.cut(from, to, passing).await? {
                break;
            }
            cuts += 1;
        }
        println!("{cuts} answers of {to} to {from} were cut");
        ensure!(
            (1..ANSWERS_MAX).contains(&cuts),
            "{cuts} answers of {to} to {from} were cut"
        );
    }
    trial.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_a_database_that_are_cut_leave_the_books_balanced() -> Result<()> {
    for variable in ["TEST_POSTGRES_URL", "TEST_MYSQL_URL"] {
        let Ok(server) = std::env::var(variable) else {
            println!("skipped: {variable} is not set");
            continue;
        };
        cut_database(server)
            .await
            .with_context(|| format!("the database of {variable}"))?;
    }
    Ok(())
}

async fn cut_database(server: String) -> Result<()> {
    let setup = Setup {
        server: Some(server),
        links: DATABASES.map(|service| (service, "database")).to_vec(),
        ..Setup::default()
    };
    let mut trial = Trial::open(setup).await?;
    for service in DATABASES {
        let mut cuts = 0;
        for passing in (0..DATABASE_ANSWERS).step_by(extent::step(TAKEN_OF)) {
            cuts += usize::from(trial.cut(service, "database", passing).await?);
        }
        println!("{cuts} answers of its database to {service} were cut");
        ensure!(cuts > 1, "{cuts} answers of its database to {service} were cut");
    }
    trial.close().await
}

struct Trial {
    shop: Arc<Shop>,
    books: Books,
    bought: usize,
}

impl Trial {
    async fn open(setup: Setup) -> Result<Trial> {
        let shop = Shop::open_with(setup).await?;
        let books = Books::open(&shop).await?;
        Ok(Trial { shop, books, bought: 0 })
    }

    /// Buys something while the answer after so many is cut; whether there was such an answer.
    async fn cut(&mut self, from: &'static str, to: &'static str, passing: usize) -> Result<bool> {
        let mut has_cut = false;
        // By default one place of each answer, in turn.
        let places = extent::step(Cut::ALL.len());
        for cut in Cut::ALL.iter().skip(passing % places).step_by(places) {
            let link = self.shop.link(from, to);
            link.cut_after(passing, *cut);
            let what = || format!("{from} loses an answer of {to} after {passing}, {cut:?}");
            tell(Arc::clone(&self.shop), Story::Buy).await.with_context(what)?;
            self.bought += 1;
            let found = self.books.balance(&self.shop).await.with_context(what)?;
            ensure!(
                found == BTreeMap::from([("PAID".to_owned(), self.bought)]),
                "{}: {found:?}",
                what()
            );
            has_cut |= link.has_cut();
            link.let_pass();
        }
        Ok(has_cut)
    }

    async fn close(self) -> Result<()> {
        self.books.close().await;
        self.shop.close().await
    }
}
