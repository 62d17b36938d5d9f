//! Records of the ring buffer, in the layout of `freezer_common::event`.

use bytes::{Buf as _, TryGetError};
use freezer_common::{
    COMM_LEN,
    event::{FROZEN_V1, FROZEN_V2, Kind, PREEMPTED, SAMPLE_FRAMES},
};

use super::{DecodeError, task};
use crate::model::{Caller, Event, EventKind, Frozen, Name};

/// Decodes one record; `symbolise` names the kernel addresses of a sample.
pub fn event(
    mut record: &[u8],
    symbolise: &mut dyn FnMut(&[u64]) -> Vec<String>,
) -> Result<Event, DecodeError> {
    let have = record.len();
    let (time_ns, cpu, kind) = header(&mut record).map_err(|_| DecodeError::Short { kind: 0, have })?;
    let kind = match body(kind, record, symbolise) {
        Ok(Some(decoded)) => decoded?,
        Ok(None) => return Err(DecodeError::Kind(kind)),
        Err(_) => return Err(DecodeError::Short { kind, have }),
    };
    Ok(Event { time_ns, cpu, kind })
}

fn header(buf: &mut &[u8]) -> Result<(u64, u32, u32), TryGetError> {
    Ok((buf.try_get_u64_le()?, buf.try_get_u32_le()?, buf.try_get_u32_le()?))
}

const SWITCH_OUT: u32 = Kind::SwitchOut as u32;
const SWITCH_IN: u32 = Kind::SwitchIn as u32;
const WAKING: u32 = Kind::Waking as u32;
const FORK: u32 = Kind::Fork as u32;
const EXEC: u32 = Kind::Exec as u32;
const EXIT: u32 = Kind::Exit as u32;
const FREEZE_ASKED: u32 = Kind::FreezeAsked as u32;
const THAW_ASKED: u32 = Kind::ThawAsked as u32;
const NOTIFY_FROZEN: u32 = Kind::NotifyFrozen as u32;
const ATTACH: u32 = Kind::Attach as u32;
const TASK_ASKED: u32 = Kind::TaskAsked as u32;
const REFRIGERATED: u32 = Kind::Refrigerated as u32;
const SAMPLE: u32 = Kind::Sample as u32;
const SYSTEM_FREEZE: u32 = Kind::SystemFreeze as u32;
const SYSTEM_KERNEL_THREADS: u32 = Kind::SystemKernelThreads as u32;
const SYSTEM_THAW: u32 = Kind::SystemThaw as u32;
const STRAGGLER: u32 = Kind::Straggler as u32;
const LEFT_REFRIGERATOR: u32 = Kind::LeftRefrigerator as u32;

/// The body by kind: `Err` where it is too short, `None` where the kind is unknown.
fn body(
    kind: u32,
    mut buf: &[u8],
    symbolise: &mut dyn FnMut(&[u64]) -> Vec<String>,
) -> Result<Option<Result<EventKind, DecodeError>>, TryGetError> {
    let buf = &mut buf;
    Ok(Some(Ok(match kind {
        SWITCH_OUT => {
            let (tid, state, marks) = (buf.try_get_i32_le()?, buf.try_get_u32_le()?, buf.try_get_u32_le()?);
            let frozen = Frozen { v1: marks & FROZEN_V1 != 0, v2: marks & FROZEN_V2 != 0 };
            EventKind::SwitchOut { tid, state, preempted: marks & PREEMPTED != 0, frozen }
        }
        SWITCH_IN => EventKind::SwitchIn { tid: buf.try_get_i32_le()? },
        WAKING => EventKind::Waking { tid: buf.try_get_i32_le()?, by: buf.try_get_i32_le()? },
        FORK => EventKind::Fork {
            parent: buf.try_get_i32_le()?,
            tid: buf.try_get_i32_le()?,
            tgid: Some(buf.try_get_i32_le()?).filter(|&tgid| tgid != 0),
        },
        EXEC => {
            let tid = buf.try_get_i32_le()?;
            buf.try_get_u32_le()?;
            EventKind::Exec { tid, comm: comm(buf)? }
        }
        EXIT => EventKind::Exit { tid: buf.try_get_i32_le()? },
        FREEZE_ASKED => EventKind::FreezeAsked { cgroup: buf.try_get_u64_le()?, by: caller(buf)? },
        THAW_ASKED => EventKind::ThawAsked { cgroup: buf.try_get_u64_le()?, by: caller(buf)? },
        NOTIFY_FROZEN => {
            EventKind::NotifyFrozen { cgroup: buf.try_get_u64_le()?, frozen: buf.try_get_u32_le()? != 0 }
        }
        ATTACH => {
            let to = buf.try_get_u64_le()?;
            EventKind::Attach { tid: buf.try_get_i32_le()?, to, into: buf.try_get_u32_le()? != 0 }
        }
        TASK_ASKED => EventKind::TaskAsked { tid: buf.try_get_i32_le()? },
        REFRIGERATED => EventKind::Refrigerated { tid: buf.try_get_i32_le()? },
        LEFT_REFRIGERATOR => EventKind::LeftRefrigerator { tid: buf.try_get_i32_le()? },
        SAMPLE => return sample(buf, symbolise).map(Some),
        SYSTEM_FREEZE => EventKind::SystemFreeze { by: caller(buf)? },
        SYSTEM_KERNEL_THREADS => EventKind::SystemKernelThreads,
        SYSTEM_THAW => EventKind::SystemThaw {
            last_pass_ns: buf.try_get_u64_le()?,
            passes: buf.try_get_u32_le()?,
            unfrozen: buf.try_get_u32_le()?,
        },
        STRAGGLER => {
            let (frames, mut look) = task::task(buf)?;
            if frames as usize > look.stack.len() {
                return Ok(Some(Err(DecodeError::Length(frames))));
            }
            look.stack.truncate(frames as usize);
            look.task.stack = symbolise(&look.stack);
            EventKind::Straggler { task: Box::new(look.task) }
        }
        _ => return Ok(None),
    })))
}

fn sample(
    buf: &mut &[u8],
    symbolise: &mut dyn FnMut(&[u64]) -> Vec<String>,
) -> Result<Result<EventKind, DecodeError>, TryGetError> {
    let (tid, frames) = (buf.try_get_i32_le()?, buf.try_get_u32_le()?);
    if frames as usize > SAMPLE_FRAMES {
        return Ok(Err(DecodeError::Length(frames)));
    }
    let stack = (0..frames).map(|_| buf.try_get_u64_le()).collect::<Result<Vec<_>, _>>()?;
    Ok(Ok(EventKind::Sample { tid, user: frames == 0, stack: symbolise(&stack) }))
}

fn caller(buf: &mut &[u8]) -> Result<Caller, TryGetError> {
    let (tid, pid) = (buf.try_get_i32_le()?, buf.try_get_i32_le()?);
    Ok(Caller { tid, pid, comm: comm(buf)? })
}

/// A task name: up to the first zero byte.
pub(super) fn comm(buf: &mut &[u8]) -> Result<Name, TryGetError> {
    let mut bytes = [0; COMM_LEN];
    buf.try_copy_to_slice(&mut bytes)?;
    Ok(Name::from(bytes.split(|&byte| byte == 0).next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: Kind, body: &[u8]) -> Vec<u8> {
        let mut bytes = 7_u64.to_le_bytes().to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend((kind as u32).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_switch_out_tells_both_freezers_marks() {
        let mut body = 42_i32.to_le_bytes().to_vec();
        body.extend(0x8002_u32.to_le_bytes());
        body.extend((FROZEN_V1 | PREEMPTED).to_le_bytes());
        let got = event(&record(Kind::SwitchOut, &body), &mut |_| Vec::new());
        let kind = EventKind::SwitchOut {
            tid: 42,
            state: 0x8002,
            preempted: true,
            frozen: Frozen { v1: true, v2: false },
        };
        assert_eq!(got, Ok(Event { time_ns: 7, cpu: 3, kind }));
    }

    #[test]
    fn a_name_of_stray_bytes_ends_at_its_first_zero() {
        let mut body = 1_i32.to_le_bytes().to_vec();
        body.extend([0; 4]);
        body.extend(*b"a\xff\x1b\0garbage.....");
        let got = event(&record(Kind::Exec, &body), &mut |_| Vec::new());
        let comm = Name::from(&b"a\xff\x1b"[..]);
        assert_eq!(got, Ok(Event { time_ns: 7, cpu: 3, kind: EventKind::Exec { tid: 1, comm } }));
    }

    #[test]
    fn a_sample_with_more_frames_than_fit_is_refused() {
        let mut body = 1_i32.to_le_bytes().to_vec();
        body.extend(33_u32.to_le_bytes());
        assert_eq!(event(&record(Kind::Sample, &body), &mut |_| Vec::new()), Err(DecodeError::Length(33)));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_event_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..320)) {
            _ = event(&bytes, &mut |stack| vec![String::new(); stack.len()]);
        }

        #[test]
        fn any_body_of_a_known_kind_gives_an_event_or_an_error(
            kind in 1_u32..19, body in proptest::collection::vec(any::<u8>(), 0..700)
        ) {
            let mut bytes = vec![0; 12];
            bytes.extend(kind.to_le_bytes());
            bytes.extend(body);
            _ = event(&bytes, &mut |stack| vec![String::new(); stack.len()]);
        }
    }
}
