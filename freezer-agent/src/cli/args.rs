//! Arguments that several commands share.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::exit::Failure;
use crate::cgroupfs::{Cgroup, resolve};
use crate::model::{Hierarchy, Name};

/// Which cgroup.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// The cgroup: an absolute path, or a path below the root of a freezer hierarchy
    #[arg(long, value_name = "X")]
    pub cgroup: OsString,
    /// Which hierarchy, where both have the name
    #[arg(long, value_name = "v1|v2", value_parser = hierarchies())]
    pub hierarchy: Option<Hierarchy>,
}

impl Target {
    /// Finds it; where two have the name, says on stderr which was taken.
    pub fn resolve(&self) -> Result<Cgroup, Failure> {
        let resolved = resolve(&self.cgroup, self.hierarchy)?;
        if let Some(note) = &resolved.note {
            eprintln!("freezer-agent: {note}");
        }
        Ok(resolved.cgroup)
    }

    /// As typed.
    pub fn name(&self) -> Name {
        Name::from(self.cgroup.as_bytes())
    }
}

/// `v1` or `v2`
pub fn hierarchies() -> impl clap::builder::TypedValueParser<Value = Hierarchy> {
    PossibleValuesParser::new(["v1", "v2"])
        .map(|word| if word == "v1" { Hierarchy::V1 } else { Hierarchy::V2 })
}
