//! What a freeze broke.

use crate::explain::Certainty;
use crate::explain::harm::SideEffect;
use crate::model::units::count;
use crate::report::style::Screen;

/// Shown one by one; JSON has all.
const SHOWN: usize = 6;

/// Empty where nothing was found.
pub fn render(effects: &[SideEffect], screen: Screen) -> String {
    if effects.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n\n", screen.bad("This freeze hurts:"));
    for effect in effects.iter().take(SHOWN) {
        let thread = if effect.tid == effect.pid {
            format!("pid {}", effect.pid)
        } else {
            format!("thread {} of pid {}", effect.tid, effect.pid)
        };
        let certainty = match effect.certainty {
            Certainty::Certain => "certain",
            Certainty::Likely => "likely",
            Certainty::Guess => "a guess",
        };
        text += &format!(
            "  {}  {thread}  {} {}\n",
            screen.strong(&effect.comm),
            screen.notable(&effect.kind),
            screen.faint(format_args!("({certainty})"))
        );
        text += &screen.field(4, "why", &effect.summary);
        for note in effect.evidence.notes.iter().take(1) {
            text += &screen.field(4, "note", note);
        }
        text += &screen.field(4, "release", &effect.release);
    }
    if let Some(more) = effects.len().checked_sub(SHOWN).filter(|&more| more > 0) {
        text += &format!("  and {} (--json lists all)\n", count(more, "more task"));
    }
    text
}
