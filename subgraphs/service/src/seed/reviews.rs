//! Seed data: reviews.
