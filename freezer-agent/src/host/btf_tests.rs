use proptest::prelude::*;

use super::*;

/// Builds BTF by hand: types as words, names into the string section.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        let at = u32::try_from(self.strings.len()).expect("short");
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
    }

    fn aggregate(&mut self, kind: u32, flag: bool, name: &str, members: &[(&str, u32, u32)]) {
        let name = self.name(name);
        let len = u32::try_from(members.len()).expect("few");
        self.words(&[name, kind << 24 | u32::from(flag) << 31 | len, 64]);
        for (name, ty, offset) in members {
            let name = self.name(name);
            self.words(&[name, *ty, *offset]);
        }
    }

    fn build(mut self) -> Vec<u8> {
        let mut out = vec![0x9f, 0xeb, 1, 0];
        let (types, strings) = (self.types.len(), self.strings.len());
        for word in [24, 0, types, types, strings] {
            out.extend_from_slice(&u32::try_from(word).expect("short").to_ne_bytes());
        }
        out.append(&mut self.types);
        out.append(&mut self.strings);
        out
    }
}

fn sample() -> Vec<u8> {
    let mut b = Builder::default();
    let int = b.name("int");
    b.words(&[int, raw::INT << 24, 4, 32]); // 1
    b.aggregate(raw::UNION, false, "", &[("first", 1, 0), ("second", 1, 32)]); // 2
    b.aggregate(raw::STRUCT, true, "outer", &[("", 3, 64), ("bits", 1, 5 | 1 << 24), ("nested", 2, 128)]); // 3: its first member contains itself
    b.build()
}

#[test]
fn a_member_of_an_anonymous_union_is_found_at_the_sum_of_the_offsets() {
    let mut b = Builder::default();
    let int = b.name("int");
    b.words(&[int, raw::INT << 24, 4, 32]); // 1
    b.aggregate(raw::UNION, false, "", &[("first", 1, 0), ("second", 1, 32)]); // 2
    b.aggregate(raw::STRUCT, false, "outer", &[("", 2, 64)]); // 3
    let btf = Btf::parse(b.build(), &[(Kind::Struct, "outer")]).expect("valid");
    assert_eq!(btf.member("outer", "second"), Some(Member { bit: 96, width: None }));
    assert_eq!(btf.member("outer", "third"), None);
}

#[test]
fn a_bit_field_has_a_bit_offset_and_a_width() {
    let mut b = Builder::default();
    let int = b.name("int");
    b.words(&[int, raw::INT << 24, 4, 32]);
    b.aggregate(raw::STRUCT, true, "outer", &[("plain", 1, 0), ("frozen", 1, 0x25 | 1 << 24)]);
    let btf = Btf::parse(b.build(), &[(Kind::Struct, "outer")]).expect("valid");
    assert_eq!(btf.member("outer", "frozen"), Some(Member { bit: 37, width: Some(1) }));
    assert_eq!(btf.member("outer", "plain"), Some(Member { bit: 0, width: None }));
}

#[test]
fn the_running_kernel_says_where_a_task_keeps_its_pid() {
    let Ok(btf) = Btf::from_kernel(&[(Kind::Struct, "task_struct"), (Kind::Func, "bpf_iter_task")]) else {
        return; // no BTF on this kernel: `doctor` says so, nothing to test
    };
    let (pid, tgid) = (btf.member("task_struct", "pid"), btf.member("task_struct", "tgid"));
    assert_eq!(pid.map(|pid| pid.bit + 32), tgid.map(|tgid| tgid.bit));
    assert!(btf.id(Kind::Func, "bpf_iter_task").is_some());
}

#[test]
fn the_skeleton_keeps_names_at_their_type_ids() {
    let mut b = Builder::default();
    let int = b.name("int");
    b.words(&[int, raw::INT << 24, 4, 32]);
    let name = b.name("btf_trace_it");
    b.words(&[name, raw::TYPEDEF << 24, 1]);
    let wanted = [(Kind::Typedef, "btf_trace_it")];
    let btf = Btf::parse(b.build(), &wanted).expect("valid");
    let skeleton = Btf::parse(btf.skeleton(), &wanted).expect("valid");
    assert_eq!(btf.id(Kind::Typedef, "btf_trace_it"), Some(2));
    assert_eq!(skeleton.id(Kind::Typedef, "btf_trace_it"), Some(2));
}

impl Btf {
    /// What makes another kernel of this one: gives a direct member of a named struct another member's name or type.
    pub(crate) fn edit_member(&mut self, of: &str, name: &str, edit: Edit<'_>) {
        let (at, of_other) = match edit {
            Edit::Forget => (0, 0),
            Edit::TypeOf(other) => (4, self.word(self.entry(of, other) + 4).expect("a type")),
        };
        let at = self.entry(of, name) + at;
        self.data[at..at + 4].copy_from_slice(&of_other.to_ne_bytes());
    }

    /// Where a direct member is described: name, type, offset.
    fn entry(&self, of: &str, name: &str) -> usize {
        let ty = self.type_by_id(self.id(Kind::Struct, of).expect("a struct")).expect("a type");
        let entries = (0..ty.len as usize).map(|n| ty.start + TYPE + n * 12);
        let named = |at: &usize| self.word(*at).is_some_and(|at| self.string(at) == name.as_bytes());
        entries.into_iter().find(named).expect("a direct member")
    }
}

/// How a member differs on that kernel.
#[derive(Clone, Copy)]
pub(crate) enum Edit<'a> {
    /// It is not there.
    Forget,
    /// It is of the type of this other member.
    TypeOf(&'a str),
}

#[test]
fn the_size_of_a_member_is_told_through_typedefs_and_arrays() {
    let mut b = Builder::default();
    let int = b.name("int");
    b.words(&[int, raw::INT << 24, 4, 32]); // 1
    b.words(&[0, raw::PTR << 24, 1]); // 2
    let name = b.name("alias");
    b.words(&[name, raw::TYPEDEF << 24, 2]); // 3
    b.words(&[0, raw::ARRAY << 24, 0, 3, 1, 5]); // 4
    b.aggregate(raw::STRUCT, false, "outer", &[("int", 1, 0), ("alias", 3, 64), ("array", 4, 128)]); // 5
    let btf = Btf::parse(b.build(), &[(Kind::Struct, "outer")]).expect("valid");
    let size = |name: &str| btf.sized_member("outer", &[name]).and_then(|(_, size)| size);
    assert_eq!((size("int"), size("alias"), size("array")), (Some(4), Some(8), Some(40)));
}

fn ask_everything(bytes: Vec<u8>) {
    let wanted =
        [(Kind::Struct, "outer"), (Kind::Enum, "outer"), (Kind::Typedef, "outer"), (Kind::Func, "outer")];
    if let Ok(btf) = Btf::parse(bytes, &wanted) {
        _ = btf.member("outer", "second");
        _ = btf.sized_member("outer", &["nested", "second"]);
        _ = btf.enumerator("outer", "second");
        _ = btf.tracepoint_arguments("outer");
        _ = btf.skeleton();
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        ask_everything(bytes);
    }

    #[test]
    fn damaged_types_give_an_answer_or_an_error(at in 0_usize..200, byte in any::<u8>()) {
        let mut bytes = sample();
        if let Some(target) = bytes.get_mut(at) {
            *target = byte;
        }
        ask_everything(bytes);
    }
}
