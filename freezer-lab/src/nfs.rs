//! An NFS server of version 3 that answers what a mount asks for and keeps silent about everything else, and its client.
//!
//! Remote procedure calls over TCP: RFC 5531; what is called: RFC 1813. The kernel's client asks the mount service itself when
//! it is told its port, so that nothing else is needed on either side.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use crate::error::{Result, Tried as _};
use crate::fuse::SILENT_NAME;
use crate::worker::{after_ready, stat};

/// Where the server listens.
pub const ADDRESS: &str = "127.0.0.1";

const MOUNT_PROGRAM: u32 = 100_005;
const NFS_PROGRAM: u32 = 100_003;
/// `MOUNTPROC3_MNT`
const MOUNT: u32 = 1;
const GETATTR: u32 = 1;
const FSSTAT: u32 = 18;
const FSINFO: u32 = 19;
const PATHCONF: u32 = 20;
/// `AUTH_SYS`
const AUTH_SYS: u32 = 1;
/// The handle of the root, the only file there is.
const ROOT: &[u8; 8] = b"the root";

/// What such a worker does. "Then" is after [`crate::worker::Worker::go`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Listens; then prints its port, and serves.
    Serve,
    /// Mounts from a server; then calls stat(2) on a name in the mount.
    MountAndStat {
        /// Mount point.
        dir: PathBuf,
        /// The server's port.
        port: u16,
    },
}

impl Job {
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Serve => {
                let listener = TcpListener::bind((ADDRESS, 0)).tried("listen at", ADDRESS)?;
                let port = listener.local_addr().tried("find", "the server's port")?.port();
                after_ready(|| {
                    println!("{port}");
                    for stream in listener.incoming() {
                        let mut stream = stream.tried("accept", "a client")?;
                        // It ends with its client: nobody else learns of it.
                        thread::spawn(move || serve(&mut stream));
                    }
                    Ok(())
                })
            }
            Self::MountAndStat { dir, port } => {
                let options = format!(
                    "vers=3,proto=tcp,port={port},mountvers=3,mountproto=tcp,mountport={port},nolock,noacl,hard,\
                     addr={ADDRESS},mountaddr={ADDRESS}"
                );
                let source = format!("{ADDRESS}:/export");
                mount(Some(source.as_str()), dir, Some("nfs"), MsFlags::empty(), Some(options.as_str()))
                    .tried("mount NFS on", dir.display())?;
                after_ready(|| stat(&dir.join(SILENT_NAME)))
            }
        }
    }
}

fn serve(stream: &mut TcpStream) -> io::Result<()> {
    loop {
        let call = record(stream)?;
        let word = |index: usize| {
            let bytes = call.get(index * 4..index * 4 + 4)?;
            bytes.try_into().ok().map(u32::from_be_bytes)
        };
        // Transaction, 0 for a call, version of the protocol, program, its version, procedure.
        let (Some(transaction), Some(program), Some(procedure)) = (word(0), word(3), word(5)) else {
            continue;
        };
        let Some(result) = result(program, procedure) else { continue };
        // A reply, accepted, without a verifier, done.
        let mut reply = Xdr::default();
        reply.words(&[transaction, 1, 0, 0, 0, 0]);
        reply.0.extend(result.0);
        let length = u32::try_from(reply.0.len()).unwrap_or_default();
        stream.write_all(&(length | LAST_FRAGMENT).to_be_bytes())?;
        stream.write_all(&reply.0)?;
    }
}

const LAST_FRAGMENT: u32 = 1 << 31;

/// One call, which may come in fragments.
fn record(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head)?;
        let head = u32::from_be_bytes(head);
        let length = u64::from(head & !LAST_FRAGMENT);
        io::Read::take(&mut *stream, length).read_to_end(&mut whole)?;
        if head & LAST_FRAGMENT != 0 {
            return Ok(whole);
        }
    }
}

/// `None`: silence.
fn result(program: u32, procedure: u32) -> Option<Xdr> {
    let mut xdr = Xdr::default();
    match (program, procedure) {
        // Whoever asks whether there is anybody.
        (_, 0) => {}
        (MOUNT_PROGRAM, MOUNT) => {
            xdr.words(&[0, 8]);
            xdr.0.extend(ROOT);
            xdr.words(&[1, AUTH_SYS]);
        }
        (NFS_PROGRAM, GETATTR) => {
            xdr.words(&[0]);
            xdr.attributes();
        }
        (NFS_PROGRAM, FSSTAT) => {
            xdr.words(&[0, 1]);
            xdr.attributes();
            xdr.longs(&[1 << 20; 6]);
            xdr.words(&[0]);
        }
        (NFS_PROGRAM, FSINFO) => {
            xdr.words(&[0, 1]);
            xdr.attributes();
            // Sizes of reads and writes (most, preferred, multiple) and of directories; largest file, clock, properties.
            xdr.words(&[4096; 7]);
            xdr.longs(&[1 << 40]);
            xdr.words(&[0, 1, 0]);
        }
        (NFS_PROGRAM, PATHCONF) => {
            xdr.words(&[0, 1]);
            xdr.attributes();
            // Most links, longest name; truncates no name, restricts chown, tells cases apart, keeps them.
            xdr.words(&[1, 255, 1, 1, 0, 1]);
        }
        _ => return None,
    }
    Some(xdr)
}

/// RFC 4506: everything big-endian, in multiples of four bytes.
#[derive(Default)]
struct Xdr(Vec<u8>);

impl Xdr {
    fn words(&mut self, words: &[u32]) {
        self.0.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }

    fn longs(&mut self, longs: &[u64]) {
        self.0.extend(longs.iter().flat_map(|long| long.to_be_bytes()));
    }

    /// `fattr3` of the root: a directory that everybody may search.
    fn attributes(&mut self) {
        self.words(&[2, 0o755, 2, 0, 0]); // type, mode, links, owner, group
        self.longs(&[4096, 4096]); // size, used
        self.words(&[0, 0]); // device
        self.longs(&[1, 1]); // filesystem, file
        self.words(&[0; 6]); // times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_answered_and_a_look_up_is_not() {
        let length = |program, procedure| result(program, procedure).map(|xdr| xdr.0.len());
        assert_eq!(length(MOUNT_PROGRAM, MOUNT), Some(24));
        assert_eq!(length(NFS_PROGRAM, GETATTR), Some(4 + 84), "RFC 1813: status and fattr3");
        assert_eq!(length(NFS_PROGRAM, FSINFO), Some(8 + 84 + 48));
        assert_eq!(length(NFS_PROGRAM, 3), None, "LOOKUP");
    }
}
