//! One file per kernel subject; each program a thin shell around its body.

/// Two shells around one body for a tracepoint: typed, whose arguments the verifier knows the types of, and raw, where
/// that is refused. Both are handed the same array of arguments.
macro_rules! tracepoints {
    (
        $(#[$doc:meta])*
        $name:literal as $typed:ident, $raw:ident, |$ctx:ident $(, $memory:ident)?| $body:expr
    ) => {
        $(#[$doc])*
        #[aya_ebpf::macros::btf_tracepoint(function = $name)]
        pub fn $typed(ctx: aya_ebpf::programs::BtfTracePointContext) -> i32 {
            $(type $memory = crate::kernel::memory::Typed;)?
            let $ctx = &ctx;
            // SAFETY: the body takes the arguments for what this tracepoint says they are.
            unsafe { $body };
            0
        }

        $(#[$doc])*
        #[aya_ebpf::macros::raw_tracepoint(tracepoint = $name)]
        pub fn $raw(ctx: aya_ebpf::programs::RawTracePointContext) -> i32 {
            $(type $memory = crate::kernel::memory::Raw;)?
            let $ctx = &aya_ebpf::programs::BtfTracePointContext::new(aya_ebpf::EbpfContext::as_ptr(&ctx));
            // SAFETY: as above.
            unsafe { $body };
            0
        }
    };
}

mod cgroup;
mod classic;
mod files;
mod freezer;
mod process;
mod sample;
mod sched;
mod snapshot;
mod system;
