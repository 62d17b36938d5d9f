//! With the kernel's addresses hidden stacks still have names, the verdict is the same, and what is lost is said.

mod support;

use std::path::Path;

use freezer_lab::cases::{self, Place};
use freezer_lab::{Hierarchy, agent, judge};

#[test]
fn hidden_addresses_cost_no_verdict_and_are_told_of() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let all = cases::all();
        let case = all.iter().find(|case| case.name == "fuse-server-outside").expect("a case of the list");
        let stage = (case.set_up)(scene, &Place::new(hierarchy)).expect("the case can be set up");
        scene.set(Path::new("/proc/sys/kernel/kptr_restrict"), "2").expect("addresses are hidden");
        let arguments = ["--explain", "--json", "--timeout", "300ms"];
        let ended = agent::run("freeze", &stage.cgroup, &arguments).expect("the agent ends");
        let wrong = judge::json(&stage, &ended);
        assert!(wrong.is_empty(), "{wrong:?}");
        let document = ended.json().expect("JSON");
        let stack = document["blockers"][0]["evidence"]["stack"].to_string();
        assert!(stack.contains("request_wait_answer"), "{stack}");
        assert!(!stack.contains("bpf_"), "{stack}");
        let missing = document["observer"]["missing"].to_string();
        assert!(missing.contains("kernel symbols") && missing.contains("kptr_restrict"), "{missing}");
    });
}
