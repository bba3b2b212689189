//! The catalogue: products, variants, categories, prices, stock.
