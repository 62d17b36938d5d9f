//! A purpose-built reader of BTF, the kernel's own description of its types: member offsets, enum values and type
//! ids of a fixed list of names, in one pass. Format: Documentation/bpf/btf.rst.
//!
//! The bytes come from the kernel, but nothing here trusts them: every access is checked, any bytes give either
//! answers or [`BtfError`], never a panic.

use std::{fs, io, path::Path};

use super::withheld::refuse;

/// Where the kernel shows its types.
pub const PATH: &str = "/sys/kernel/btf/vmlinux";

/// Nesting of anonymous structs followed before giving up: the kernel nests three or four deep.
const MAX_NESTING: u32 = 16;
/// Modifiers (`const`, `volatile`, typedefs, type tags) followed before giving up.
const MAX_MODIFIERS: u32 = 32;

const HEADER: usize = 24;
const TYPE: usize = 12;

/// Why the kernel's types are not known.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read; without it (`CONFIG_DEBUG_INFO_BTF=n`) no program can be loaded.
    #[error("cannot read the kernel's type information {PATH}: {0}")]
    Read(#[source] io::Error),
    /// The bytes are no BTF of this machine's byte order.
    #[error("{PATH} is not type information this build understands: {0}")]
    Malformed(&'static str),
}

/// Kinds of types that are looked up by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `struct`
    Struct,
    /// `enum`
    Enum,
    /// `typedef`
    Typedef,
    /// A function.
    Func,
}

/// Bytes of a pointer: programs run on 64-bit kernels only.
const POINTER: u32 = 8;

mod raw {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// Where a member lies in its struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Offset in bits.
    pub bit: u32,
    /// Width in bits of a bit field; `None` for other members.
    pub width: Option<u32>,
}

impl Member {
    /// Offset in bytes: of the byte that holds the first bit.
    #[must_use]
    pub fn byte(self) -> u32 {
        self.bit / 8
    }
}

/// The kernel's types, with the named ones that were asked for.
pub struct Btf {
    data: Vec<u8>,
    strings: std::ops::Range<usize>,
    /// Where each type starts, by type id.
    starts: Vec<u32>,
    found: Vec<Found>,
}

struct Found {
    kind: Kind,
    name: &'static str,
    id: u32,
}

#[derive(Clone, Copy)]
struct Type {
    start: usize,
    name: u32,
    kind: u32,
    len: u32,
    /// The kind flag: member offsets carry a bit field's width.
    flag: bool,
    /// Type id, or size, as the kind says.
    target: u32,
}

impl Btf {
    /// Reads the running kernel's types and finds the named ones of `wanted`.
    pub fn from_kernel(wanted: &[(Kind, &'static str)]) -> Result<Self, BtfError> {
        refuse("btf").map_err(BtfError::Read)?;
        let data = fs::read(Path::new(PATH)).map_err(BtfError::Read)?;
        Self::parse(data, wanted)
    }

    /// Reads types from bytes and finds the named ones of `wanted`.
    pub fn parse(data: Vec<u8>, wanted: &[(Kind, &'static str)]) -> Result<Self, BtfError> {
        let (types, strings) = sections(&data)?;
        // A quarter of an average type's size: one allocation is enough for every kernel seen.
        let mut starts = Vec::with_capacity(types.len() / 32 + 1);
        // Id 0 is `void` and has no bytes.
        starts.push(0);
        let mut btf = Self { data, strings, starts, found: Vec::with_capacity(wanted.len()) };
        let filter = Filter::new(wanted);
        let mut at = types.start;
        while at < types.end {
            let ty = btf.type_at(at).ok_or(BtfError::Malformed("a type is cut off"))?;
            let id = u32::try_from(btf.starts.len()).map_err(|_| BtfError::Malformed("too many types"))?;
            btf.note(&filter, wanted, ty, id);
            btf.starts.push(u32::try_from(at).map_err(|_| BtfError::Malformed("too large"))?);
            at += TYPE + extra(ty).ok_or(BtfError::Malformed("a type of an unknown kind"))?;
        }
        if at != types.end {
            return Err(BtfError::Malformed("the last type is cut off"));
        }
        Ok(btf)
    }

    fn note(&mut self, filter: &Filter, wanted: &[(Kind, &'static str)], ty: Type, id: u32) {
        let kind = match ty.kind {
            raw::STRUCT => Kind::Struct,
            raw::ENUM => Kind::Enum,
            raw::TYPEDEF => Kind::Typedef,
            raw::FUNC => Kind::Func,
            _ => return,
        };
        let at = self.strings.start + ty.name as usize;
        let Some(head) = self.data.get(at..at + 2) else { return };
        if !filter.may_be(head) {
            return;
        }
        let name = self.string(ty.name);
        let known = |found: &Found| found.kind == kind && found.name.as_bytes() == name;
        if let Some((_, name)) = wanted.iter().find(|(k, n)| *k == kind && n.as_bytes() == name)
            && !self.found.iter().any(known)
        {
            self.found.push(Found { kind, name, id });
        }
    }

    /// Id of a named type; `None` unless it was asked for when reading, and is there.
    #[must_use]
    pub fn id(&self, kind: Kind, name: &str) -> Option<u32> {
        self.found.iter().find(|found| found.kind == kind && found.name == name).map(|found| found.id)
    }

    /// A member of a named struct, also where it lies in anonymous structs and unions of it.
    #[must_use]
    pub fn member(&self, of: &str, name: &str) -> Option<Member> {
        self.member_in(self.id(Kind::Struct, of)?, name.as_bytes(), MAX_NESTING)
    }

    /// A member along a path of members: `["thread_info", "cpu"]`.
    #[must_use]
    pub fn member_path(&self, of: &str, path: &[&str]) -> Option<Member> {
        self.typed_member(of, path).map(|(member, _)| member)
    }

    /// The same, with the size of its type in bytes; `None` for the size where it cannot be told, and of bit fields.
    #[must_use]
    pub fn sized_member(&self, of: &str, path: &[&str]) -> Option<(Member, Option<u32>)> {
        let (member, ty) = self.typed_member(of, path)?;
        Some((member, if member.width.is_none() { self.size(ty) } else { None }))
    }

    /// The member, and the id of its type without `const` and the like.
    fn typed_member(&self, of: &str, path: &[&str]) -> Option<(Member, u32)> {
        let mut id = self.id(Kind::Struct, of)?;
        let mut bit = 0_u32;
        let mut last = None;
        for name in path {
            let (member, ty) = self.find_member(id, name.as_bytes(), MAX_NESTING)?;
            let here = Member { bit: bit.checked_add(member.bit)?, width: member.width };
            bit = here.bit;
            id = self.skip_modifiers(ty)?;
            last = Some((here, id));
        }
        last
    }

    /// Size of a type, bytes. An array's is that of one element times their number.
    fn size(&self, id: u32) -> Option<u32> {
        let ty = self.type_by_id(id)?;
        match ty.kind {
            raw::INT | raw::STRUCT | raw::UNION | raw::ENUM | raw::ENUM64 | raw::FLOAT => Some(ty.target),
            raw::PTR => Some(POINTER),
            raw::ARRAY => {
                let element = self.type_by_id(self.skip_modifiers(self.word(ty.start + TYPE)?)?)?;
                let element = match element.kind {
                    raw::PTR => POINTER,
                    raw::INT | raw::STRUCT | raw::UNION => element.target,
                    _ => return None,
                };
                element.checked_mul(self.word(ty.start + TYPE + 8)?)
            }
            _ => None,
        }
    }

    /// Value of an enumerator of a named enum.
    #[must_use]
    pub fn enumerator(&self, of: &str, name: &str) -> Option<u32> {
        let ty = self.type_by_id(self.id(Kind::Enum, of)?)?;
        (0..ty.len as usize).find_map(|n| {
            let at = ty.start + TYPE + n * 8;
            (self.string(self.word(at)?) == name.as_bytes()).then(|| self.word(at + 4)).flatten()
        })
    }

    /// Number of parameters of a tracepoint's `btf_trace_` typedef (a pointer to a function), without its first,
    /// the tracing data.
    #[must_use]
    pub fn tracepoint_arguments(&self, typedef: &str) -> Option<u32> {
        let pointer = self.type_by_id(self.type_by_id(self.id(Kind::Typedef, typedef)?)?.target)?;
        let function = self.type_by_id(pointer.target)?;
        (pointer.kind == raw::PTR && function.kind == raw::FUNC_PROTO).then(|| function.len.saturating_sub(1))
    }

    /// BTF with the same type ids in which only the named types found keep their names and kinds, and everything
    /// else is a 12-byte filler: what a loader that looks ids up by name needs, at a fraction of the cost.
    #[must_use]
    pub fn skeleton(&self) -> Vec<u8> {
        let mut named: Vec<&Found> =
            self.found.iter().filter(|found| matches!(found.kind, Kind::Typedef | Kind::Func)).collect();
        named.sort_by_key(|found| found.id);
        let last = named.last().map_or(0, |found| found.id);
        let mut types = Vec::with_capacity(last as usize * TYPE);
        let mut strings = vec![0_u8];
        let mut named = named.into_iter().peekable();
        for id in 1..=last {
            match named.next_if(|found| found.id == id) {
                Some(found) => {
                    let kind = if found.kind == Kind::Func { raw::FUNC } else { raw::TYPEDEF };
                    push(&mut types, [u32::try_from(strings.len()).unwrap_or(0), kind << 24, 0]);
                    strings.extend_from_slice(found.name.as_bytes());
                    strings.push(0);
                }
                None => push(&mut types, [0, raw::FWD << 24, 0]),
            }
        }
        let length = |section: &[u8]| u32::try_from(section.len()).unwrap_or(0);
        let mut out = Vec::with_capacity(HEADER + types.len() + strings.len());
        out.extend_from_slice(&[0x9f, 0xeb, 1, 0]);
        for word in [24, 0, length(&types), length(&types), length(&strings)] {
            out.extend_from_slice(&u32::to_ne_bytes(word));
        }
        out.append(&mut types);
        out.append(&mut strings);
        out
    }

    fn member_in(&self, id: u32, name: &[u8], nesting: u32) -> Option<Member> {
        self.find_member(id, name, nesting).map(|(member, _)| member)
    }

    /// The member and its type id.
    fn find_member(&self, id: u32, name: &[u8], nesting: u32) -> Option<(Member, u32)> {
        let ty = self.type_by_id(id)?;
        if nesting == 0 || !matches!(ty.kind, raw::STRUCT | raw::UNION) {
            return None;
        }
        for n in 0..ty.len as usize {
            let at = ty.start + TYPE + n * 12;
            let (member_name, member_type, offset) = (self.word(at)?, self.word(at + 4)?, self.word(at + 8)?);
            let bit = if ty.flag { offset & 0x00ff_ffff } else { offset };
            if member_name == 0 {
                let inner = self.skip_modifiers(member_type)?;
                if let Some((member, ty)) = self.find_member(inner, name, nesting - 1) {
                    return Some((Member { bit: bit.checked_add(member.bit)?, ..member }, ty));
                }
            } else if self.string(member_name) == name {
                let width = Some(offset >> 24).filter(|&width| ty.flag && width != 0);
                return Some((Member { bit, width }, member_type));
            }
        }
        None
    }

    fn skip_modifiers(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_MODIFIERS {
            let ty = self.type_by_id(id)?;
            match ty.kind {
                raw::CONST | raw::VOLATILE | raw::RESTRICT | raw::TYPEDEF | raw::TYPE_TAG => id = ty.target,
                _ => return Some(id),
            }
        }
        None
    }

    fn type_by_id(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.type_at(*self.starts.get(id as usize)? as usize)
    }

    fn type_at(&self, start: usize) -> Option<Type> {
        let info = self.word(start + 4)?;
        Some(Type {
            start,
            name: self.word(start)?,
            kind: (info >> 24) & 0x1f,
            len: info & 0xffff,
            flag: info >> 31 == 1,
            target: self.word(start + 8)?,
        })
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(&self.data, at)
    }

    fn string(&self, offset: u32) -> &[u8] {
        let section = self.data.get(self.strings.clone()).unwrap_or_default();
        let tail = section.get(offset as usize..).unwrap_or_default();
        tail.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// Which pairs of first bytes a wanted name has: most names are told apart without reading them.
struct Filter(Vec<bool>);

impl Filter {
    fn new(wanted: &[(Kind, &'static str)]) -> Self {
        let mut heads = vec![false; 1 << 16];
        for (_, name) in wanted {
            if let [first, second, ..] = *name.as_bytes() {
                heads[usize::from(u16::from_le_bytes([first, second]))] = true;
            }
        }
        Self(heads)
    }

    fn may_be(&self, head: &[u8]) -> bool {
        matches!(*head, [first, second] if self.0[usize::from(u16::from_le_bytes([first, second]))])
    }
}

fn sections(data: &[u8]) -> Result<(std::ops::Range<usize>, std::ops::Range<usize>), BtfError> {
    let magic = data.get(..2).ok_or(BtfError::Malformed("it is empty"))?;
    if magic != 0xeb9f_u16.to_ne_bytes() {
        return Err(BtfError::Malformed("wrong magic number or byte order"));
    }
    let field = |at| word(data, at).map(|value| value as usize).ok_or(BtfError::Malformed("header cut off"));
    let header = field(4)?;
    let section = |offset: usize, len: usize| {
        let start = header.checked_add(offset)?;
        let end = start.checked_add(len)?;
        (end <= data.len()).then_some(start..end)
    };
    let types = section(field(8)?, field(12)?).ok_or(BtfError::Malformed("types beyond the end"))?;
    let strings = section(field(16)?, field(20)?).ok_or(BtfError::Malformed("strings beyond the end"))?;
    Ok((types, strings))
}

/// Bytes that follow the 12 of a type, by its kind.
fn extra(ty: Type) -> Option<usize> {
    let len = ty.len as usize;
    Some(match ty.kind {
        raw::INT | raw::VAR | raw::DECL_TAG => 4,
        raw::PTR
        | raw::FWD
        | raw::TYPEDEF
        | raw::VOLATILE
        | raw::CONST
        | raw::RESTRICT
        | raw::FUNC
        | raw::FLOAT
        | raw::TYPE_TAG => 0,
        raw::ARRAY => 12,
        raw::STRUCT | raw::UNION | raw::DATASEC | raw::ENUM64 => len * 12,
        raw::ENUM | raw::FUNC_PROTO => len * 8,
        _ => return None,
    })
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn push(out: &mut Vec<u8>, words: [u32; 3]) {
    for word in words {
        out.extend_from_slice(&word.to_ne_bytes());
    }
}

#[cfg(test)]
#[path = "btf_tests.rs"]
pub(super) mod tests;
