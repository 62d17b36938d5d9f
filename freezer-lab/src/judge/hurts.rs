//! Whether those whom a freeze hurts are told, and nobody else.

use serde_json::Value;

use crate::cases::Hurt;

/// Everything wrong with the list of side effects.
pub fn json(hurts: &[Hurt], document: &Value) -> Vec<String> {
    let empty = Vec::new();
    let found = document["side_effects"].as_array().unwrap_or(&empty);
    let told = |hurt: &Hurt| {
        found.iter().any(|effect| {
            let names = |pid: i32| {
                effect["waits_for"].as_array().is_some_and(|steps| {
                    steps.iter().any(|step| step["pid"] == pid && step["frozen"] == true)
                })
            };
            effect["kind"] == hurt.kind && effect["pid"] == hurt.pid && hurt.by.is_none_or(names)
        })
    };
    let expected = |effect: &&Value| hurts.iter().any(|hurt| effect["pid"] == hurt.pid);
    let missing = hurts.iter().filter(|hurt| !told(hurt)).map(|hurt| format!("not told: {hurt:?}"));
    let wrong =
        found.iter().filter(|effect| !expected(effect)).map(|effect| format!("wrongly told: {effect}"));
    missing.chain(wrong).collect()
}

/// Everything missing on the screen.
pub fn text(hurts: &[Hurt], screen: &str) -> Vec<String> {
    if hurts.is_empty() == screen.contains("This freeze hurts:") {
        return vec![format!("the section of what it hurts is wrong: {hurts:?} expected")];
    }
    let words = hurts.iter().flat_map(|hurt| [hurt.kind.to_owned(), hurt.pid.to_string()]);
    words.filter(|word| !screen.contains(word)).map(|word| format!("{word} is missing")).collect()
}
