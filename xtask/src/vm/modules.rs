//! Modules for a guest, in an order in which they can be inserted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// What the lab's cases need where a kernel has it as a module.
///
/// ext4 does not say that it needs crc32c, for which it asks when it is mounted.
pub const WANTED: &[&str] =
    &["fuse", "loop", "autofs4", "dm_mod", "crc32c_generic", "ext4", "nfs", "nfsv3", "nfsv4"];

/// A module's file name in the guest, and its content, uncompressed.
pub type Module = (String, Vec<u8>);

/// The wanted modules and those they need, each after what it needs. One that the kernel has built in, or has not at all,
/// is not there: the lab tells which cases that leaves out.
pub fn in_order(tree: &Path, wanted: &[&str]) -> anyhow::Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    index(tree, &mut files)?;
    let mut order = Vec::new();
    for name in wanted {
        insert(name, &files, &mut order)?;
    }
    Ok(order)
}

fn insert(name: &str, files: &BTreeMap<String, PathBuf>, order: &mut Vec<Module>) -> anyhow::Result<()> {
    let file = format!("{name}.ko");
    let Some(path) = files.get(name) else { return Ok(()) };
    if order.iter().any(|(done, _)| *done == file) {
        return Ok(());
    }
    let content = read(path)?;
    for needed in needs(&content) {
        insert(&needed, files, order)?;
    }
    order.push((file, content));
    Ok(())
}

/// Every module below a folder, by the name the kernel knows it by.
fn index(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_symlink() {
            continue; // to the sources it was built from
        }
        if path.is_dir() {
            index(&path, files)?;
        } else if let Some((name, _)) =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once(".ko"))
        {
            files.insert(name.replace('-', "_"), path.clone());
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.extension().is_none_or(|ending| ending != "xz") {
        return fs::read(path).with_context(|| format!("could not read {}", path.display()));
    }
    let output = Command::new("xz").args(["--decompress", "--stdout"]).arg(path).output();
    let output = output.context("could not start xz")?;
    ensure!(output.status.success(), "xz could not read {}", path.display());
    Ok(output.stdout)
}

/// The modules that a module says it needs: `depends=a,b` in its `.modinfo` section (scripts/mod/modpost.c,
/// `add_depends`), from which depmod's table comes, too.
fn needs(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|bytes| bytes == KEY) else { return Vec::new() };
    let value = module[at + KEY.len()..].split(|&byte| byte == 0).next().unwrap_or_default();
    let names = value.split(|&byte| byte == b',').filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_needs_is_read_from_it() {
        let module = b"\x7fELF..license=GPL\0depends=crc16,mbcache,jbd-2\0retpoline=Y\0";
        assert_eq!(needs(module), ["crc16", "mbcache", "jbd_2"]);
        assert!(needs(b"license=GPL\0depends=\0name=loop\0").is_empty());
    }
}
