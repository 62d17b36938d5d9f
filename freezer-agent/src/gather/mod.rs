//! Facts from /proc, /sys and the snapshots: collects, never decides. Every look has a deadline.
