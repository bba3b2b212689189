//! One module a table. Rows never leave `store`.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the derive makes public items that carry no text"
)]

pub mod category;
pub mod category_ancestor;
pub mod category_tree;
pub mod price;
pub mod product;
pub mod product_attribute;
pub mod product_category;
pub mod product_price;
pub mod reservation;
pub mod reservation_line;
pub mod restock;
pub mod stock;
pub mod stock_adjustment;
pub mod variant;
pub mod variant_option;
