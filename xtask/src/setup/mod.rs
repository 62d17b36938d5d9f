//! What the tests need beyond git and stable Rust, found or installed. Nothing is installed twice.

use crate::step::{Log, Steps};
use crate::vm::machine::Machine;

pub mod apt;
mod components;
pub mod core_source;
pub mod packages;
pub mod tools;

/// Installs something; returns a few words for the step's line.
pub type Install = dyn FnOnce(&Log) -> anyhow::Result<String>;

/// One thing a machine may lack.
pub struct Need {
    /// The step's name.
    pub name: String,
    /// Installs it.
    pub install: Box<Install>,
}

/// All that is missing here, in the order in which it must be installed.
pub fn missing() -> anyhow::Result<Vec<Need>> {
    let mut needs = Vec::new();
    needs.extend(packages::missing());
    needs.extend(components::missing()?);
    needs.extend(core_source::missing()?);
    needs.extend(tools::missing()?);
    Ok(needs)
}

/// The same for guests. Not among [`missing`]: without guests the rest of the tests is still worth running.
pub fn missing_for_guests(machines: &[Machine]) -> anyhow::Result<Vec<Need>> {
    let mut needs: Vec<_> = packages::missing_for_guests(machines).into_iter().collect();
    for machine in machines {
        needs.extend(components::missing_library(*machine)?);
    }
    Ok(needs)
}

/// Installs what is missing, a step each; false as soon as one of them fails.
pub fn install(needs: Vec<Need>, steps: &mut Steps) -> bool {
    needs.into_iter().all(|need| steps.run(&need.name, need.install).is_some())
}
