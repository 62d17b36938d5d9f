//! What this kernel and host have, and what is lost without the rest.
