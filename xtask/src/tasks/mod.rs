//! The tasks, one file each; [`TASKS`] is what `cargo xtask` without an argument prints.

use std::process::ExitCode;

use lexopt::{Arg, Parser};

mod bench;
pub mod demo;
mod deny;
mod ebpf;
mod lab;
mod lint;
mod readme;
mod setup;
mod test;
pub mod vm;

/// One entry of the workshop.
pub struct Task {
    /// What is typed after `cargo xtask`.
    pub name: &'static str,
    /// Options it takes, as shown in the list.
    pub options: &'static str,
    /// One line: what it does.
    pub summary: &'static str,
    run: fn(&mut Parser) -> anyhow::Result<ExitCode>,
}

/// Every task, in the order a newcomer meets them.
pub const TASKS: &[Task] = &[
    Task {
        name: "demo",
        options: "[--hierarchy v1|v2]",
        summary: "a real stuck freeze, and the command that explains it; leaves nothing behind",
        run: demo::run,
    },
    Task {
        name: "setup",
        options: "",
        summary: "install what the tests need: source of core, bpf-linker, cargo-deny, packages",
        run: setup::run,
    },
    Task {
        name: "test",
        options: "",
        summary: "everything that must hold before a change lands, as .ci/run does",
        run: test::run,
    },
    Task {
        name: "bench",
        options: "[--no-fail]",
        summary: "speed against a shell, runc and /proc, each beside its limit",
        run: bench::run,
    },
    Task {
        name: "lab",
        options: "list | run NAME | hold NAME | all [--score]",
        summary: "real stuck and slow freezes: look, try, hold open for any tool, or judge the agent by all",
        run: lab::run,
    },
    Task { name: "ci", options: "", summary: "the same as test", run: test::run },
    Task {
        name: "lint",
        options: "",
        summary: "rustfmt and clippy, for the host and for eBPF",
        run: lint::run,
    },
    Task {
        name: "deny",
        options: "",
        summary: "licences, sources and versions of the dependencies",
        run: deny::run,
    },
    Task {
        name: "ebpf",
        options: "[--check]",
        summary: "rebuild the committed eBPF object; --check only compares",
        run: ebpf::run,
    },
    Task {
        name: "vm",
        options: "list|run|test|shell ...",
        summary: "the same on other kernels, in qemu; `vm help` says more",
        run: vm::run,
    },
    Task {
        name: "readme",
        options: "[--check]",
        summary: "write the transcript and the lists in README.md anew; --check only compares",
        run: readme::run,
    },
];

/// Runs the task named by the first argument; without one, lists them.
pub fn dispatch(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let Some(first) = arguments.next()? else {
        print!("{}", list());
        return Ok(ExitCode::SUCCESS);
    };
    let name = match first {
        Arg::Short('h') | Arg::Long("help") => {
            print!("{}", list());
            return Ok(ExitCode::SUCCESS);
        }
        Arg::Value(name) => name,
        Arg::Short(_) | Arg::Long(_) => return Err(first.unexpected().into()),
    };
    let Some(task) = TASKS.iter().find(|task| name == task.name) else {
        eprint!("xtask: there is no task {}\n\n{}", name.display(), list());
        return Ok(ExitCode::from(2));
    };
    (task.run)(arguments)
}

/// The list of tasks, one line each.
pub fn list() -> String {
    let usage = |task: &Task| format!("{} {}", task.name, task.options).trim_end().to_owned();
    let width = TASKS.iter().map(|task| usage(task).len()).max().unwrap_or(0);
    let lines = TASKS.iter().map(|task| format!("  {:width$}  {}\n", usage(task), task.summary));
    std::iter::once("cargo xtask TASK\n\n".to_owned()).chain(lines).collect()
}

/// For tasks without options: anything more on the command line is a mistake.
fn no_more(arguments: &mut Parser) -> anyhow::Result<()> {
    match arguments.next()? {
        None => Ok(()),
        Some(extra) => Err(extra.unexpected().into()),
    }
}
