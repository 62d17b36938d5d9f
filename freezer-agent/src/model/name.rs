//! Bytes the kernel calls a name: task names, paths. Never assumed to be UTF-8, never printed raw.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A task name or path as the kernel holds it.
///
/// Displayed for a terminal with control characters and stray bytes as `\xNN`; in JSON control characters are
/// JSON escapes and stray bytes the text `\xNN`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Name(Vec<u8>);

impl Name {
    /// The bytes as the kernel gave them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn write(&self, out: &mut impl fmt::Write, escape: fn(char) -> bool) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if escape(c) {
                    let mut utf8 = [0; 4];
                    for byte in c.encode_utf8(&mut utf8).bytes() {
                        write!(out, "\\x{byte:02x}")?;
                    }
                } else {
                    out.write_char(c)?;
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters that could move the cursor, change colours or reorder text on a terminal.
fn unsafe_on_a_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len());
        self.write(&mut text, unsafe_on_a_terminal)?;
        f.pad(&text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Name {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&std::path::Path> for Name {
    fn from(path: &std::path::Path) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len());
        self.write(&mut text, |_| false).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_never_sees_a_raw_control_character() {
        assert_eq!(Name::from(&b"evil\x1b[2J\nname\xff"[..]).to_string(), r"evil\x1b[2J\x0aname\xff");
    }

    #[test]
    fn json_keeps_control_characters_as_json_escapes_and_stray_bytes_as_text() {
        let json = serde_json::to_string(&Name::from(&b"a\x01b\xffc"[..])).expect("a string");
        assert_eq!(json, r#""a\u0001b\\xffc""#);
    }

    #[test]
    fn right_to_left_overrides_do_not_reach_the_terminal() {
        assert_eq!(Name::from("a\u{202e}b").to_string(), r"a\xe2\x80\xaeb");
    }
}
