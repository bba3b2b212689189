//! Seed data: orders.
