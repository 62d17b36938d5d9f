//! The same look at tasks from /proc alone.
use std::fs;
/// Kernel stack of a task, innermost first; empty where it is not readable.
#[must_use]
pub fn stack(tid: i32) -> Vec<String> {
    let text = fs::read(format!("/proc/{tid}/stack")).unwrap_or_default();
    text.split(|&byte| byte == b'\n').filter_map(frame).collect()
}
/// `[<0>] hrtimer_nanosleep+0x9c/0x110 [module]`
fn frame(line: &[u8]) -> Option<String> {
    let name = line.strip_prefix(b"[<0>] ")?.split(|&byte| matches!(byte, b'+' | b'.' | b' ')).next()?;
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty() && !name.starts_with("0x")).then(|| name.to_owned())
}
