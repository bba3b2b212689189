//! Product reviews and ratings.
