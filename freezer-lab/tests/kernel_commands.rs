//! The commands around a freeze: explain of somebody else's, records and their replay, doctor.

mod support;

use std::process::Command;

use freezer_lab::agent;
use freezer_lab::cases::{self, Place, Stage};
use freezer_lab::{Hierarchy, Scene, State};
use serde_json::Value;

fn stage(scene: &mut Scene, name: &str, hierarchy: Hierarchy) -> Stage {
    let all = cases::all();
    let case = all.iter().find(|case| case.name == name).expect("a case of the list");
    (case.set_up)(scene, &Place::new(hierarchy)).expect("the case can be set up")
}

fn json(arguments: &[&str]) -> (Option<i32>, Value) {
    let agent = agent::path().expect("the agent is built");
    let output = Command::new(agent).args(arguments).output().expect("the agent runs");
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (output.status.code(), document)
}

#[test]
fn a_freeze_by_somebody_else_is_explained_and_left_as_it_is() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stage(scene, "fuse-server-outside", hierarchy);
        let cgroup = stage.cgroup.path().to_str().expect("a plain name").to_owned();
        let (code, document) = json(&["explain", "--json", "--cgroup", &cgroup]);
        assert_eq!((code, &document["outcome"]), (Some(0), &Value::from("thawed")), "{document:#}");

        stage.cgroup.freeze().expect("the request is written");
        let (code, document) = json(&["explain", "--json", "--cgroup", &cgroup]);
        assert_eq!((code, &document["outcome"]), (Some(0), &Value::from("freezing")), "{document:#}");
        assert_eq!(document["state"], "FREEZING", "{document:#}");
        let blockers = document["blockers"].as_array().expect("a list");
        assert_eq!(blockers.len(), 1, "{document:#}");
        assert_eq!(blockers[0]["tid"], stage.blockers[0].tid, "{document:#}");
        assert_eq!(blockers[0]["cause"], "fuse-request", "{document:#}");
        assert_eq!(stage.cgroup.state().expect("a state"), State::Freezing, "nothing is changed");
    });
}

#[test]
fn a_record_gives_the_same_verdict_when_it_is_replayed_as_nobody() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stage(scene, "lock-directory", hierarchy);
        let folder = tempfile::tempdir().expect("a folder");
        let record = folder.path().join("facts.json");
        let record = record.to_str().expect("a plain name");
        let cgroup = stage.cgroup.path().to_str().expect("a plain name").to_owned();
        let freeze =
            ["freeze", "--explain", "--json", "--timeout", "300ms", "--record", record, "--cgroup", &cgroup];
        let (code, frozen) = json(&freeze);
        assert_eq!(code, Some(3), "{frozen:#}");

        let facts = std::fs::File::open(record).expect("the record");
        let agent = agent::path().expect("the agent is built");
        let replayed = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(agent)
            .args(["replay", "--json", "/dev/stdin"])
            .stdin(facts)
            .output()
            .expect("setpriv (util-linux) runs");
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
        let replayed: Value = serde_json::from_slice(&replayed.stdout).expect("one JSON object");
        assert_eq!(replayed["blockers"], frozen["blockers"]);
        assert_eq!(replayed["tasks"], frozen["tasks"]);
    });
}

#[test]
fn doctor_tries_every_program_and_says_what_is_lost() {
    let Some(_turn) = support::turn() else { return };
    let (code, checkup) = json(&["doctor", "--json"]);
    assert_eq!(code, Some(0), "{checkup:#}");
    for hierarchy in support::present(&Hierarchy::BOTH) {
        let name = hierarchy.to_string();
        let freezers = checkup["freezers"].as_array().expect("a list");
        let freezer =
            freezers.iter().find(|freezer| freezer["hierarchy"] == name.as_str()).expect("each hierarchy");
        let programs = freezer["programs"].to_string();
        assert!(programs.contains("sched_switch") && programs.contains("tasks"), "{checkup:#}");
        for missing in freezer["missing"].as_array().expect("a list") {
            assert!(missing["why"].is_string() && missing["lost"].is_string(), "{checkup:#}");
        }
    }
}

#[test]
fn a_closed_stdout_is_never_mistaken_for_a_file_of_the_cgroup() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let ended = in_a_shell(r#""$0" freeze --cgroup "$1" --json >&-"#, &cgroup);
        assert_eq!(cgroup.state().expect("a state"), State::Frozen, "{ended:?}");
        let ended = in_a_shell(r#""$0" thaw --cgroup "$1" >&- 2>&-"#, &cgroup);
        assert_eq!(cgroup.state().expect("a state"), State::Thawed, "{ended:?}");
    });
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_agent_by_a_signal() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        // sleep: the reader is gone for sure when the report is written.
        let script = r#"{ sleep 0.1; "$0" freeze --cgroup "$1"; echo "exit $?" >&2; } | true"#;
        let ended = in_a_shell(script, &cgroup);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let code = said.lines().find_map(|line| line.strip_prefix("exit ")?.parse::<u8>().ok());
        assert!(code.is_some_and(|code| code < 128), "{said}");
    });
}

fn in_a_shell(script: &str, cgroup: &freezer_lab::Cgroup) -> std::process::Output {
    let agent = agent::path().expect("the agent is built");
    Command::new("sh").args(["-c", script]).arg(agent).arg(cgroup.path()).output().expect("the shell runs")
}
