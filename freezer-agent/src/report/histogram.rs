//! A log2 histogram as the bcc tools print them.

use crate::model::Bucket;

/// Columns of the longest bar.
const BAR: usize = 40;

/// `nsecs : count distribution`, one line per bucket.
#[must_use]
pub fn render(buckets: &[Bucket]) -> String {
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0);
    let mut out = String::from("     nsecs                      : count    distribution\n");
    for bucket in buckets {
        let low = if bucket.le_ns <= 2 { 0 } else { bucket.le_ns / 2 };
        let stars = (bucket.count * BAR as u64).checked_div(most).unwrap_or(0);
        let bar = "*".repeat(usize::try_from(stars).unwrap_or(BAR));
        out += &format!("{low:>14} -> {:<13} : {:<8} |{bar:<BAR$}|\n", bucket.le_ns - 1, bucket.count);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_to_the_fullest_bucket() {
        let buckets =
            [(65_536, 10), (131_072, 0), (262_144, 5)].map(|(le_ns, count)| Bucket { le_ns, count });
        insta::assert_snapshot!(render(&buckets));
    }
}
