//! Request, wait, confirm, roll back.
