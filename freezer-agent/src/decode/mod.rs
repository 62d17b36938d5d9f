//! Bytes -> events, checked, never a cast.
