//! Steps: one quiet line each; the whole output goes to a log, and to the reader only when the step fails.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::host;

/// A row of steps, numbered.
pub struct Steps {
    total: usize,
    started: usize,
    failed: usize,
    logs: PathBuf,
    screen: Screen,
}

/// Where the lines go.
#[derive(Clone, Copy)]
enum Screen {
    Stdout,
    Stderr,
}

impl Screen {
    fn is_terminal(self) -> bool {
        match self {
            Screen::Stdout => std::io::stdout().is_terminal(),
            Screen::Stderr => std::io::stderr().is_terminal(),
        }
    }

    fn print(self, text: &str) {
        match self {
            Screen::Stdout => print!("{text}"),
            Screen::Stderr => eprint!("{text}"),
        }
        // A lost flush only delays what the reader sees.
        std::io::stdout().flush().unwrap_or_default();
    }
}

impl Steps {
    /// For `total` steps.
    pub fn new(total: usize) -> anyhow::Result<Self> {
        let logs = host::target().join("xtask");
        fs::create_dir_all(&logs).with_context(|| format!("could not make {}", logs.display()))?;
        Ok(Steps { total, started: 0, failed: 0, logs, screen: Screen::Stdout })
    }

    /// With the lines on stderr, where stdout is for something else.
    pub fn on_stderr(total: usize) -> anyhow::Result<Self> {
        Ok(Steps { screen: Screen::Stderr, ..Self::new(total)? })
    }

    /// Number of steps that failed so far.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Runs one step. The text it returns is shown behind `ok`. When it fails, its log and the error are printed
    /// and `None` comes back: the caller decides whether to go on.
    pub fn run<T: Outcome>(&mut self, name: &str, work: impl FnOnce(&Log) -> anyhow::Result<T>) -> Option<T> {
        self.started += 1;
        let title = format!("[{}/{}] {name}", self.started, self.total);
        let begun = Instant::now();
        let path = self.logs.join(format!("{}.log", file_name(name)));
        let line = Line::start(title, path.clone(), begun, self.screen);
        match Log::create(path.clone()).and_then(|log| work(&log)) {
            Ok(value) => {
                line.finish("ok", begun, &value.note());
                Some(value)
            }
            Err(error) => {
                self.failed += 1;
                line.finish("FAILED", begun, "");
                let log = fs::read(&path).unwrap_or_default();
                let log = without_progress(&String::from_utf8_lossy(&log));
                let file = path.display();
                let text = format!("{log}\n--- {name}: {error:#}\n--- (all of the above is in {file})\n");
                self.screen.print(&text);
                None
            }
        }
    }
}

/// What a step hands back, with a few words for its line.
pub trait Outcome {
    /// Shown behind `ok`; empty for nothing.
    fn note(&self) -> String;
}

impl<T> Outcome for Vec<T> {
    fn note(&self) -> String {
        String::new()
    }
}

impl Outcome for () {
    fn note(&self) -> String {
        String::new()
    }
}

impl Outcome for String {
    fn note(&self) -> String {
        self.clone()
    }
}

/// The log of one step.
pub struct Log {
    path: PathBuf,
    file: File,
    commands: Cell<usize>,
}

impl Log {
    fn create(path: PathBuf) -> anyhow::Result<Self> {
        let file = File::create(&path).with_context(|| format!("could not write {}", path.display()))?;
        Ok(Log { path, file, commands: Cell::new(0) })
    }

    /// Runs a command with both its outputs in the log and no input; an error when it fails.
    pub fn run(&self, command: &mut Command) -> anyhow::Result<()> {
        let shown = show(command);
        self.note(&format!("$ {shown}"))?;
        self.commands.set(self.commands.get() + 1);
        let status = command
            .stdin(Stdio::null())
            .stdout(self.handle()?)
            .stderr(self.handle()?)
            .status()
            .with_context(|| format!("could not start `{shown}`"))?;
        if status.success() { Ok(()) } else { anyhow::bail!("`{shown}` ended with {status}") }
    }

    /// The log as the output of a command that we start ourselves.
    pub fn handle(&self) -> anyhow::Result<File> {
        self.file.try_clone().with_context(|| format!("could not share {}", self.path.display()))
    }

    /// Adds a line of our own.
    pub fn note(&self, text: &str) -> anyhow::Result<()> {
        writeln!(&self.file, "{text}").with_context(|| format!("could not write {}", self.path.display()))
    }

    /// Everything logged so far.
    pub fn text(&self) -> anyhow::Result<String> {
        let bytes =
            fs::read(&self.path).with_context(|| format!("could not read {}", self.path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The command line as a person would type it, near enough.
fn show(command: &Command) -> String {
    let mut text = Path::new(command.get_program())
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// A log without cargo's lines about crates that went well: right-aligned words, as in `   Compiling libc v0.2`.
fn without_progress(log: &str) -> String {
    const PROGRESS: &[&str] =
        &["Compiling", "Checking", "Documenting", "Downloading", "Downloaded", "Fresh", "Locking"];
    let is_progress = |line: &&str| {
        let word = line.split_whitespace().next().unwrap_or("");
        line.starts_with(' ') && PROGRESS.contains(&word)
    };
    let kept: Vec<&str> = log.lines().filter(|line| !is_progress(line)).collect();
    kept.join("\n")
}

/// A step's name as the name of a file.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    name.chars().map(plain).collect()
}

/// The line of a running step. On a terminal it shows the elapsed time and the last line of the log.
struct Line {
    title: String,
    screen: Screen,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Line {
    fn start(title: String, log: PathBuf, begun: Instant, screen: Screen) -> Self {
        if !screen.is_terminal() {
            screen.print(&format!("{title} ... "));
            return Line { title, screen, ticker: None };
        }
        let (stop, stopped) = mpsc::channel();
        let text = title.clone();
        let thread = thread::spawn(move || {
            loop {
                draw(screen, &text, begun.elapsed(), &last_line(&log));
                match stopped.recv_timeout(Duration::from_millis(200)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Line { title, screen, ticker: Some((stop, thread)) }
    }

    fn finish(self, word: &str, begun: Instant, note: &str) {
        let text = format!("{word} {:.1} s  {note}", begun.elapsed().as_secs_f64());
        let text = text.trim_end();
        match self.ticker {
            None => self.screen.print(&format!("{text}\n")),
            Some((stop, thread)) => {
                drop(stop);
                // The ticker ends on the dropped sender; were it to panic, only the moving line would be lost.
                if thread.join().is_err() {
                    self.screen.print("\n");
                }
                self.screen.print(&format!("\r\x1b[2K{} ... {text}\n", self.title));
            }
        }
    }
}

/// Terminals narrower than this wrap the moving line, which then leaves traces; nothing worse.
const WIDTH: usize = 79;

fn draw(screen: Screen, title: &str, elapsed: Duration, last: &str) {
    let text = format!("{title} ... {} s  {last}", elapsed.as_secs());
    let text: String = text.chars().take(WIDTH).collect();
    screen.print(&format!("\r\x1b[2K{text}"));
}

/// The last line of a log that may be growing, without control characters.
fn last_line(path: &Path) -> String {
    const TAIL: u64 = 2048;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("");
    line.trim().chars().filter(|c| !c.is_control()).collect()
}
