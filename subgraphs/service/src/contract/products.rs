//! What products answers on its internal listener.
