//! Processes that the kernel itself started, and the keys they are to make (`kernel/umh.c`, `security/keys`).

use std::collections::HashMap;

use nix::time::{ClockId, clock_gettime};

use super::memory::Memory;
use crate::explain::facts::{KeyUpcall, UserModeHelper};
use crate::model::{Name, TaskSnapshot};

/// Processes whose parent is a kernel thread. For a helper whose end is waited for that is the worker that waits
/// (`call_usermodehelper_exec_sync`), for others it is kthreadd.
pub fn helpers(
    host: &[TaskSnapshot],
    by_tid: &HashMap<i32, &TaskSnapshot>,
    memory: &mut Memory,
) -> Vec<UserModeHelper> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |now| {
        let (seconds, ns) = (now.tv_sec().unsigned_abs(), now.tv_nsec().unsigned_abs());
        seconds.saturating_mul(1_000_000_000).saturating_add(ns)
    });
    let started = host.iter().filter(|task| task.tid == task.tgid && !task.kernel_thread);
    started
        .filter_map(|task| {
            let parent = by_tid.get(&task.parent).filter(|parent| parent.kernel_thread)?;
            Some(UserModeHelper {
                pid: task.tgid,
                waited_for: parent.comm.as_bytes().starts_with(b"kworker"),
                age_ns: now.saturating_sub(task.start_ns),
                arguments: arguments(&memory.command_line(task.tgid).unwrap_or_default()),
            })
        })
        .collect()
}

fn arguments(bytes: &[u8]) -> Vec<Name> {
    let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if text.is_empty() { Vec::new() } else { text.split(|&b| b == 0).map(Name::from).collect() }
}

/// `/proc/keys` (`security/keys/proc.c`, `proc_keys_show`): serial, flags, usage, expiry, permissions, uid, gid, type
/// (nine letters of it), description. The key that lets a helper do its work, of type `.request_key_auth`, says for
/// which key and for which task: `key:1a251812 pid:16825 ci:2`.
pub fn keys(table: &[u8]) -> Vec<KeyUpcall> {
    let lines: Vec<Key> = table.split(|&b| b == b'\n').filter_map(key).collect();
    let upcalls = lines.iter().filter(|key| key.kind.starts_with(b".request_"));
    upcalls
        .filter_map(|permit| {
            let (serial, requester) = permitted(permit.description)?;
            let made = lines.iter().find(|key| key.serial == serial);
            Some(KeyUpcall {
                serial,
                requester,
                key: made.map(|key| Name::from([key.kind, b" ", key.description].concat())),
            })
        })
        .collect()
}

struct Key<'a> {
    serial: u32,
    kind: &'a [u8],
    description: &'a [u8],
}

fn key(line: &[u8]) -> Option<Key<'_>> {
    let mut rest = line;
    let mut words = [&b""[..]; 8];
    for word in &mut words {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
        (*word, rest) = rest.split_at(end);
    }
    let serial = u32::from_str_radix(std::str::from_utf8(words[0]).ok()?, 16).ok()?;
    Some(Key { serial, kind: words[7], description: rest.trim_ascii_start() })
}

fn permitted(description: &[u8]) -> Option<(u32, i32)> {
    let text = std::str::from_utf8(description).ok()?;
    let value = |key: &str| text.split(' ').find_map(|word| word.strip_prefix(key));
    Some((u32::from_str_radix(value("key:")?, 16).ok()?, value("pid:")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_under_construction_names_who_asked_for_it() {
        let table = b"16ede0a4 I--Q---     4 perm 3f030000     0     0 keyring   _req.438638610: 1\n\
            1a251812 ---QU--     3 perm 3f010000     0     0 user      free zer:x\n\
            3e38c2fe I------     2 perm 1b010000     0     0 .request_ key:1a251812 pid:16825 ci:2\n";
        let [upcall] = &keys(table)[..] else { panic!("one upcall") };
        assert_eq!((upcall.serial, upcall.requester), (0x1a25_1812, 16825));
        assert_eq!(upcall.key, Some(Name::from("user free zer:x")));
    }

    #[test]
    fn a_command_line_ends_with_its_last_nul() {
        assert_eq!(arguments(b"/bin/sh\0\0a\xff\0"), [Name::from("/bin/sh"), "".into(), b"a\xff"[..].into()]);
        assert_eq!(arguments(b""), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_keys_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            keys(&bytes);
        }
    }
}
