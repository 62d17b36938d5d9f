//! Facts kept in a file and judged again elsewhere, without root and without a kernel.

use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

use super::Facts;
use super::course::Course;

/// Written into every record; another value is another format.
pub const SCHEMA: &str = "freezer-agent-facts/1";

/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Reading or writing failed.
    #[error("the record of facts could not be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// Not a record at all, or a damaged one.
    #[error("this is no record of facts ({0}); expected JSON that says \"schema\": \"{SCHEMA}\"")]
    Format(#[from] serde_json::Error),
    /// A record of another version.
    #[error(
        "this record says schema \"{found}\"; this build reads \"{SCHEMA}\": use the version that wrote it"
    )]
    Schema {
        /// What the record says.
        found: String,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    schema: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    course: Option<&'a Course>,
    #[serde(flatten)]
    facts: &'a Facts,
}

#[derive(Deserialize)]
struct Header {
    schema: String,
    #[serde(default)]
    course: Option<Course>,
}

/// Writes facts, and the way to where they were found, as one JSON object.
pub fn save(facts: &Facts, course: Option<&Course>, mut to: impl Write) -> Result<(), RecordError> {
    serde_json::to_writer_pretty(&mut to, &Written { schema: SCHEMA, course, facts })?;
    to.write_all(b"\n")?;
    Ok(())
}

/// Reads what [`save`] wrote.
pub fn load(mut from: impl Read) -> Result<(Facts, Option<Course>), RecordError> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    let header: Header = serde_json::from_slice(&bytes)?;
    if header.schema != SCHEMA {
        return Err(RecordError::Schema { found: header.schema });
    }
    Ok((serde_json::from_slice(&bytes)?, header.course))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Look, arbitrary, examples, judge};
    use super::*;
    use crate::model::{Spent, TaskTimeline};

    #[test]
    fn a_record_of_another_version_says_which_one_is_needed() {
        let error = load(&br#"{"schema": "freezer-agent-facts/9"}"#[..]).expect_err("another version");
        assert!(
            matches!(error, RecordError::Schema { ref found } if found == "freezer-agent-facts/9"),
            "{error}"
        );
    }

    #[test]
    fn garbage_is_named_as_no_record() {
        for garbage in [&b""[..], b"{}", b"\x7fELF", br#"{"schema": "freezer-agent-facts/1"}"#] {
            assert!(matches!(load(garbage), Err(RecordError::Format(_))), "{garbage:?}");
        }
    }

    #[test]
    fn a_record_gives_back_what_was_saved() {
        let facts = examples::facts();
        let mut bytes = Vec::new();
        save(&facts, None, &mut bytes).expect("written to memory");
        assert_eq!(load(&bytes[..]).expect("just written"), (facts, None));
    }

    #[test]
    fn the_way_is_kept_with_every_word_about_the_slow() {
        let facts = examples::facts();
        let blockers = judge(&facts).blockers;
        let course = Course {
            frozen: true,
            elapsed_ns: 9,
            requested_at: 1,
            write_took_ns: None,
            limit_ns: 1,
            tasks: vec![TaskTimeline::new(7)],
            looks: vec![Look { after_ns: 5, spent: vec![(blockers[0].tid, Spent::default())], blockers }],
            samples: vec![(7, Vec::new())],
        };
        let mut bytes = Vec::new();
        save(&facts, Some(&course), &mut bytes).expect("written to memory");
        let (_, kept) = load(&bytes[..]).expect("just written");
        assert_eq!(kept.as_ref(), Some(&course));
        assert_eq!(kept.map(|kept| kept.slow(&[])), Some(course.slow(&[])));
    }

    proptest! {
        #[test]
        fn a_replayed_record_gives_the_same_verdict(facts in arbitrary::facts()) {
            let mut bytes = Vec::new();
            save(&facts, None, &mut bytes).expect("written to memory");
            prop_assert_eq!(judge(&load(&bytes[..]).expect("just written").0), judge(&facts));
        }
    }
}
