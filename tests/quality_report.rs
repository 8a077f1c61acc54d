//! Reports of a run with the quality profile: what is shown of the answers, and what they do to the advice.

mod report_fixture;

use report_fixture::{outcomes, run_file, write};
use serde_json::Value;
use sweetspot::lab::outcome::{Outcome, ProfileOutcome, Status};
use sweetspot::profiles::quality::prompts::{Category, Prompt, Turn};
use sweetspot::profiles::quality::scorer::Scorer;
use sweetspot::profiles::quality::{Answer, Asked, Ended, Reply, Samples};
use sweetspot::profiles::{self, ProfileName, divergence};
use sweetspot::report::terminal::{self, Look};
use sweetspot::report::{Format, RunFolder, View, write_all};

/// Twenty sums, the first `right` of which are right; and one e-mail that nobody scores.
fn asked(right: usize) -> Asked {
    let turn = |score| Turn { user: "6 × 7?".into(), score };
    let answer = |place: usize| {
        let score = (place < 20).then_some(Scorer::Number { answer: 42.0, tolerance: 0.0, tolerance_percent: 0.0 });
        let text = if place < right { "It is 42." } else { "It is 41. ```" };
        Answer {
            prompt: Prompt {
                id: format!("sum-{place}"),
                category: Category::new(if place < 20 { "math" } else { "email" }).unwrap(),
                system: None,
                turns: vec![turn(score)],
                max_tokens: 8,
            },
            replies: vec![Reply {
                text: text.into(),
                prompt_tokens: 9,
                tokens: 4,
                seconds: 0.1,
                ended: Ended::EndOfGeneration,
            }],
            failure: None,
        }
    };
    Asked {
        set: "own".into(),
        prompts_planned: 21,
        answers: (0..21).map(answer).collect(),
        thresholds: [(Category::new("math").unwrap(), 80.0)].into(),
        consistency: Vec::new(),
        n_ctx: 1024,
        fallback_template: false,
        interrupted: false,
    }
}

/// Eight chunks of two tokens each.
fn diverged() -> divergence::Samples {
    let chunk = |place: u8| {
        let kld = vec![0.01 + f32::from(place) * 0.001, 0.02];
        divergence::Chunk {
            kld_sum: kld.iter().copied().map(f64::from).sum(),
            kld_max: 0.02,
            same_top: 1 + u32::from(place % 2),
            nll_sum: 1.5,
            nll_reference_sum: 1.4,
            p_change_sum: -0.01,
            p_change_square_sum: 0.001,
            kld,
        }
    };
    divergence::Samples {
        chunks: (0..8).map(chunk).collect(),
        ended_by: divergence::EndedBy::Text,
        text_name: "text".into(),
        text_tokens: 64,
        chunk_tokens: 8,
        precision_percent: 5.0,
        reference: Some("story 1B Q8_0".into()),
        seed: 0,
    }
}

fn with_quality(mut outcome: Outcome, right: usize, divergence: Option<divergence::Samples>) -> Outcome {
    let samples = Samples { asked: Some(asked(right)), divergence, divergence_failure: None };
    outcome.profiles.push(ProfileOutcome {
        samples: Some(profiles::Samples::Quality(samples)),
        reason: None,
        ..ProfileOutcome::without_samples(ProfileName::Quality, Status::Measured, "")
    });
    outcome
}

/// The `Q4_K_M`, good and quick, and the `Q8_0`, which is too slow here; so many of their twenty sums are right.
fn quants(q4: usize, q8: usize) -> Vec<Outcome> {
    let mut all = outcomes();
    all.truncate(2);
    let slow = with_quality(all.pop().unwrap(), q8, None);
    vec![with_quality(all.pop().unwrap(), q4, Some(diverged())), slow]
}

fn view(outcomes: &[Outcome]) -> (View, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &run_file(outcomes), outcomes);
    (View::of(RunFolder::read(folder.path()).unwrap()), folder)
}

fn text(view: &View, format: Format) -> String {
    String::from_utf8(format.render(view).unwrap()).unwrap()
}

#[test]
fn the_terminal_shows_right_answers_and_divergence_at_100_columns_and_no_line_is_wider() {
    let (view, _folder) = view(&quants(18, 19));
    let shown = terminal::render(&view, Look { width: 100, colour: false });
    let head = shown.lines().nth(1).unwrap();
    for column in ["tok/s", "Right % (95 %)", "KLD", "Rating"] {
        assert!(head.contains(column), "{column}: {head}");
    }
    let row = shown.lines().find(|line| line.contains("Q4_K_M")).unwrap();
    assert!(row.contains("90.0 (70–97)") && row.contains(" ± 0.0"), "{row}");
    for width in [80, 100, 120] {
        let shown = terminal::render(&view, Look { width, colour: false });
        let wide = shown.lines().find(|l| !l.contains("llama-server") && l.chars().count() > usize::from(width));
        assert_eq!(wide, None, "at {width}");
        assert!(shown.contains("90.0 (70–97)"), "the answers are never dropped: {shown}");
    }
}

#[test]
fn without_the_profile_the_table_has_no_column_for_it() {
    let (view, _folder) = view(&outcomes());
    assert!(!terminal::render(&view, Look { width: 200, colour: false }).contains("Right %"));
}

#[test]
fn the_json_report_has_categories_changes_and_divergence() {
    let (view, _folder) = view(&quants(18, 19));
    let report: Value = serde_json::from_str(&text(&view, Format::Json)).unwrap();
    let profile = &report["results"][0]["profiles"]["quality"];
    assert_eq!((&profile["status"], &profile["rating"]), (&"passed".into(), &"excellent".into()));
    assert_eq!(profile["metrics"]["math_percent"], 90.0);
    assert!(profile["metrics"]["kld_mean"].as_f64().is_some_and(|kld| kld > 0.01 && kld < 0.02));
    assert_eq!(profile["criteria"]["math_percent"], "excellent");
    let quality = &profile["quality"];
    assert_eq!(quality["categories"][0]["threshold_percent"], 80.0);
    let change = &quality["change"];
    assert_eq!(
        (&change["reference"], &change["all"]["lost"], &change["standing"]),
        (&"Q8_0".into(), &1.into(), &"unclear".into())
    );
    assert_eq!(report["results"][1]["profiles"]["quality"]["quality"]["change"], Value::Null, "the best has no better");
    let words = profile["interpretation"].as_str().unwrap();
    assert!(words.contains("Q4_K_M keeps 94.7 % of Q8_0's right answers"), "{words}");
}

#[test]
fn a_quick_quantization_that_breaks_answers_is_not_recommended() {
    let advice = |q4: usize| {
        let (view, _folder) = view(&quants(q4, 19));
        let report: Value = serde_json::from_str(&text(&view, Format::Json)).unwrap();
        let first = &report["recommendations"]["interactive"][0];
        (first["mark"].as_str().unwrap().to_owned(), first["reason"].as_str().unwrap().to_owned())
    };
    assert_eq!(advice(19).0, "recommended");
    let (mark, reason) = advice(7);
    assert_eq!(mark, "avoid");
    assert!(reason.contains("keeps 37 % of Q8_0's right answers: it breaks answers"), "{reason}");
}

#[test]
fn the_markdown_report_has_tables_by_category_and_of_what_changed() {
    let (view, _folder) = view(&quants(7, 19));
    let markdown = text(&view, Format::Md);
    for part in [
        "## Quality of the answers",
        "| Model | math | all |",
        "| story-1b Q4_K_M | 35.0 (18.1–56.7) | 35.0 (18.1–56.7) |",
        "Prompts scored: math 20. Thresholds: math 80.0 %.",
        "Change against Q8_0 in percentage points",
        "| 36.8 % | broken |",
        "mean KLD",
        "[answers.md](answers.md)",
        "not for financial work",
    ] {
        assert!(markdown.contains(part), "{part}: {markdown}");
    }
}

#[test]
fn the_csv_report_has_the_answers_after_all_columns_that_were_there_before() {
    let (view, _folder) = view(&quants(18, 19));
    let csv = text(&view, Format::Csv);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head = reader.headers().unwrap().clone();
    let place = |name: &str| head.iter().position(|column| column == name).unwrap();
    assert_eq!(place("quality_rating"), place("notes") + 1);
    let record = reader.records().next().unwrap().unwrap();
    assert_eq!(&record[place("quality_correct_percent")], "90.000");
    assert_eq!((&record[place("quality_reference")], &record[place("quality_standing")]), ("Q8_0", "unclear"));
}

#[test]
fn every_answer_can_be_read_in_full_with_its_verdict() {
    let (view, folder) = view(&quants(18, 19));
    let written = write_all(&view, folder.path(), &Format::ALL);
    assert!(written.errors.is_empty(), "{:?}", written.errors);
    let answers = std::fs::read_to_string(folder.path().join("answers.md")).unwrap();
    for part in [
        "## story-1b Q4_K_M",
        "### sum-0 (math): right",
        "### sum-18 (math): wrong",
        "### sum-20 (email): not scored",
        "Answer (4 tokens, ended by the model):",
        "````text\nIt is 41. ```\n````",
        "read as `42`",
    ] {
        assert!(answers.contains(part), "{part}: {}", &answers[..2000]);
    }
    assert_eq!(answers.matches("It is 42.").count(), 18 + 19);
}

#[test]
fn a_failed_threshold_fails_the_profile_and_makes_the_cell_partial() {
    let mut hopeless = quants(7, 2);
    hopeless.remove(0);
    let (view, _folder) = view(&hopeless);
    let report: Value = serde_json::from_str(&text(&view, Format::Json)).unwrap();
    let result = &report["results"][0];
    assert_eq!((&result["profiles"]["quality"]["status"], &result["verdict"]), (&"failed".into(), &"partial".into()));
}

#[test]
fn reports_of_the_same_folder_are_the_same() {
    let (first, folder) = view(&quants(18, 19));
    let again = View::of(RunFolder::read(folder.path()).unwrap());
    for format in Format::ALL {
        assert_eq!(text(&first, format), text(&again, format));
    }
}
