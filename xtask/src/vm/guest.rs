//! A running guest: started, listened to, ended in time.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::initramfs::{self, Job};
use super::kernel::Kernel;
use super::machine::Machine;
use super::programs::Program;
use super::{Layout, kernel};
use crate::host;
use crate::interrupt::Interrupt;

/// What is to be run where.
pub struct Guest<'a> {
    /// A name for its files, of its own among those that run at once.
    pub name: String,
    /// What it boots.
    pub kernel: &'a Kernel,
    /// Which hierarchies it has.
    pub layout: Layout,
    /// More words for its kernel, as `lockdown=integrity`.
    pub words: String,
    /// Our programs.
    pub programs: &'a [Program],
    /// One more archive for its root.
    pub extra: &'a [u8],
}

/// How a job's line ends that is for us: `init.sh` begins it with this byte, which no text has.
const MARK: u8 = 0x1e;

/// How long the job may be silent before we look whether its kernel has died, or we are asked to end.
const LOOK_ABOUT: Duration = Duration::from_millis(500);

/// How long a guest may take.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// From its start to the end of its job.
    pub whole: Duration,
    /// Without a word from its job.
    pub silent: Duration,
}

/// Of a dead guest's console so much is shown.
const LAST_LINES: usize = 40;

impl Guest<'_> {
    /// Boots it, runs a script, hands each line of the script's output to `line` as it comes, and returns the script's
    /// exit status. A guest that does not say it is done within the limit is an error that shows the end of its console.
    pub fn run(
        &self,
        script: String,
        limit: Limit,
        interrupt: &Interrupt,
        mut line: impl FnMut(&[u8]),
    ) -> anyhow::Result<u8> {
        let files = self.prepare(&Job::Script(script))?;
        let mut qemu = files.command(false);
        let mut qemu = Running(qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(START)?);
        let stdout = qemu.0.stdout.take().context("qemu has no output")?;
        let (sender, lines) = mpsc::channel();
        // Ends with qemu, whose output it reads.
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                if sender.send(std::mem::take(&mut bytes)).is_err() {
                    return;
                }
            }
        });
        let end = Instant::now() + limit.whole;
        let mut heard = Instant::now();
        loop {
            match lines.recv_timeout(LOOK_ABOUT) {
                Ok(bytes) => {
                    heard = Instant::now();
                    match exit_status(&bytes) {
                        Some(status) => return Ok(status),
                        None => line(&bytes),
                    }
                }
                // The person's Ctrl-C reaches qemu, too.
                _ if interrupt.seen() => bail!("{} was interrupted", self.name),
                Err(RecvTimeoutError::Disconnected) => bail!("{} died{}", self.name, files.last_words()),
                Err(RecvTimeoutError::Timeout) if files.panicked() => {
                    bail!("{} panicked{}", self.name, files.last_words())
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() > end {
                bail!("{} was not done after {:?}{}", self.name, limit.whole, files.last_words());
            }
            if heard.elapsed() > limit.silent {
                bail!("{} has said nothing for {:?}{}", self.name, limit.silent, files.last_words());
            }
        }
    }

    /// Boots it with a shell on this terminal.
    pub fn shell(&self) -> anyhow::Result<()> {
        let files = self.prepare(&Job::Shell)?;
        let status = files.command(true).status().context(START)?;
        if status.success() { Ok(()) } else { bail!("{} died{}", self.name, files.last_words()) }
    }

    /// Its files on this side: the console's text, and what else is put there.
    pub fn folder(&self) -> PathBuf {
        host::target().join("xtask/vm").join(&self.name)
    }

    /// Removes them, where nobody will look at them.
    pub fn forget(&self) -> anyhow::Result<()> {
        let folder = self.folder();
        fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))
    }

    fn prepare(&self, job: &Job) -> anyhow::Result<Files> {
        let folder = self.folder();
        kernel::empty(&folder)?;
        let files = Files {
            machine: self.kernel.machine,
            words: self.words.clone(),
            image: self.kernel.image.clone(),
            initramfs: folder.join("initramfs"),
            console: folder.join("console"),
        };
        initramfs::write(&files.initramfs, self.kernel, self.programs, self.layout, job, self.extra)?;
        Ok(files)
    }
}

const START: &str = "could not start qemu";

/// `exit STATUS`, as `init.sh` writes it at the end. Not only at the beginning of a line: the job's last may have no end.
fn exit_status(line: &[u8]) -> Option<u8> {
    let at = line.iter().rposition(|&byte| byte == MARK)?;
    let status = line[at + 1..].strip_prefix(b"exit ")?;
    std::str::from_utf8(status).ok()?.trim().parse().ok()
}

/// The files of one guest.
struct Files {
    machine: Machine,
    words: String,
    image: PathBuf,
    initramfs: PathBuf,
    console: PathBuf,
}

/// The initramfs is as large as all programs together, and easily made again.
impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_file(&self.initramfs).unwrap_or_default();
    }
}

impl Files {
    /// The kernel's console goes to a file, the job's port is our stdin and stdout: neither is mixed into the other.
    fn command(&self, person: bool) -> Command {
        let parent = nix::unistd::getpid();
        let mut command = Command::new(self.machine.qemu());
        let [console, _] = self.machine.ports();
        command
            // One thread for both processors: with two, a processor may run into a breakpoint that the other has just
            // taken back while it switched a tracepoint on or off (seen: "Oops: int3" in try_to_wake_up, qemu 7.2).
            .args(["-smp", "2", "-m", "1024", "-accel", "tcg,thread=single"])
            .args(["-display", "none", "-no-reboot", "-nodefaults", "-chardev"])
            .arg(format!("file,id=console,path={}", self.console.display()))
            .args(["-chardev", if person { "stdio,id=job,signal=off" } else { "stdio,id=job" }])
            .args(self.machine.board())
            .arg("-kernel")
            .arg(&self.image)
            .arg("-initrd")
            .arg(&self.initramfs)
            .arg("-append")
            // An oops ends the guest: it is the worst thing an observer of the kernel can cause.
            .arg(format!(
                "console={console} quiet panic=-1 oops=panic rdinit=/init nokaslr mitigations=off random.trust_cpu=on {} {}",
                self.machine.kernel_line(),
                self.words,
            ));
        let with_us = move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            if nix::unistd::getppid() != parent {
                return Err(std::io::ErrorKind::Interrupted.into()); // we died before it asked
            }
            Ok(())
        };
        // SAFETY: between fork and exec only two system calls are made.
        unsafe { command.pre_exec(with_us) };
        command
    }

    /// Not every kernel that panics manages to restart, which would end qemu.
    fn panicked(&self) -> bool {
        const SAYS: &[u8] = b"Kernel panic - not syncing";
        fs::read(&self.console).is_ok_and(|text| text.windows(SAYS.len()).any(|words| words == SAYS))
    }

    /// The end of the console, for people.
    fn last_words(&self) -> String {
        let text = fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).replace('\r', "");
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        format!("; the end of its console (all of it is in {}):\n{}", self.console.display(), last.join("\n"))
    }
}

/// Ended and reaped with us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It powers itself off after its last word; whatever it still does is of no use.
        self.0.kill().unwrap_or_default();
        self.0.wait().ok();
    }
}

/// Quotes a word for a guest's shell.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_told_apart_from_what_the_job_prints() {
        assert_eq!(exit_status(b"\x1eexit 3\n"), Some(3));
        assert_eq!(exit_status(b"no end of line\x1eexit 0\r\n"), Some(0));
        assert_eq!(exit_status(b"exit 3\n"), None);
    }

    #[test]
    fn any_word_survives_the_guest_s_shell() {
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }
}
