//! What a person reads ([`text`]) and what a script reads ([`document`]).

pub mod document;
pub mod histogram;
pub mod style;
pub mod text;
pub mod units;

pub use document::{
    Document, ObserverMode, ObserverReport, Outcome, SCHEMA, TaskCount, TaskDetail, UnknownTask,
};
pub use style::Screen;
