//! Programs, each loaded and attached on its own: a refusal is kept and shown, the rest go on.

use std::path::Path;

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, FEntry, KProbe, Program, ProgramError},
};
use nix::errno::Errno;
use serde::Serialize;

use crate::host::{
    Missing, lockdown,
    plan::{Attach, Wish},
    withheld,
};

/// What a kernel with `CONFIG_KPROBES` shows, and what aya attaches them through.
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// A program at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Tracepoint or function.
    pub target: &'static str,
    /// `tp_btf`, `fentry` or `kprobe`.
    pub by: &'static str,
}

/// Loads and attaches one program, by what its plan says.
pub(super) fn attach(ebpf: &mut Ebpf, types: &Btf, wish: &Wish) -> Result<Attached, Missing> {
    let by = match wish.attach {
        Attach::Tracepoint => tracepoint(ebpf, types, wish.target)
            .map(|()| "tp_btf")
            .map_err(|error| missing(wish.target.to_owned(), refusal(&error), wish.lost)),
        Attach::Function => function(ebpf, types, wish),
    }?;
    Ok(Attached { target: wish.target, by })
}

/// fentry costs least; kprobes exist on kernels that refuse it.
fn function(ebpf: &mut Ebpf, types: &Btf, wish: &Wish) -> Result<&'static str, Missing> {
    let Err(fentry) = fentry(ebpf, types, wish.target) else { return Ok("fentry") };
    // Verifying a program that can never be attached would cost a millisecond.
    let kprobe = if Path::new(KPROBES).exists() {
        let Err(kprobe) = kprobe(ebpf, wish.target) else { return Ok("kprobe") };
        refusal(&kprobe)
    } else {
        "this kernel has none".to_owned()
    };
    let why = format!("fentry: {}, kprobe: {kprobe}", refusal(&fentry));
    Err(missing(wish.target.to_owned(), why, wish.lost))
}

fn tracepoint(ebpf: &mut Ebpf, types: &Btf, target: &str) -> Result<(), ProgramError> {
    refuse("tp_btf")?;
    let program: &mut BtfTracePoint = program(ebpf, target)?.try_into()?;
    program.load(target, types)?;
    program.attach().map(drop)
}

fn fentry(ebpf: &mut Ebpf, types: &Btf, target: &str) -> Result<(), ProgramError> {
    refuse("fentry")?;
    let program: &mut FEntry =
        program(ebpf, &format!("fentry_{}", target.trim_start_matches('_')))?.try_into()?;
    program.load(target, types)?;
    program.attach().map(drop)
}

fn kprobe(ebpf: &mut Ebpf, target: &str) -> Result<(), ProgramError> {
    refuse("kprobe")?;
    if cfg!(not(target_arch = "x86_64")) {
        let why = "the object's kprobes read the registers of x86_64";
        return Err(ProgramError::IOError(std::io::Error::other(why)));
    }
    let program: &mut KProbe =
        program(ebpf, &format!("kprobe_{}", target.trim_start_matches('_')))?.try_into()?;
    program.load()?;
    program.attach(target, 0).map(drop)
}

/// As the kernel's answer, for tests.
pub(super) fn refuse(way: &str) -> Result<(), ProgramError> {
    withheld::refuse(way).map_err(ProgramError::IOError)
}

/// A program of the object by the name of its function.
pub(super) fn program<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut Program, ProgramError> {
    ebpf.program_mut(name).ok_or_else(|| ProgramError::InvalidName { name: name.to_owned() })
}

fn missing(what: String, why: String, lost: &str) -> Missing {
    Missing { what, why, lost: lost.to_owned() }
}

/// The kernel's answer in a few words: `EPERM at load`.
pub(super) fn refusal(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            // With EPERM the log is empty; with EACCES and EINVAL its last words are the verifier's reason.
            match log.lines().rev().find(|line| is_reason(line)) {
                Some(reason) => {
                    format!("{} at load: {reason}{}", errno(io_error), lockdown::explains(reason))
                }
                None => format!("{} at load", errno(io_error)),
            }
        }
        ProgramError::SyscallError(error) => format!("{} at {}", errno(&error.io_error), error.call),
        other => other.to_string(),
    }
}

/// The verifier ends its log with statistics (`kernel/bpf/verifier.c`, `print_verification_stats`).
fn is_reason(line: &str) -> bool {
    !line.is_empty()
        && !["processed ", "stack depth ", "subprog ", "verification time "]
            .iter()
            .any(|s| line.starts_with(s))
}

fn errno(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |code| format!("{:?}", Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    use super::is_reason;

    #[test]
    fn statistics_behind_the_verifier_s_reason_are_no_reason() {
        // The end of a log of 7.3.
        let log = "access beyond the end of member on_cpu (mend:53) in struct task_struct with off 52 size 4\n\
                   verification time 60641 usec\nstack depth max 0\n\
                   subprog 1 (<unknown>) static insns_self 0 insns_total 0 stack 0\n\
                   processed 1813 insns (limit 1000000) max_states_per_insn 4\n";
        let reason = log.lines().rev().find(|line| is_reason(line));
        assert!(reason.is_some_and(|reason| reason.starts_with("access beyond")), "{reason:?}");
    }
}
