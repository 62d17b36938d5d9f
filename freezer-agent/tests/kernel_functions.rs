//! The table of kernel functions and the kernel that runs.

use std::collections::BTreeSet;
use std::fs;

use freezer_agent::explain::functions::{self, Expected};
use freezer_agent::model::function;

#[test]
fn the_functions_that_the_table_expects_on_this_kernel_exist_in_it() {
    let Some(version) = version() else { return };
    let symbols = symbols();
    assert!(symbols.contains("__refrigerator"), "/proc/kallsyms lacks even what every freezer has");
    let expected: Vec<Expected> = functions::expected_on(&version).collect();
    let exists = |expected: &Expected| symbols.contains(expected.function);
    // A module that is not loaded has nothing to show.
    let there: BTreeSet<&str> =
        expected.iter().filter(|expected| exists(expected)).map(|expected| expected.module).collect();
    let missing: Vec<&str> = expected
        .iter()
        .filter(|expected| there.contains(expected.module) && !exists(expected))
        .map(|expected| expected.function)
        .collect();
    assert!(
        missing.is_empty(),
        "not in this {version}: {missing:?}: is it built with other inlining or options?"
    );
}

/// The first two numbers, if the table speaks of that kernel.
fn version() -> Option<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the release is readable");
    let version = release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    functions::KERNELS.contains(&version.as_str()).then_some(version)
}

fn symbols() -> BTreeSet<String> {
    let list = fs::read("/proc/kallsyms").expect("the symbols are readable");
    let names =
        list.split(|&byte| byte == b'\n').filter_map(|line| line.split(|byte| b" \t".contains(byte)).nth(2));
    names.filter_map(function::plain).map(str::to_owned).collect()
}
