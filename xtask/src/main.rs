//! Workshop tasks.
mod ebpf;
fn main() -> anyhow::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    match std::env::args().nth(1).as_deref() { Some("ebpf") => ebpf::build(root), Some("check") => ebpf::check(root), _ => Ok(()) }
}
