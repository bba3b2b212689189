//! Accounts, sessions, profiles and addresses.
