//! Programs, each loaded and attached on its own: a refusal is kept and shown, the rest go on.

use std::os::fd::OwnedFd;
use std::path::Path;

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, KProbe, Program, ProgramError, RawTracePoint, TracePoint},
};
use freezer_common::hook::Function;
use nix::errno::Errno;
use serde::Serialize;

use super::kprobe_multi;
use crate::host::{
    Missing, lockdown,
    plan::{Attach, Classic, Wish},
    withheld,
};

/// What a kernel with `CONFIG_KPROBES` shows, and what aya attaches them through.
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// A program at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Tracepoint or function.
    pub target: &'static str,
    /// `tp_btf`, `raw_tp`, `tracepoint`, `fentry`, `kprobe.multi`, `kprobe` or `fexit`.
    pub by: &'static str,
}

/// What came of a plan.
#[derive(Default)]
pub(super) struct Programs {
    pub attached: Vec<Attached>,
    pub missing: Vec<Missing>,
    /// Keeps what is attached by it attached.
    pub multi: Option<OwnedFd>,
}

/// A function that fentry was refused for, and why.
struct Refused<'w> {
    wish: &'w Wish,
    function: Function,
    fentry: String,
}

impl Programs {
    /// Loads and attaches what is wished for, each by the best way there is.
    pub fn attach(ebpf: &mut Ebpf, types: &Btf, wishes: &[Wish]) -> Self {
        let mut programs = Self::default();
        let mut refused = Vec::new();
        for wish in wishes {
            match wish.attach {
                Attach::Tracepoint(classic) => programs.tracepoint(ebpf, types, wish, classic),
                Attach::Function(function) => match fentry(ebpf, types, wish.target) {
                    Ok(()) => programs.add(wish, "fentry"),
                    Err(error) => refused.push(Refused { wish, function, fentry: refusal(&error) }),
                },
                Attach::Return(_) => match fexit(ebpf, types, wish.target) {
                    Ok(()) => programs.add(wish, "fexit"),
                    Err(error) => programs.missing.push(Missing {
                        what: format!("return of {}", wish.target),
                        why: format!("fexit: {}", refusal(&error)),
                        lost: wish.lost.to_owned(),
                    }),
                },
            }
        }
        if !refused.is_empty() {
            programs.by_kprobes(ebpf, &refused);
        }
        programs
    }

    /// A raw tracepoint gives the same for a little more time; a classic one costs more and gives less.
    fn tracepoint(&mut self, ebpf: &mut Ebpf, types: &Btf, wish: &Wish, classic: Classic) {
        let Err(tp_btf) = typed(ebpf, types, wish.target) else { return self.add(wish, "tp_btf") };
        let Err(raw) = raw(ebpf, wish.target) else { return self.add(wish, "raw_tp") };
        let mut why = format!("tp_btf: {}, raw_tp: {}", refusal(&tp_btf), refusal(&raw));
        match classic {
            Classic::Nothing => why += ", tracepoint: it does not tell whose task it is",
            Classic::Whole | Classic::Less(_) => match self::classic(ebpf, wish.target) {
                Ok(()) => {
                    self.add(wish, "tracepoint");
                    if let Classic::Less(lost) = classic {
                        let what = format!("all of {}", wish.target);
                        self.missing.push(Missing { what, why, lost: lost.to_owned() });
                    }
                    return;
                }
                Err(error) => why += &format!(", tracepoint: {}", refusal(&error)),
            },
        }
        self.miss(wish, why);
    }

    /// Kprobes exist on kernels that refuse fentry: one for all functions costs less, and takes newer kernels.
    fn by_kprobes(&mut self, ebpf: &mut Ebpf, refused: &[Refused<'_>]) {
        // Verifying programs that can never be attached would cost milliseconds.
        if !Path::new(KPROBES).exists() {
            for Refused { wish, fentry, .. } in refused {
                self.miss(wish, format!("fentry: {fentry}, kprobe: this kernel has none"));
            }
            return;
        }
        let functions: Vec<Function> = refused.iter().map(|refused| refused.function).collect();
        let multi = match kprobe_multi::attach(ebpf, &functions) {
            Ok(link) => {
                self.multi = Some(link);
                for refused in refused {
                    self.add(refused.wish, "kprobe.multi");
                }
                return;
            }
            Err(error) => errno(&error),
        };
        for Refused { wish, fentry, .. } in refused {
            match kprobe(ebpf, wish.target) {
                Ok(()) => self.add(wish, "kprobe"),
                Err(error) => {
                    let kprobe = refusal(&error);
                    self.miss(wish, format!("fentry: {fentry}, kprobe.multi: {multi}, kprobe: {kprobe}"));
                }
            }
        }
    }

    fn add(&mut self, wish: &Wish, by: &'static str) {
        self.attached.push(Attached { target: wish.target, by });
    }

    fn miss(&mut self, wish: &Wish, why: String) {
        self.missing.push(Missing { what: wish.target.to_owned(), why, lost: wish.lost.to_owned() });
    }
}

fn typed(ebpf: &mut Ebpf, types: &Btf, target: &str) -> Result<(), ProgramError> {
    refuse("tp_btf")?;
    let program: &mut BtfTracePoint = program(ebpf, target)?.try_into()?;
    program.load(target, types)?;
    program.attach().map(drop)
}

fn raw(ebpf: &mut Ebpf, target: &str) -> Result<(), ProgramError> {
    refuse("raw_tp")?;
    let program: &mut RawTracePoint = program(ebpf, &format!("raw_{target}"))?.try_into()?;
    program.load()?;
    program.attach(target).map(drop)
}

fn classic(ebpf: &mut Ebpf, target: &str) -> Result<(), ProgramError> {
    refuse("tracepoint")?;
    let program: &mut TracePoint = program(ebpf, &format!("classic_{target}"))?.try_into()?;
    program.load()?;
    let category = target.split('_').next().unwrap_or_default();
    program.attach(category, target).map(drop)
}

fn fentry(ebpf: &mut Ebpf, types: &Btf, target: &str) -> Result<(), ProgramError> {
    refuse("fentry")?;
    let program: &mut FEntry =
        program(ebpf, &format!("fentry_{}", target.trim_start_matches('_')))?.try_into()?;
    program.load(target, types)?;
    program.attach().map(drop)
}

fn fexit(ebpf: &mut Ebpf, types: &Btf, target: &str) -> Result<(), ProgramError> {
    refuse("fexit")?;
    let program: &mut FExit =
        program(ebpf, &format!("fexit_{}", target.trim_start_matches('_')))?.try_into()?;
    program.load(target, types)?;
    program.attach().map(drop)
}

fn kprobe(ebpf: &mut Ebpf, target: &str) -> Result<(), ProgramError> {
    refuse("kprobe")?;
    kprobe_multi::registers().map_err(ProgramError::IOError)?;
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
