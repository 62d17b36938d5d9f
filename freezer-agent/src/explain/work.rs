//! What timer samples say of a task that computes inside the kernel.

use std::collections::BTreeMap;

use super::facts::StackSample;
use super::functions::{Mechanism, means};
use crate::model::function;

/// Where a task was found at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// System call, where the stacks show its entry.
    pub call: Option<String>,
    /// Innermost function found most often.
    pub function: String,
    /// Samples that found it there.
    pub there: u64,
    /// Samples in the kernel.
    pub kernel: u64,
    /// Samples in user code.
    pub user: u64,
}

/// Sums samples up; `None` where none found the task in the kernel at a place with a name.
#[must_use]
pub fn at_work(samples: &[StackSample]) -> Option<Work> {
    let count = |user: bool| {
        samples.iter().filter(|sample| sample.user == user).map(|sample| u64::from(sample.count)).sum()
    };
    let kernel = samples.iter().filter(|sample| !sample.user);
    let (function, there) = most(kernel.clone().filter_map(|sample| {
        Some((function::plain(innermost(&sample.stack)?.as_bytes())?, u64::from(sample.count)))
    }))?;
    let call = most(kernel.filter_map(|sample| {
        Some((sample.stack.iter().find_map(|frame| call(frame))?, u64::from(sample.count)))
    }));
    Some(Work {
        call: call.map(|(name, _)| name.to_owned()),
        function: function.to_owned(),
        there,
        kernel: count(false),
        user: count(true),
    })
}

/// The innermost function of the task's own: a timer that was held back fires as its CPU is handed over.
fn innermost(stack: &[String]) -> Option<&str> {
    let own = stack.iter().find(|frame| !means(frame, Mechanism::Scheduling));
    own.or(stack.first()).map(String::as_str)
}

/// `__x64_sys_mlock` (`include/linux/syscalls.h`; arm64 and the compat entries have prefixes of their own).
fn call(frame: &str) -> Option<&str> {
    let name = function::plain(frame.as_bytes())?;
    ["__x64_sys_", "__arm64_sys_", "__ia32_sys_", "__do_sys_", "__se_sys_", "ksys_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
}

fn most<'a>(counted: impl Iterator<Item = (&'a str, u64)>) -> Option<(&'a str, u64)> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in counted {
        *sums.entry(name).or_default() += count;
    }
    sums.into_iter().max_by_key(|&(_, count)| count)
}

impl Work {
    /// "runs a long computation inside the kernel: mlock, mostly in `clear_page_erms`"
    #[must_use]
    pub fn sentence(&self) -> String {
        let call = self.call.as_ref().map_or_else(String::new, |call| format!(": {call}"));
        let how_much = if self.there * 2 > self.kernel { "mostly" } else { "most often" };
        format!("runs a long computation inside the kernel{call}, {how_much} in {}", self.function)
    }

    /// "12 of 14 samples found it in the kernel, 9 of them in `clear_page_erms`"
    #[must_use]
    pub fn note(&self) -> String {
        format!(
            "{} of {} samples found it in the kernel, {} of them in {}",
            self.kernel,
            self.kernel + self.user,
            self.there,
            self.function
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: u32, stack: &[&str]) -> StackSample {
        let stack = stack.iter().map(|&frame| frame.to_owned()).collect();
        StackSample { count, user: false, stack }
    }

    #[test]
    fn the_call_and_the_function_found_most_often_are_named() {
        let samples = [
            sample(3, &["clear_page_erms", "__x64_sys_mlock", "do_syscall_64"]),
            sample(
                1,
                &["finish_task_switch", "__schedule", "__cond_resched", "mlock_fixup", "__x64_sys_mlock"],
            ),
            StackSample { count: 1, user: true, stack: Vec::new() },
        ];
        let work = at_work(&samples).expect("it was in the kernel");
        assert_eq!(
            work.sentence(),
            "runs a long computation inside the kernel: mlock, mostly in clear_page_erms"
        );
        assert_eq!(work.note(), "4 of 5 samples found it in the kernel, 3 of them in clear_page_erms");
    }

    #[test]
    fn user_code_alone_is_no_kernel_work() {
        assert_eq!(at_work(&[StackSample { count: 9, user: true, stack: Vec::new() }]), None);
    }
}
