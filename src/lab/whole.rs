//! A whole run in its folder: begun or gone on with, measured, reported as far as it came.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::watch;

use super::checkpoint::Checkpoint;
use super::resume::Earlier;
use super::run_file::RunFile;
use super::{Ended, Entry, Session};
use crate::report::{self, Format, RunFolder, View, Written};

/// What is run, and where it is kept.
pub struct Whole<'a> {
    /// The run's folder.
    pub folder: PathBuf,
    /// What its `run.json` says.
    pub run_file: RunFile,
    /// The plan.
    pub entries: Vec<Entry>,
    /// How it is measured and decided.
    pub session: Session<'a>,
    /// What is gone on with; none: a new run.
    pub earlier: Option<Earlier>,
    /// The reports to write.
    pub formats: Vec<Format>,
}

/// How a run came out.
pub struct Came {
    /// What it came to; an error where outcomes could not be kept.
    pub ended: anyhow::Result<Ended>,
    /// What is to be shown, as far as the folder can be read.
    pub view: anyhow::Result<View>,
    /// The reports.
    pub written: Written,
}

impl Whole<'_> {
    /// Runs it. Whatever happens on the way, what was measured is reported: a disk that is full now may have held the first
    /// outcomes.
    ///
    /// # Errors
    /// The folder cannot be begun in or gone on with; nothing has been measured or changed then.
    pub async fn run(mut self, cancel: watch::Receiver<bool>) -> anyhow::Result<Came> {
        let mut checkpoint = self.open()?;
        let begun = Instant::now();
        let before = self.earlier.as_ref().map_or(0.0, Earlier::seconds);
        let ended = super::run(&mut self.entries, self.session, &mut checkpoint, cancel).await;
        self.run_file.duration_seconds = Some(before + begun.elapsed().as_secs_f64());
        self.run_file.interrupted = ended.as_ref().is_ok_and(|ended| ended.interrupted);
        let saved = self.run_file.save(&self.folder);
        let (folder, formats) = (self.folder, self.formats);
        // Beside this thread, which listens to the person at the keyboard meanwhile.
        let reported = tokio::task::spawn_blocking(move || {
            let view = RunFolder::read(&folder).map(View::of).map_err(anyhow::Error::from);
            let written = view.as_ref().map(|view| report::write_all(view, &folder, &formats)).unwrap_or_default();
            (view, written)
        });
        let (view, mut written) = reported.await?;
        written.errors.splice(0..0, saved.err());
        drop(checkpoint);
        Ok(Came { ended, view, written })
    }

    /// A new folder, or the one that is gone on with.
    fn open(&mut self) -> anyhow::Result<Checkpoint> {
        let Some(earlier) = &self.earlier else { return Checkpoint::create(&self.folder, &self.run_file) };
        let checkpoint = Checkpoint::reopen(&self.folder)?;
        // since it was read, another process may have gone on with it and ended
        self.session.earlier = Earlier::read(&self.folder)?.outcomes;
        let then = &earlier.run;
        self.run_file.started_at.clone_from(&then.started_at);
        self.run_file.resumed_at =
            then.resumed_at.iter().cloned().chain([format!("{:.0}", Timestamp::now())]).collect();
        self.run_file.save(&self.folder)?;
        Ok(checkpoint)
    }
}
