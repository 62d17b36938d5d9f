//! Reproducers of real stuck freezes.
