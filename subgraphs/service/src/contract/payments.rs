//! What payments answers on its internal listener.
