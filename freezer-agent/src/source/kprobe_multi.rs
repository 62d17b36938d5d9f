//! One kprobe for many functions, by one link (kprobe.multi: Linux 5.18 with `CONFIG_FPROBE`). aya has no type for it, and
//! the kernel wants to be told when the program is loaded: so both is done here, with the program taken out of the object
//! once more and given the maps that there are.

use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};

use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya_obj::Object;
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_type};
use freezer_common::hook::Function;

use super::object::OBJECT;
use crate::host::withheld::refuse;

/// The program's name in the object.
const PROGRAM: &str = "kprobe_multi";

/// Attaches to all of `functions` or to none, for as long as the descriptor is open.
pub(super) fn attach(ebpf: &Ebpf, functions: &[Function]) -> io::Result<OwnedFd> {
    refuse("kprobe.multi")?;
    registers()?;
    let program = load(ebpf)?;
    let names: Vec<CString> =
        functions.iter().map(|function| CString::new(function.name())).collect::<Result<_, _>>()?;
    let names: Vec<u64> = names.iter().map(|name| name.as_ptr() as u64).collect();
    let cookies: Vec<u64> = functions.iter().map(|&function| function as u64).collect();
    let mut attr = zeroed();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    // SAFETY: the union's member for this kind of link.
    let multi = unsafe { &mut attr.link_create.__bindgen_anon_3.kprobe_multi };
    multi.cnt = u32::try_from(functions.len()).map_err(io::Error::other)?;
    multi.syms = names.as_ptr() as u64;
    multi.cookies = cookies.as_ptr() as u64;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)
}

/// Which registers hold a function's arguments differs, and the object knows one kind.
pub(super) fn registers() -> io::Result<()> {
    if cfg!(target_arch = "x86_64") {
        Ok(())
    } else {
        Err(io::Error::other("the object's kprobes read the registers of x86_64"))
    }
}

fn load(ebpf: &Ebpf) -> io::Result<OwnedFd> {
    let mut object = Object::parse(OBJECT).map_err(io::Error::other)?;
    object.programs.retain(|name, _| name == PROGRAM);
    let maps = mem::take(&mut object.maps);
    let text = object.functions.keys().map(|(section, _)| *section).collect();
    let maps = maps.iter().filter_map(|(name, map)| {
        let there = data(ebpf.map(name)?)?;
        Some((name.as_str(), there.fd().as_fd().as_raw_fd(), map))
    });
    object.relocate_maps(maps, &text).map_err(io::Error::other)?;
    object.relocate_calls(&text).map_err(io::Error::other)?;
    let program = object.programs.get(PROGRAM).ok_or_else(|| io::Error::other("not in the object"))?;
    let code = &object.functions[&program.function_key()].instructions;
    let mut attr = zeroed();
    // SAFETY: the union's member for loading.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    load.expected_attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    load.insns = code.as_ptr() as u64;
    load.insn_cnt = u32::try_from(code.len()).map_err(io::Error::other)?;
    load.license = program.license.as_ptr() as u64;
    bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr)
}

/// The kinds of maps that the object has.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::PerCpuArray(data) | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of plain numbers, of which zero is what the kernel takes as not given.
    unsafe { mem::zeroed() }
}

/// The system call, for commands that give a descriptor.
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is of the size said, and what it points to outlives the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_int, std::ptr::from_mut(attr), size_of::<bpf_attr>())
    };
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
