//! Events that services tell each other.
