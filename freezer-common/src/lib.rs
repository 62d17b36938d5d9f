//! The wire contract between the kernel side and the agent.
//!
//! Every record is `#[repr(C)]`, little-endian as the kernel side compiles it, free of padding, `bool` and
//! `Option`, and its size and offsets are asserted at compile time. The agent never casts bytes to these types:
//! it decodes them field by field in the order they stand here.
#![no_std]

pub mod event;
pub mod file;
pub mod hook;
pub mod snapshot;
pub mod system;

/// Length of a kernel task name (`TASK_COMM_LEN`), a promise to user space since `PR_SET_NAME`.
pub const COMM_LEN: usize = 16;
/// An offset global with this value: the running kernel has no such field.
pub const ABSENT: u32 = u32::MAX;

/// Asserts the size of a record and the offsets of its fields, which also rules out padding at its end.
macro_rules! layout {
    ($record:ty, $size:expr, $($field:ident @ $offset:expr),+) => {
        const _: () = {
            assert!(core::mem::size_of::<$record>() == $size);
            assert!(core::mem::align_of::<$record>() == 8);
            $(assert!(core::mem::offset_of!($record, $field) == $offset);)+
        };
    };
}
pub(crate) use layout;
