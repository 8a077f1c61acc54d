//! `answers.md`: every prompt with every answer in full, what was read from it and why it counted or not, for a person who
//! wants to check the scores.

use super::QualityView;
use crate::profiles::quality::scorer::Scored;
use crate::profiles::quality::{Answer, Reply};
use crate::report::cell::CellView;
use crate::report::markdown::{Text, inline};

/// Its name in a run's folder.
pub const FILE_NAME: &str = "answers.md";

/// The file; none where nothing was asked.
#[must_use]
pub fn render(cells: &[CellView]) -> Option<String> {
    let asked: Vec<_> = cells.iter().filter_map(|cell| Some((cell, cell.quality()?.1))).collect();
    if asked.iter().all(|(_, view)| view.samples.asked.is_none()) {
        return None;
    }
    let mut out = Text::default();
    out.line(format_args!("# Answers"));
    for (cell, view) in asked {
        section(&mut out, cell, view);
    }
    Some(out.into_string())
}

fn section(out: &mut Text, cell: &CellView, view: &QualityView) {
    let Some(asked) = &view.samples.asked else { return };
    out.paragraph(format_args!("## {} {}", inline(&cell.cell.model), inline(&cell.cell.quant)));
    if let Some(summary) = &view.summary {
        let correct = summary.correct;
        out.paragraph(format_args!("Set `{}`: {} of {} right.", inline(&asked.set), correct.hits, correct.n));
    }
    for answer in &asked.answers {
        prompt(out, answer);
    }
}

fn prompt(out: &mut Text, answer: &Answer) {
    let verdict = match (answer.is_correct(), &answer.failure) {
        (_, Some(_)) => "not asked",
        (Some(true), _) => "right",
        (Some(false), _) => "wrong",
        (None, _) => "not scored",
    };
    let prompt = &answer.prompt;
    out.paragraph(format_args!("### {} ({}): {verdict}", inline(&prompt.id), prompt.category));
    if let Some(failure) = &answer.failure {
        out.paragraph(format_args!("Could not be asked: {}", inline(failure)));
    }
    if let Some(system) = &prompt.system {
        block(out, "System:", system);
    }
    for ((turn, reply), scored) in prompt.turns.iter().zip(&answer.replies).zip(answer.scored()) {
        block(out, "User:", &turn.user);
        block(out, &heading(reply), &reply.text);
        if let Some(scored) = scored {
            out.paragraph(format_args!("{}", judgement(&scored)));
        }
    }
}

fn heading(reply: &Reply) -> String {
    let tokens = crate::verdict::interpretation::counted(reply.tokens as usize, "token");
    format!("Answer ({tokens}, {}):", reply.ended.words())
}

fn judgement(scored: &Scored) -> String {
    let read = scored.read.as_ref().map(|read| format!(", read as `{}`", inline(read).replace('`', "'")));
    let mark = if scored.correct { "Right" } else { "Wrong" };
    format!("{mark}{}: {}.", read.unwrap_or_default(), inline(&scored.why))
}

fn block(out: &mut Text, title: &str, text: &str) {
    out.paragraph(format_args!("{title}"));
    out.code("text", &text.lines().collect::<Vec<_>>());
}
