//! Results to stdout, messages to stderr, and the end of a command.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use super::exit::{self, Failure};
use crate::model::{Hierarchy, Name};
use crate::report::{Document, Screen, dot, failed::Failed, json, text};

/// Writes a result. A reader that went away (`| head`) is no failure.
pub fn print(write: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How a session's document is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// For people.
    Text,
    /// One object, for scripts.
    Json,
    /// The ways from the blockers to the culprits, as a Graphviz graph.
    Dot,
}

impl Shape {
    /// By the command line, which allows one of the two at most.
    pub fn asked(json: bool, dot: bool) -> Self {
        match (json, dot) {
            (_, true) => Self::Dot,
            (true, false) => Self::Json,
            (false, false) => Self::Text,
        }
    }
}

/// Prints a session's document.
pub fn document(document: &Document, shape: Shape) -> Result<(), Failure> {
    bytes(&render(document, shape)?)
}

/// A session's document as it is printed.
pub fn render(document: &Document, shape: Shape) -> Result<Vec<u8>, Failure> {
    Ok(match shape {
        Shape::Text => text::render(document, Screen::of_stdout()).into_bytes(),
        Shape::Dot => dot::render(document).into_bytes(),
        Shape::Json => {
            let mut rendered = Vec::new();
            json::write(&mut rendered, document).map_err(Failure::Output)?;
            rendered
        }
    })
}

/// Prints what was rendered.
pub fn bytes(rendered: &[u8]) -> Result<(), Failure> {
    print(|out| out.write_all(rendered))
}

/// Ends a command: says what went wrong, where something did, and gives the exit code.
pub fn finish(
    result: Result<u8, Failure>,
    json: bool,
    cgroup: Option<Name>,
    hierarchy: Option<Hierarchy>,
) -> u8 {
    let failure = match result {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    eprintln!("freezer-agent: {failure}");
    if json {
        let failed = Failed::new(cgroup, hierarchy, failure.outcome(), failure.to_string());
        if print(|out| json::write(out, &failed)).is_err() {
            return exit::FAILURE;
        }
    }
    failure.code()
}

/// Runs `future` on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    Ok(runtime.block_on(future))
}
