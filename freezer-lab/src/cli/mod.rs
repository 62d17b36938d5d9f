//! The commands, one file each.

pub mod all;
pub mod hold;
pub mod list;
pub mod run;
pub mod score;

use anyhow::{Context as _, Result, bail};
use freezer_lab::cases::{self, Case, Place, Stage};
use freezer_lab::{Hierarchy, Scene};

/// Which case, and where.
#[derive(clap::Args)]
pub struct Choice {
    /// Name of a case
    name: String,
    /// Freezer to build it for; the first one it can be built for if not given
    #[arg(long)]
    hierarchy: Option<Hierarchy>,
    /// Name of the cgroup below the root of the hierarchy; a new one if not given
    #[arg(long)]
    cgroup: Option<String>,
}

impl Choice {
    fn case(&self) -> Result<(Case, Hierarchy)> {
        let case = cases::all().into_iter().find(|case| case.name == self.name);
        let case = case.with_context(|| format!("no case is named {}; `list` has them all", self.name))?;
        if let Some(why) = case.missing() {
            bail!("{} cannot be set up here: {why}", case.name);
        }
        let possible = case.possible();
        let wanted = self.hierarchy.or_else(|| possible.first().copied());
        match wanted.filter(|hierarchy| possible.contains(hierarchy)) {
            Some(hierarchy) => Ok((case, hierarchy)),
            None => bail!("{} cannot occur there: only on {possible:?}", case.name),
        }
    }

    fn set_up(&self, scene: &mut Scene) -> Result<Stage> {
        let (case, hierarchy) = self.case()?;
        let place = Place { hierarchy, name: self.cgroup.clone() };
        (case.set_up)(scene, &place).with_context(|| format!("{} cannot be set up", case.name))
    }
}

fn take_down(mut scene: Scene) -> Result<()> {
    let errors = scene.take_down();
    match errors.into_iter().next() {
        None => Ok(()),
        Some(error) => Err(error).context("not everything could be taken down"),
    }
}
