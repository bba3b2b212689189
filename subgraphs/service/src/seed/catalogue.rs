//! Seed data: catalogue.
