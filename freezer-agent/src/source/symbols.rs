//! Kernel addresses -> function names, from /proc/kallsyms.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader},
    thread::{self, JoinHandle},
};

use crate::model::function;

const PATH: &str = "/proc/kallsyms";

/// Why addresses stay without names.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// The file cannot be read.
    #[error("cannot read {PATH}: {0}; kernel stacks are read from /proc/TID/stack instead")]
    Read(#[from] io::Error),
    /// `kernel.kptr_restrict` hides the addresses.
    #[error(
        "{PATH} hides its addresses (kernel.kptr_restrict); kernel stacks are read from /proc/TID/stack instead"
    )]
    Hidden,
}

/// The kernel's functions, by address.
pub struct Symbols {
    /// Address, and where in `names` its name starts; sorted.
    starts: Vec<(u64, u32)>,
    /// Names, each ended by a newline.
    names: Vec<u8>,
    /// Names of addresses asked for before: the stacks of a thousand tasks share a few hundred.
    known: HashMap<u64, Option<String>>,
}

impl Symbols {
    /// Reads the kernel's functions: some 40 ms and 10 MB, so better done ahead of need (`LazySymbols::prepare`).
    pub fn from_kernel() -> Result<Self, SymbolsError> {
        // Line by line: the whole text would be twice the size of what is kept of it.
        Self::parse(BufReader::with_capacity(1 << 16, File::open(PATH)?))
    }

    fn parse(mut text: impl BufRead) -> Result<Self, SymbolsError> {
        let mut symbols = Self { starts: Vec::new(), names: Vec::new(), known: HashMap::new() };
        let mut line = Vec::new();
        while text.read_until(b'\n', &mut line)? > 0 {
            if let Some((address, name)) = function(&line)
                && let Ok(at) = u32::try_from(symbols.names.len())
            {
                symbols.starts.push((address, at));
                symbols.names.extend_from_slice(name);
                symbols.names.push(b'\n');
            }
            line.clear();
        }
        if symbols.starts.iter().all(|&(address, _)| address == 0) {
            return Err(SymbolsError::Hidden);
        }
        symbols.starts.sort_unstable();
        // Of several names for one address the kernel prints the first (`get_symbol_pos`, kernel/kallsyms.c).
        symbols.starts.dedup_by_key(|&mut (address, _)| address);
        symbols.starts.shrink_to_fit();
        symbols.names.shrink_to_fit();
        Ok(symbols)
    }

    /// Name of the function an address lies in; `None` below the first one, and in BPF programs and trampolines.
    #[must_use]
    pub fn name(&self, address: u64) -> Option<&str> {
        let after = self.starts.partition_point(|&(start, _)| start <= address);
        let (_, at) = *self.starts.get(after.checked_sub(1)?)?;
        let name = self.names.get(at as usize..)?.split(|&byte| byte == b'\n').next()?;
        function::plain(name)
    }

    /// Names of a stack. Frames of BPF programs and their trampolines are left out: they are the agent's own.
    #[must_use]
    pub fn stack(&mut self, addresses: &[u64]) -> Vec<String> {
        addresses.iter().filter_map(|&address| self.frame(address)).collect()
    }

    fn frame(&mut self, address: u64) -> Option<String> {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        // A return address may lie just behind a function that never returns; zero ends a short stack.
        let name = address.checked_sub(1).and_then(|inside| self.name(inside));
        let name = name.map(str::to_owned);
        self.known.insert(address, name.clone());
        name
    }
}

/// Address and name, as it is written, of a line that is a function; `None` for data.
fn function(line: &[u8]) -> Option<(u64, &[u8])> {
    let (address, rest) = (line.get(..16)?, line.get(17..)?);
    let (&kind, name) = (rest.first()?, rest.get(2..)?);
    if !matches!(kind, b't' | b'T' | b'w' | b'W') {
        return None;
    }
    let name = name.split(|&byte| matches!(byte, b'\t' | b' ' | b'\n')).next()?;
    let address = u64::from_str_radix(std::str::from_utf8(address).ok()?, 16).ok()?;
    (!name.is_empty()).then_some((address, name))
}

/// Symbols that are read when first needed, or before that on a thread of their own.
#[derive(Default)]
pub(super) struct LazySymbols {
    reading: Option<JoinHandle<Result<Symbols, SymbolsError>>>,
    read: Option<Result<Symbols, SymbolsError>>,
}

impl LazySymbols {
    /// Starts reading on a thread.
    pub fn prepare(&mut self) {
        if self.reading.is_none() && self.read.is_none() {
            // Where no thread can be had they are read when needed.
            self.reading =
                thread::Builder::new().name("kallsyms".to_owned()).spawn(Symbols::from_kernel).ok();
        }
    }

    /// The symbols, waiting for them where necessary.
    pub fn get(&mut self) -> Result<&mut Symbols, &SymbolsError> {
        let reading = self.reading.take();
        self.read
            .get_or_insert_with(|| match reading.map(JoinHandle::join) {
                Some(Ok(result)) => result,
                Some(Err(_)) | None => Symbols::from_kernel(),
            })
            .as_mut()
            .map_err(|error| &*error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
ffffffff81000000 T _text\n\
ffffffff81000100 t request_wait_answer.isra.0\n\
ffffffff81000200 d some_data\n\
ffffffff81000300 T fuse_lookup\t[fuse]\n\
ffffffff81000300 t an_alias_of_it\t[fuse]\n\
ffffffffc0000000 t bpf_prog_1234_snapshot\t[bpf]\n";

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let symbols = Symbols::parse(TEXT).expect("addresses are there");
        assert_eq!(symbols.name(0xffff_ffff_8100_0180), Some("request_wait_answer"));
        assert_eq!(symbols.name(0xffff_ffff_8100_0300), Some("fuse_lookup"));
        assert_eq!(symbols.name(0x1000), None);
    }

    #[test]
    fn the_agents_own_programs_are_not_in_a_stack() {
        let mut symbols = Symbols::parse(TEXT).expect("addresses are there");
        let stack = [0xffff_ffff_c000_0010, 0xffff_ffff_8100_0310, 0];
        assert_eq!(symbols.stack(&stack), ["fuse_lookup"]);
    }

    #[test]
    fn hidden_addresses_are_said_to_be_hidden() {
        let hidden = &b"0000000000000000 T _text\n0000000000000000 T other\n"[..];
        assert!(matches!(Symbols::parse(hidden), Err(SymbolsError::Hidden)));
    }
}
