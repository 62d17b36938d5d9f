//! Nested cgroups: ancestors, descendants, and who asked.

mod support;

use support::{Helper, TestCgroup, agent, hierarchies, request_by_hand};

#[test]
fn a_freeze_covers_every_descendant_and_status_tells_self_from_ancestor() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let inner = cgroup.child("a").join("b");
        std::fs::create_dir(&inner).expect("a new cgroup");
        let helper = Helper::outside("threads 2");
        support::add_to(&inner, helper.pid());
        assert_eq!(agent(&["freeze", "--cgroup", cgroup.path()]).code, 0);
        let inner = inner.to_str().expect("text");
        let status = agent(&["status", "--cgroup", inner, "--json"]).json();
        let row = &status["cgroups"][0];
        assert_eq!(row["state"], "FROZEN");
        assert_eq!(row["requested"]["self"], false);
        assert_eq!(row["requested"]["ancestor_cgroup"], cgroup.path());
        assert_eq!(row["tasks"]["frozen"], helper.threads().len());
    }
}

#[test]
fn thawing_below_a_frozen_ancestor_exits_4_and_names_it() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let inner = cgroup.child("inner");
        let helper = Helper::outside("threads 1");
        support::add_to(&inner, helper.pid());
        assert_eq!(agent(&["freeze", "--cgroup", cgroup.path()]).code, 0);
        let thaw = agent(&["thaw", "--cgroup", inner.to_str().expect("text")]);
        assert_eq!(thaw.code, 4, "{thaw:?}");
        assert!(thaw.stdout.contains(&format!("held by its ancestor {};", cgroup.path())), "{thaw:?}");
    }
}

#[test]
fn a_thaw_leaves_the_requests_of_inner_cgroups_and_lists_them() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let inner = cgroup.child("inner");
        let helper = Helper::outside("threads 1");
        support::add_to(&inner, helper.pid());
        request_by_hand(hierarchy, &inner, true).expect("a request");
        assert_eq!(agent(&["freeze", "--cgroup", cgroup.path()]).code, 0);
        let thaw = agent(&["thaw", "--cgroup", cgroup.path(), "--json"]);
        assert_eq!(thaw.code, 0, "{thaw:?}");
        assert_eq!(thaw.json()["inner_requests"][0], inner.to_str().expect("text"));
        let status = agent(&["status", "--cgroup", inner.to_str().expect("text"), "--json"]).json();
        assert_eq!(status["cgroups"][0]["state"], "FROZEN");
    }
}

#[test]
fn status_lists_what_is_frozen_and_counts_the_rest() {
    for hierarchy in hierarchies() {
        let (frozen, thawed) = (TestCgroup::new(hierarchy), TestCgroup::new(hierarchy));
        assert_eq!(agent(&["freeze", "--cgroup", frozen.path()]).code, 0);
        let status = agent(&["status", "--json"]).json();
        let rows = status["cgroups"].as_array().expect("rows");
        assert!(rows.iter().any(|row| row["cgroup"] == frozen.path()));
        assert!(rows.iter().all(|row| row["cgroup"] != thawed.path()));
        assert!(status["thawed"].as_u64().expect("a number") >= 1);
        assert!(agent(&["status"]).stdout.contains(frozen.path()));
    }
}

#[test]
fn a_freeze_below_a_frozen_ancestor_adds_its_own_request() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let inner = cgroup.child("inner");
        assert_eq!(agent(&["freeze", "--cgroup", cgroup.path()]).code, 0);
        assert_eq!(agent(&["freeze", "--cgroup", inner.to_str().expect("text")]).code, 0);
        assert_eq!(agent(&["thaw", "--cgroup", cgroup.path()]).code, 0);
        let status = agent(&["status", "--cgroup", inner.to_str().expect("text"), "--json"]).json();
        assert_eq!(status["cgroups"][0]["state"], "FROZEN");
    }
}
