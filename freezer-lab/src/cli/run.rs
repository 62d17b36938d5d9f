//! `freezer-lab run NAME`: one case through the agent, or through the kernel's own files.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use freezer_lab::{Form, Scene, State, Trial, Turn, proc};

use super::{Choice, take_down};

/// Shows the agent's screen, and whether its verdict is the expected one.
pub fn through_the_agent(choice: &Choice) -> Result<()> {
    let (case, hierarchy) = choice.case()?;
    let _turn = Turn::wait()?;
    let trial =
        |form| Trial::run(&case, hierarchy, form).with_context(|| format!("{} cannot be set up", case.name));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} on {hierarchy}: {}\n", case.name, case.about)?;
    let text = trial(Form::Text)?;
    if let Some(ended) = &text.ended {
        write!(out, "{}", ended.stdout)?;
        for line in ended.stderr.lines().filter(|line| !line.starts_with('{')) {
            writeln!(out, "{line}")?;
        }
    }
    let json = trial(Form::Json)?;
    writeln!(out)?;
    for (form, trial) in [("screen", &text), ("JSON", &json)] {
        for why in &trial.again {
            writeln!(out, "AGAIN  {form}, set up again: {why}")?;
        }
        for flaw in &trial.flaws {
            writeln!(out, "WRONG  {form}, {flaw}")?;
        }
    }
    if !(text.flaws.is_empty() && json.flaws.is_empty()) {
        bail!("the verdict is not the expected one");
    }
    let late = text.late_ms.map(|ms| format!(", {ms:.0} ms after the limit")).unwrap_or_default();
    let replayed = if json.replayed { "; so does a replay of the record" } else { "" };
    writeln!(out, "RIGHT  screen and JSON say what is expected{late}{replayed}")?;
    Ok(())
}

/// No agent: what the kernel itself shows.
pub fn through_the_kernel(choice: &Choice) -> Result<()> {
    let mut scene = Scene::new();
    let mut stage = choice.set_up(&mut scene)?;
    if let Some(trigger) = stage.trigger.take() {
        trigger(&mut scene)?;
    }
    stage.cgroup.freeze()?;
    let frozen = stage.cgroup.wait_state(State::Frozen, stage.limit).is_ok();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} after {:?}, expected {:?}",
        if frozen { "FROZEN" } else { "FREEZING" },
        stage.limit,
        stage.outcome
    )?;
    for blocker in &stage.blockers {
        let letter = proc::state(blocker.tid).unwrap_or('-');
        writeln!(out, "{} {letter} {}: {}", blocker.tid, blocker.cause, proc::stack(blocker.tid).join(" "))?;
    }
    stage.cgroup.thaw()?;
    take_down(scene)
}
