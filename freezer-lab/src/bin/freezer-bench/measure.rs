//! Medians of repeated measurements.

use std::array;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};

/// Measures something once; nanoseconds.
pub type Once<'a> = &'a mut dyn FnMut() -> anyhow::Result<f64>;

/// Lets rivals take turns, with `reset` after each; gives each one's median. The first round only warms up.
pub fn rounds<const N: usize>(
    count: usize,
    mut rivals: [Once; N],
    mut reset: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<[f64; N]> {
    let mut times: [Vec<f64>; N] = array::from_fn(|_| Vec::with_capacity(count));
    for round in 0..=count {
        for (rival, times) in rivals.iter_mut().zip(&mut times) {
            let time = rival()?;
            reset()?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    Ok(times.each_mut().map(|times| median(times)))
}

/// The middle one; NaN of nothing, which holds no limit.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a command to its end, which must be a success; nanoseconds from before its start to after its end.
pub fn whole_process(command: &mut Command) -> anyhow::Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let status = command.status().with_context(|| format!("could not start {command:?}"))?;
    let took = nanoseconds(begun);
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(took)
}

/// Since then.
pub fn nanoseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        assert!((median(&mut [9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn rivals_take_turns_and_the_first_round_does_not_count() {
        let turns = std::cell::RefCell::new(Vec::new());
        let mut first = || {
            turns.borrow_mut().push('a');
            // Two turns are over when the second round begins.
            Ok(if turns.borrow().len() > 2 { 3.0 } else { 1000.0 })
        };
        let mut second = || {
            turns.borrow_mut().push('b');
            Ok(1.0)
        };
        let medians = rounds(1, [&mut first, &mut second], || Ok(())).expect("no rival fails");
        assert_eq!(*turns.borrow(), ['a', 'b', 'a', 'b']);
        assert!(medians.iter().zip([3.0, 1.0]).all(|(found, wanted)| (found - wanted).abs() < f64::EPSILON));
    }
}
