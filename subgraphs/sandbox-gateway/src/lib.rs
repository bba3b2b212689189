//! A payment gateway for development and tests.
