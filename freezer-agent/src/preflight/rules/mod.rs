//! The pre-flight rules, one file per subject: each looks at the [`Sight`] and says what it finds.

mod place;
mod quota;
mod served;
mod stuck;
mod traced;
mod work;

use super::sight::Party;
use super::{Finding, Sight};

/// Every rule's findings, in the order of this list.
pub fn all(sight: &Sight) -> Vec<Finding> {
    let rules = [place::judge, stuck::judge, served::judge, traced::judge, work::judge, quota::judge];
    rules.into_iter().flat_map(|rule| rule(sight)).collect()
}

/// A few of them by name, and how many more.
fn names<'p>(parties: impl IntoIterator<Item = &'p Party>) -> String {
    const FEW: usize = 3;
    let all: Vec<&Party> = parties.into_iter().collect();
    let mut text = all.iter().take(FEW).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if all.len() > FEW {
        text += &format!(" and {} more", all.len() - FEW);
    }
    text
}

#[cfg(test)]
mod tests;
