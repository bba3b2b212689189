//! What orders answers on its internal listener.
