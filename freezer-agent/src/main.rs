//! The command: parse, dispatch, exit code.

fn main() -> std::process::ExitCode {
    freezer_agent::cli::main()
}
