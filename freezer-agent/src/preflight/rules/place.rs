//! The cgroup itself: may it be frozen at all, who has asked already, and does this command depend on it?

use super::super::sight::{RequestSeen, Sight};
use super::super::{Finding, Grade, Kind};
use crate::model::{FreezerState, Hierarchy};

pub fn judge(sight: &Sight) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(refused) = &sight.refusal {
        let release = match refused.kind {
            Kind::RootCgroup => "freeze the cgroups below it, one by one",
            Kind::OwnCgroup => "move this shell to another cgroup first, or run the command from outside",
            _ => "`freeze --force` does it nevertheless",
        };
        findings
            .push(Finding::new(refused.kind, Grade::NoGo, &refused.why, release).blocks(refused.obstacle()));
    }
    for (who, role) in &sight.ancestry {
        let summary = format!("{who} {role}: frozen, it takes this terminal with it");
        let release = "run the freeze from another session, or with a lease that ends by itself";
        findings.push(Finding::new(Kind::Terminal, Grade::Warn, summary, release).about(who));
    }
    findings.extend(sight.request.iter().flat_map(|request| requests(request, sight.hierarchy)));
    findings
}

fn requests(request: &RequestSeen, hierarchy: Hierarchy) -> Vec<Finding> {
    let mut findings = Vec::new();
    if request.own {
        let state = match request.state {
            FreezerState::Frozen => "it is FROZEN",
            _ => "it is FREEZING: `freezer-agent explain` says what blocks",
        };
        let summary = format!("a freeze is asked of it already; {state}");
        let release = "nothing to do; whoever asked may thaw it at any time";
        findings.push(Finding::new(Kind::FreezeAsked, Grade::Note, summary, release));
    }
    if let Some(ancestor) = &request.ancestor {
        let summary =
            format!("its ancestor {ancestor} asks for a freeze: a thaw of this cgroup would not thaw it");
        let release = format!("thaw {ancestor} as well when it is to run again");
        findings.push(Finding::new(Kind::AncestorFrozen, Grade::Warn, summary, release));
    }
    findings.extend(request.inner.iter().map(|inner| {
        let summary = format!(
            "{inner}, below it, asks for a {hierarchy} freeze of its own and stays frozen after a thaw"
        );
        Finding::new(Kind::ChildFrozen, Grade::Note, summary, "thaw that one too when all is to run again")
    }));
    findings
}
