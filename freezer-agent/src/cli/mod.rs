//! Parse and dispatch; one file per command, whose module docs are its manual.
