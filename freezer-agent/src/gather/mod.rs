//! Facts from /proc, /sys and the snapshots: collects, never decides. Every look has a deadline.
use crate::{explain::{Facts,facts::*},model::*,cgroupfs::Cgroup};use std::collections::HashMap;
/// x
pub struct Subject<'a> { pub cgroup:&'a Cgroup, pub host:Vec<TaskSnapshot>, pub asked_ns_ago:Option<u64>, pub samples:HashMap<i32,Vec<StackSample>>, pub before: HashMap<i32,BeforeRequest>}
/// x
pub fn gather(mut s:Subject<'_>)->Facts{ let ids=s.cgroup.subtree_ids().unwrap_or_default(); let h=s.cgroup.hierarchy;
 let (i,o):(Vec<_>,Vec<_>)=s.host.into_iter().partition(|t| t.cgroup_in(h).is_some_and(|c| ids.contains(&c)));
 Facts{kernel:String::new(),hierarchy:h,cgroup:Name::from(s.cgroup.dir.as_path()),subtree:ids,asked_ns_ago:s.asked_ns_ago,tasks:i.into_iter().map(|t| TaskFacts{details:Some(TaskDetails{samples:s.samples.remove(&t.tid).unwrap_or_default(),..Default::default()}),task:t}).collect(),others:o.into_iter().map(|t|TaskFacts{task:t,details:None}).collect(),fuse:vec![],userfaultfds:vec![],quotas:vec![],cgroups:vec![],gaps:vec![]}}
