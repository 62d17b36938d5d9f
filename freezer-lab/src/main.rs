//! Holds a stuck freeze open, to point any tool at.
fn main() {
    freezer_lab::run_as_worker_if_asked();
}
