//! `key-upcall`: the task waits for a program that the kernel started to do something for it.
//!
//! What happens: for a key (`request_key`: DNS, NFS and CIFS names, Kerberos), a module, a core dump and a few other
//! things the kernel runs a program of user space and waits for it: uninterruptibly, or killable for a module. A key that
//! somebody else asked for already is waited for likewise, by the kernel's own users of keys.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `call_usermodehelper_exec` or `wait_for_key_construction`. The program is
//! a process whose parent is a `kworker` (`ps -eo pid,ppid,comm,args`). For a key, `/proc/keys` of the same user has a
//! line `.request_ key:SERIAL pid:TID`, and the helper's command line the serial number, in decimal.
//!
//! Release: let the helper finish (thaw it first if it is frozen), or end it: a request for a key then fails with
//! `ENOKEY`.
//!
//! Cost: none for thawing. A key that could not be made stays refused for a minute.
//!
//! Kernels: all. Both hierarchies: these waits are not freezable. A `request_key(2)` for a key that is being made for
//! another task waits interruptibly, and freezes well.
//!
//! Source: `kernel/umh.c`, `call_usermodehelper_exec`; `security/keys/request_key.c`, `call_sbin_request_key`,
//! `wait_for_key_construction`; `security/keys/request_key_auth.c`, `request_key_auth_describe`.

use super::super::case::{Case, Finding};
use super::super::facts::{KeyUpcall, UserModeHelper};
use super::super::functions::{Mechanism, contains};
use super::super::{Cause, Certainty};
use super::answer;

/// Clocks that are read one after the other differ by a little, and so does "not run since".
const SLACK_NS: u64 = 50_000_000;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.task().lock.is_some() || !case.asleep() || !case.innermost(Mechanism::HelperWait) {
        return None;
    }
    let upcall = case.facts.keys.iter().find(|key| key.requester == case.task().tid);
    let purpose = Purpose::of(case, upcall);
    let owing = answer::owing(case, helpers(case, purpose, upcall).iter().map(|helper| helper.pid));
    let wanted = match (purpose, upcall.and_then(|upcall| upcall.key.as_ref())) {
        (Purpose::Key, Some(key)) => format!(" that is to make the key \"{key}\""),
        (Purpose::Key, None) => " that is to make a key".to_owned(),
        (Purpose::Module, _) => " that is to load a module".to_owned(),
        (Purpose::CoreDump, _) => " that is to take a core dump".to_owned(),
        (Purpose::Other, _) => String::new(),
    };
    let mut finding = Finding::new(
        Cause::KeyUpcall,
        Certainty::Likely,
        format!("waits for {}", owing.told(&format!("the user-mode helper{wanted}"))),
        owing.release("helper", "when it ends, what it was to do fails"),
    );
    finding.waits_for = owing.chain();
    // Only the start of an initial RAM disk's /linuxrc is waited for freezably.
    finding.never_frozen_in_place = case.uninterruptible();
    Some(finding)
}

/// What the helper is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Key,
    Module,
    CoreDump,
    Other,
}

impl Purpose {
    fn of(case: &Case<'_>, upcall: Option<&KeyUpcall>) -> Self {
        let stack = &case.task().stack;
        if upcall.is_some() || case.at(Mechanism::KeyRequest) {
            Self::Key
        } else if contains(stack, Mechanism::ModuleRequest) {
            Self::Module
        } else if contains(stack, Mechanism::CoreDump) {
            Self::CoreDump
        } else {
            Self::Other
        }
    }

    /// Programs that the kernel runs for it, by the ends of their names.
    fn programs(self) -> &'static [&'static [u8]] {
        match self {
            Self::Key => &[b"request-key"],
            Self::Module => &[b"modprobe", b"kmod"],
            Self::CoreDump | Self::Other => &[],
        }
    }
}

/// The helpers that may be the task's: by the key that they are to make, else by name, else all that started since the
/// task began to wait.
fn helpers<'a>(case: &Case<'a>, purpose: Purpose, upcall: Option<&KeyUpcall>) -> Vec<&'a UserModeHelper> {
    // A core dump's helper is waited for only until it runs; then its worker has gone.
    let waited_for = |helper: &&UserModeHelper| helper.waited_for || purpose == Purpose::CoreDump;
    let others_key = |helper: &UserModeHelper| {
        let others = case.facts.keys.iter().filter(|key| key.requester != case.task().tid);
        purpose == Purpose::Key && upcall.is_some() && others.into_iter().any(|key| makes(helper, key))
    };
    // Who waits for another task's key came later than the helper.
    let joined = purpose == Purpose::Key && upcall.is_none() && !case.at(Mechanism::HelperStart);
    let late = |helper: &UserModeHelper| {
        joined || case.task().since_ns.is_none_or(|waits| helper.age_ns <= waits.saturating_add(SLACK_NS))
    };
    let mut found: Vec<_> = case.facts.helpers.iter().filter(waited_for).filter(|h| late(h)).collect();
    if let Some(upcall) = upcall {
        let its_own: Vec<_> = found.iter().copied().filter(|helper| makes(helper, upcall)).collect();
        if !its_own.is_empty() {
            return its_own;
        }
    }
    found.retain(|helper| !others_key(helper));
    let named: Vec<_> = found.iter().copied().filter(|helper| is_named(helper, purpose.programs())).collect();
    if named.is_empty() { found } else { named }
}

/// The serial number is an argument of the helper's; behind an interpreter, a later one.
fn makes(helper: &UserModeHelper, upcall: &KeyUpcall) -> bool {
    let serial = upcall.serial.to_string();
    helper.arguments.iter().any(|argument| argument.as_bytes() == serial.as_bytes())
}

fn is_named(helper: &UserModeHelper, programs: &[&[u8]]) -> bool {
    let command = helper.arguments.iter().take(2);
    command.into_iter().any(|argument| programs.iter().any(|name| argument.as_bytes().ends_with(name)))
}
