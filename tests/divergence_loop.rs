//! The divergence loop over the scripted engine, whose logits are known: every number is computed by hand.

use std::f64::consts::LN_2;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use sweetspot::engine::fake::{Act, Delays, FakeEngine, Piece, Place, Script};
use sweetspot::engine::{AbortHandle, BufferUse, Engine, MemoryBreakdown, ModelInfo, ModelParams};
use sweetspot::profiles::clock::ManualClock;
use sweetspot::profiles::divergence::{self, EndedBy, Job, Samples, summarize};
use sweetspot::profiles::{ProfileError, Progress, Rig};

/// A text of the bytes 1, 2, 0, 1, 2, 0, … and two rows of logits; without BOS, so that the bytes are the tokens.
const PERIOD: &str = "\u{1}\u{2}\u{0}";

fn logs(shares: [f32; 3]) -> Vec<f32> {
    shares.map(f32::ln).to_vec()
}

fn script(rows: &[[f32; 3]]) -> Script {
    let default = Script::default();
    Script {
        model: ModelInfo { adds_bos: false, ..default.model },
        logit_rows: rows.iter().copied().map(logs).collect(),
        ..default
    }
}

/// The candidate's script, with a reference of another script.
fn pair(candidate: Script, reference: Script) -> Script {
    Script { others: vec![("reference.gguf".into(), reference)], ..candidate }
}

fn job(chunks: usize) -> Job {
    let mut job = Job::new("periods", &PERIOD.repeat(chunks * 6), 1).with_chunks_of(18);
    job.reference = Some(ModelParams::new(Path::new("reference.gguf")));
    job.precision_percent = 0.0;
    job
}

fn run(script: Script, job: &Job) -> Result<Samples, ProfileError> {
    run_with(script, job, None, |_| false)
}

/// `stop` raises the abort handle.
fn run_with(
    script: Script,
    job: &Job,
    memory_allowed_bytes: Option<u64>,
    stop: impl Fn(&Progress) -> bool,
) -> Result<Samples, ProfileError> {
    let engine = FakeEngine::new(script);
    let loaded = ModelParams::new(Path::new("candidate.gguf"));
    let model = engine.load(&loaded, Box::new(|_| ControlFlow::Continue(()))).unwrap();
    let abort = AbortHandle::default();
    let raised = abort.clone();
    let mut progress = move |progress| {
        if stop(&progress) {
            raised.raise();
        }
    };
    let mut rig = Rig {
        engine: &engine,
        loaded: &loaded,
        model: &*model,
        clock: &ManualClock::default(),
        abort,
        progress: &mut progress,
        keep: &mut |_| {},
        memory: None,
        memory_allowed_bytes,
    };
    divergence::run(job, &mut rig)
}

fn refused(script: Script, job: &Job) -> String {
    run(script, job).unwrap_err().to_string()
}

fn assert_near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-6, "{value} instead of {expected}");
}

const P: [f32; 3] = [0.5, 0.25, 0.25];
const Q: [f32; 3] = [0.25, 0.25, 0.5];

#[test]
fn the_second_half_of_a_chunk_is_scored_and_its_numbers_are_those_computed_by_hand() {
    // After token 0 both say P; after tokens 1 and 2 the reference says P and the candidate Q.
    let samples = run(pair(script(&[P, Q, Q]), script(&[P])), &job(1)).unwrap();
    let chunk = &samples.chunks[0];
    // Chunk of 18, tokens 1 2 0 1 2 0 …: positions 9 to 16 are scored. They hold 1 2 0 1 2 0 1 2, before 2 0 1 2 0 1 2 0.
    assert_eq!(chunk.tokens(), 8);
    // Six of them are followed by different predictions: KLD = 1/2 ln 2 − 1/4 ln 2 each.
    assert_near(chunk.kld_sum, 6.0 * 0.25 * LN_2);
    assert_near(chunk.kld_max, 0.25 * LN_2);
    assert_eq!(chunk.same_top, 2);
    // −ln P: 2 → ln 4, 0 → ln 2, 1 → ln 4; −ln Q: 2 → ln 2, 0 → ln 4.
    assert_near(chunk.nll_reference_sum, (3.0 * 2.0 + 3.0 + 2.0 * 2.0) * LN_2);
    assert_near(chunk.nll_sum, (3.0 + 3.0 * 2.0 + 2.0 * 2.0) * LN_2);
    // The text's own token: 2 after 1 gains 1/4 (three times), 0 after 2 loses 1/4 (three times), 1 after 0 stays.
    assert_near(chunk.p_change_sum, 0.0);
    assert_near(chunk.p_change_square_sum, 6.0 / 16.0);
    let summary = summarize(&samples).unwrap();
    assert_near(summary.kld_mean.value, 0.75 * 0.25 * LN_2);
    assert_near(summary.same_top_percent.value, 25.0);
    assert_near(summary.perplexity.value, (13.0 / 8.0 * LN_2).exp());
    assert_near(summary.perplexity_reference.value, (13.0 / 8.0 * LN_2).exp());
    assert_near(summary.log_perplexity_ratio.value, 0.0);
    assert_near(summary.p_change_rms_percent.value, 100.0 * (6.0_f64 / 16.0 / 8.0).sqrt());
    assert_eq!((summary.tokens, summary.kld_mean.error), (8, None), "one chunk has no error");
    assert_eq!((samples.ended_by, samples.text_tokens), (EndedBy::Text, 18));
}

#[test]
fn the_last_line_break_and_what_fills_no_chunk_are_left_out() {
    let longer = Job { text: format!("{}\n", PERIOD.repeat(6)), ..job(1) };
    let samples = run(pair(script(&[P]), script(&[Q])), &longer).unwrap();
    assert_eq!((samples.text_tokens, samples.chunks.len()), (18, 1));
    let longer = Job { text: PERIOD.repeat(11), ..job(1) };
    let samples = run(pair(script(&[P]), script(&[Q])), &longer).unwrap();
    assert_eq!((samples.text_tokens, samples.chunks.len()), (33, 1));
}

#[test]
fn bos_takes_the_place_of_each_chunks_first_token_where_the_model_wants_one() {
    // The rows follow the token that came before, and BOS (256) has one of its own: a chunk of 4 tokens scores its third alone,
    // so the sums tell which tokens were read. 36 text tokens and BOS make 9 chunks, the 37th token is left out.
    let with_bos = |script: Script| Script { model: ModelInfo { adds_bos: true, ..script.model }, ..script };
    let short = Job::new("periods", &PERIOD.repeat(12), 1).with_chunks_of(4);
    let job = Job { reference: job(1).reference, precision_percent: 0.0, ..short };
    let samples = run(pair(with_bos(script(&[P, Q, Q])), with_bos(script(&[P]))), &job).unwrap();
    assert_eq!((samples.text_tokens, samples.chunks.len()), (37, 9));
    // BOS 1 2 0 | (1) 2 0 1 | (2) 0 1 2 | …: the third token is 2, 0, 1, 2, …
    let klds: Vec<_> = samples.chunks.iter().map(|chunk| (chunk.kld_sum / (0.25 * LN_2)).round()).collect();
    assert_eq!(klds, [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn equal_models_diverge_by_exactly_nothing_and_without_a_reference_the_candidate_is_its_own() {
    for reference in [job(2).reference, None] {
        let samples = run(pair(script(&[P, Q]), script(&[P, Q])), &Job { reference, ..job(2) }).unwrap();
        let summary = summarize(&samples).unwrap();
        assert_eq!((summary.kld_mean.value, summary.kld_max, summary.same_top_percent.value), (0.0, 0.0, 100.0));
    }
}

#[test]
fn lanes_and_small_pieces_change_nothing_but_the_time() {
    // 7 tokens are no divisor of the period of 3: every chunk is another one.
    let one = Job { text: PERIOD.repeat(100), ..job(1) }.with_chunks_of(14);
    let scripts = || pair(script(&[P, Q, Q]), script(&[P, P, Q]));
    let expected = run(scripts(), &one).unwrap();
    assert!(expected.chunks.len() == 21 && expected.chunks[0] != expected.chunks[1]);
    assert_eq!(run(scripts(), &Job { lanes: 3, ..one.clone() }).unwrap(), expected);
    let mut pieces = one;
    (pieces.context.n_outputs_max, pieces.reference_context.n_outputs_max) = (2, 4);
    assert_eq!(run(scripts(), &pieces).unwrap(), expected);
}

#[test]
fn reading_ends_when_the_mean_is_sure_but_not_before_eight_chunks_or_at_the_texts_end() {
    let scripts = || pair(script(&[P]), script(&[Q]));
    let samples = run(scripts(), &Job { precision_percent: 5.0, lanes: 2, ..job(40) }).unwrap();
    assert_eq!((samples.ended_by, samples.chunks.len()), (EndedBy::Precision, 8));
    let samples = run(scripts(), &job(40)).unwrap();
    assert_eq!((samples.ended_by, samples.chunks.len()), (EndedBy::Text, 40));
    // 7 of 16 tokens are scored, in another place of the period each time: the mean is not sure to 0.1 %
    let restless = Job { precision_percent: 0.1, ..job(20) }.with_chunks_of(16);
    let samples = run(pair(script(&[P, Q, Q]), script(&[P, P, Q])), &restless).unwrap();
    assert_eq!((samples.ended_by, samples.chunks.len()), (EndedBy::Text, 22));
}

#[test]
fn different_vocabularies_are_told_by_what_differs() {
    let larger = |script: Script| Script { model: ModelInfo { n_vocab: 300, ..script.model }, ..script };
    let says = refused(pair(script(&[P]), larger(script(&[P]))), &job(1));
    assert_eq!(
        says,
        "the vocabularies differ: the reference has 300 tokens, the candidate 260; the reference must be a file of the same \
         model"
    );
    let other_piece =
        Script { answers: vec![vec![Piece::Text("Hello".into()), Piece::Text(" all".into())]], ..script(&[P]) };
    let says = refused(pair(script(&[P]), other_piece), &job(1));
    assert!(says.contains("token 259 is \" all\" in the reference, \" world\" in the candidate"), "{says}");
    let other_end = Script { answers: vec![vec![Piece::Text("Hello".into()), Piece::End]], ..script(&[P]) };
    let candidate =
        Script { answers: vec![vec![Piece::Text("Hello".into()), Piece::Bytes(Vec::new())]], ..script(&[P]) };
    let says = refused(pair(candidate, other_end), &job(1));
    assert!(says.contains("token 259 ends an answer of the reference alone"), "{says}");
    let with_bos = |script: Script| Script { model: ModelInfo { adds_bos: true, ..script.model }, ..script };
    let says = refused(pair(script(&[P]), with_bos(script(&[P]))), &job(1));
    assert!(says.contains("begins with token 256 for the reference, with no token (BOS would be 256)"), "{says}");
}

#[test]
fn a_text_shorter_than_a_chunk_is_told_with_both_counts_and_before_the_reference_is_loaded() {
    let reference = Script { load_failure: Some("it must not be loaded".into()), ..script(&[P]) };
    let short = Job { text: PERIOD.repeat(5), ..job(1) };
    assert_eq!(
        refused(pair(script(&[P]), reference), &short),
        "the text 'periods' has 15 tokens for this model, a chunk takes 18: give a longer text (--text) or a shorter chunk (-c)"
    );
}

#[test]
fn a_reference_that_cannot_be_loaded_is_told_with_its_file_and_the_reason() {
    let reference = Script { load_failure: Some("the file is damaged".into()), ..script(&[P]) };
    let says = refused(pair(script(&[P]), reference), &job(1));
    assert_eq!(says, "reference.gguf: llama.cpp cannot load it: the file is damaged");
}

#[test]
fn two_models_that_do_not_fit_are_refused_with_their_exact_need_before_the_reference_is_loaded() {
    let weighs = |bytes: u64, script: Script| {
        let buffer = BufferUse {
            name: "CPU".into(),
            device: "CPU".into(),
            is_host: true,
            weights_bytes: bytes,
            kv_bytes: 0,
            compute_bytes: 1_000_000,
        };
        Script { memory: MemoryBreakdown { buffers: vec![buffer] }, kv_bytes_per_token: 1_000_000, ..script }
    };
    let breaks = script(&[P]).with(Place::Load, Act::Fail("it must not be loaded".into()));
    let scripts = || pair(weighs(300_000_000, script(&[P])), weighs(600_000_000, breaks.clone()));
    // 900 MB of weights; in two lanes four caches of 18 MB, and four times 1 MB and 7 more rows of 260 logits: 976.03 MB
    let job = Job { lanes: 2, ..job(1) };
    let says = run_with(scripts(), &job, Some(976_029_119), |_| false).unwrap_err().to_string();
    assert_eq!(
        says,
        "candidate and reference together need 0.98 GB of memory: weights of candidate.gguf 0.30 GB, weights of reference.gguf \
         0.60 GB, KV caches 72.0 MB, computing 4.0 MB; 0.98 GB are allowed: take a smaller reference or a shorter chunk (-c), \
         or allow more (--max-memory-gb)"
    );
    let says = run_with(scripts(), &job, Some(976_029_120), |_| false).unwrap_err().to_string();
    assert!(says.ends_with("it must not be loaded"), "one byte more is enough: {says}");
    // the same weights with another cache are there once
    let own = Job { reference: None, ..job };
    assert!(run_with(scripts(), &own, Some(376_029_120), |_| false).is_ok());
    assert!(run_with(scripts(), &own, Some(376_029_119), |_| false).is_err());
}

#[test]
fn a_model_that_computes_no_numbers_is_not_measured() {
    for (candidate, reference) in [([f32::NAN, 0.5, 0.5], P), (P, [0.5, 0.5, f32::NAN])] {
        let says = refused(pair(script(&[candidate]), script(&[reference])), &job(1));
        assert!(says.starts_with("candidate or reference computes no numbers (NaN"), "{says}");
    }
}

#[test]
fn chunks_that_were_read_before_an_interruption_count_and_none_is_an_error() {
    // slow enough for the interruption to come before the text's end
    let delays = Delays { prefill_per_token: Duration::from_micros(300), ..Delays::default() };
    let scripts = || pair(Script { delays: delays.clone(), ..script(&[P]) }, script(&[Q]));
    let samples = run_with(scripts(), &job(40), None, |progress| progress.done == 3).unwrap();
    assert_eq!(samples.ended_by, EndedBy::Interrupted);
    assert!((3..40).contains(&samples.chunks.len()));
    let error = run_with(scripts(), &job(40), None, |progress| progress.done == 0).unwrap_err();
    assert_eq!(error.to_string(), "aborted");
}

#[test]
fn a_failure_in_the_middle_of_the_text_is_the_reason_that_is_given() {
    let fails = script(&[P]).with(Place::Append(5), Act::Fail("the device is gone".into()));
    let says = refused(pair(fails, script(&[Q])), &Job { lanes: 2, ..job(9) });
    assert_eq!(says, "llama_decode failed with code -3: the device is gone");
}

#[test]
fn a_job_that_cannot_be_done_says_so() {
    let scripts = || pair(script(&[P]), script(&[Q]));
    assert!(refused(scripts(), &job(1).with_chunks_of(3)).contains("a chunk of 3 tokens in 1 lanes cannot be scored"));
    assert!(refused(scripts(), &Job { lanes: 0, ..job(1) }).contains("in 0 lanes"));
    assert!(refused(scripts(), &Job { precision_percent: f64::NAN, ..job(1) }).contains("a precision of NaN %"));
    assert!(refused(scripts(), &Job { chunk_tokens: 19, ..job(1) }).contains("do not hold a chunk of 19 tokens"));
}
