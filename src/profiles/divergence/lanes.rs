//! Chunks computed in lanes: each lane is a thread with a context of the reference and one of the candidate, takes the next
//! chunk that nobody has taken, and reads it with one model, then with the other.
//!
//! For a small model a lane a core is faster than all cores on each step of one context: nobody waits for anybody between
//! the steps of a graph. Results are handed on in the text's order, so that the number of lanes changes nothing but the time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::Chunk;
use super::compare::compare;
use crate::engine::{Session, Token};
use crate::profiles::ProfileError;

/// A context of each model.
pub(super) struct Lane<'m> {
    pub(super) reference: Box<dyn Session + 'm>,
    pub(super) candidate: Box<dyn Session + 'm>,
    /// Rows of logits that the contexts hold at once.
    pub(super) rows: usize,
    /// Vocabulary entries, the length of a row.
    pub(super) n_vocab: usize,
}

/// Computes the chunks and hands them to `take` in their order until it says `Break` or all are done.
///
/// # Errors
/// The first chunk's, in the text's order, that could not be computed.
pub(super) fn run(
    lanes: &mut [Lane<'_>],
    chunks: &[Vec<Token>],
    take: &mut dyn FnMut(Chunk) -> ControlFlow<()>,
) -> Result<(), ProfileError> {
    let next = AtomicUsize::new(0);
    let enough = AtomicBool::new(false);
    let (results, inbox) = mpsc::channel();
    thread::scope(|scope| {
        for lane in lanes {
            let (results, next, enough) = (results.clone(), &next, &enough);
            scope.spawn(move || {
                while let Some((index, chunk)) = claim(next, chunks).filter(|_| !enough.load(Ordering::Relaxed)) {
                    if results.send((index, lane.read(chunk, enough))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results); // the inbox ends with the last lane
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (index, result) in inbox {
            early.insert(index, result);
            while let Some(result) = early.remove(&due) {
                due += 1;
                // none: given up because there was enough already
                let Some(chunk) = result.inspect_err(|_| enough.store(true, Ordering::Relaxed))? else { return Ok(()) };
                if take(chunk).is_break() {
                    enough.store(true, Ordering::Relaxed);
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

fn claim<'c>(next: &AtomicUsize, chunks: &'c [Vec<Token>]) -> Option<(usize, &'c [Token])> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, chunks.get(index)?.as_slice()))
}

impl Lane<'_> {
    /// Reads a chunk with both models; none when `enough` says that nobody needs it any more.
    fn read(&mut self, tokens: &[Token], enough: &AtomicBool) -> Result<Option<Chunk>, ProfileError> {
        let first = tokens.len() / 2;
        // Nothing is predicted after the last token, so it need not be read.
        let last = tokens.len() - 1;
        let mut chunk = Chunk { kld: Vec::with_capacity(last - first), ..Chunk::default() };
        self.reference.clear();
        self.candidate.clear();
        let mut begin = 0; // of what was not read yet
        let mut scored = first; // first token that was not scored yet
        while scored < last {
            let end = last.min(scored + self.rows);
            for session in [&mut self.reference, &mut self.candidate] {
                if enough.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                session.append_scored(&tokens[begin..end], scored - begin)?;
            }
            let rows = self.reference.scored_logits().chunks_exact(self.n_vocab);
            let rows = rows.zip(self.candidate.scored_logits().chunks_exact(self.n_vocab));
            for ((reference, candidate), &token) in rows.zip(&tokens[scored + 1..=end]) {
                let token = usize::try_from(token).unwrap_or(usize::MAX);
                chunk.add(compare(reference, candidate, token).ok_or_else(damaged)?);
            }
            (begin, scored) = (end, end);
        }
        if chunk.tokens() == last - first { Ok(Some(chunk)) } else { Err(damaged()) }
    }
}

fn damaged() -> ProfileError {
    ProfileError::Impossible(
        "candidate or reference computes no numbers (NaN, or no logits): the weights of one of them are damaged"
            .to_owned(),
    )
}
