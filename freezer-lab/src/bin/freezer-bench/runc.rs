//! A container of runc's with one sleeping process, to pause.

use std::path::Path;

use freezer_lab::{Container, Scene, container};

use crate::measure::whole_process;
use crate::rivals::settle;

/// The container, while its scene lasts.
pub struct Runc(Container);

impl Runc {
    /// Starts it; `None` where there is no runc.
    pub fn start(scene: &mut Scene) -> anyhow::Result<Option<Self>> {
        if !container::is_installed("runc") {
            return Ok(None);
        }
        Ok(Some(Self(Container::start(scene, "runc", "exec sleep 1000000", None)?)))
    }

    /// The directory runc freezes.
    pub fn cgroup(&self) -> &Path {
        self.0.cgroup().path()
    }

    /// `runc pause`, as a whole process.
    pub fn pause(&self) -> anyhow::Result<f64> {
        whole_process(&mut self.0.command("pause"))
    }

    /// Thaws it, whoever froze it.
    pub fn resume(&self) -> anyhow::Result<()> {
        whole_process(&mut self.0.command("resume"))?;
        settle();
        Ok(())
    }
}
