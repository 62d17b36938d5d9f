//! What a person reads ([`text`]) and what a script reads ([`document`], one JSON object).

pub mod causes;
pub mod check;
pub mod doctor;
pub mod document;
pub mod dot;
pub mod failed;
pub mod histogram;
pub mod json;
pub mod status;
pub mod style;
pub mod text;
pub mod thaw;

pub use document::{
    Document, ObserverMode, ObserverReport, Outcome, SCHEMA, SystemFreeze, TaskDetail, Tasks, UnknownTask,
};
pub use style::Screen;
