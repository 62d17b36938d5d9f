//! What the agent leans on where the kernel is older than 6.16: the iterator over open files in place of `fdinfo`, and the
//! queues of locks in place of `task->blocker`. With the newer ways withheld the answers are the same, just as certain.

mod support;

use std::process::Command;

use freezer_lab::judge::{self, Flaw};
use freezer_lab::{Hierarchy, Scene, agent};
use serde_json::Value;

/// Runs the agent without ways of newer kernels; what is wrong with its answer to a case, and the answer.
fn answer(name: &str, hierarchy: Hierarchy, ways: &str, scene: &mut Scene) -> (Vec<Flaw>, Value) {
    let stage = support::stage_ready(scene, name, hierarchy);
    let mut command = Command::new(agent::path().expect("the agent is built"));
    command
        .args(["freeze", "--explain", "--json", "--timeout", "500ms", "--cgroup"])
        .arg(stage.cgroup.path());
    command.env("FREEZER_AGENT_WITHOUT", ways);
    let ended = agent::spawn(command).and_then(agent::Run::end).expect("the agent ends");
    (judge::json(&stage, &ended), ended.json().expect("one JSON object"))
}

/// Whether these ways may still be there: 7.x has neither, its FUSE devices and queues of locks are laid out otherwise.
fn is_old_enough() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release");
    let old =
        release.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major < 7);
    if !old {
        support::skip("this kernel is too new for the ways of older ones");
    }
    old
}

fn same_without(ways: &str, names: &[&str]) {
    if !is_old_enough() {
        return;
    }
    for name in names {
        support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
            let (wrong, document) = answer(name, hierarchy, ways, scene);
            assert!(wrong.is_empty(), "{name}: {wrong:?} {document:#}");
        });
    }
}

#[test]
fn a_fuse_server_is_certain_without_fdinfo() {
    same_without("fuse-fdinfo", &["fuse-read", "fuse-chain", "fuse-own-mount", "block-io-server-inside"]);
}

#[test]
fn a_lock_s_owner_is_certain_without_the_blocker() {
    same_without("blocker", &["lock-directory", "lock-file-position", "lock-chain"]);
}

#[test]
fn a_check_names_the_one_mount_that_a_server_inside_serves() {
    if !is_old_enough() {
        return;
    }
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        scene.silent_fuse(None).expect("another mount");
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (dir, server) = scene.silent_fuse(None).expect("a mount");
        scene[server].put_in(&cgroup).expect("moved in");
        let mut command = Command::new(agent::path().expect("the agent is built"));
        command.args(["check", "--json", "--cgroup"]).arg(cgroup.path());
        command.env("FREEZER_AGENT_WITHOUT", "fuse-fdinfo");
        let ended = agent::spawn(command).and_then(agent::Run::end).expect("the agent ends");
        let document = ended.json().expect("one JSON object");
        let findings = document["findings"].as_array().expect("a list");
        let finding = findings.iter().find(|finding| finding["kind"] == "fuse-server").expect("it is told");
        let says = format!("serves the FUSE mount {};", dir.display());
        assert!(finding["summary"].as_str().is_some_and(|summary| summary.contains(&says)), "{finding:#}");
    });
}

/// Neither of the two ways: the server is told, and not said to be certain.
#[test]
fn without_any_way_the_only_server_is_likely() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let (_, document) = answer("fuse-read", hierarchy, "fuse-fdinfo,iter", scene);
        assert_eq!(document["blockers"][0]["certainty"], "likely", "{document:#}");
        let missing = document["observer"]["missing"].to_string();
        assert!(missing.contains("task iterator"), "{missing}");
    });
}
