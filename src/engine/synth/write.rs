//! Streams a planned file to the disk: a buffer of a few megabytes, whatever the file's size.
//!
//! The file is written under `NAME.partial` and renamed when it is complete, so that no half file can be taken for a whole
//! one. Left out on purpose: waiting for the disk itself (fsync), since such a file is made again in seconds.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::random::Random;
use super::weights::{Weights, stretches};
use super::{Plan, SynthError};
use crate::engine::gguf::GgmlType;
use crate::machine::disk;

const BUFFER_BYTES: u64 = 2 << 20;

/// How far the writing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes written.
    pub done_bytes: u64,
    /// Bytes of the whole file.
    pub total_bytes: u64,
}

/// Writes a planned file to `path`, telling `progress` every few megabytes. An existing file is replaced only with
/// `overwrite`. On any error nothing is left behind.
///
/// # Errors
/// [`SynthError::Exists`], [`SynthError::NotWritable`], [`SynthError::DiskFull`] or [`SynthError::Write`].
pub fn write(plan: &Plan, path: &Path, overwrite: bool, progress: &mut dyn FnMut(Progress)) -> Result<(), SynthError> {
    let not_writable = |source| SynthError::NotWritable { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(not_writable(ErrorKind::IsADirectory.into()));
    }
    // a rename would put a file in the place of a device (`/dev/null`) or a pipe
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(not_writable(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")));
    }
    if !overwrite && path.symlink_metadata().is_ok() {
        return Err(SynthError::Exists { path: path.to_owned() });
    }
    let partial = partial_path(path);
    let file = File::create(&partial).map_err(not_writable)?;
    let total_bytes = plan.file_bytes();
    let mut output = Output { file, progress: Progress { done_bytes: 0, total_bytes }, report: progress };
    let result = match disk::free_bytes(path) {
        Some(free) if free < total_bytes => Err(disk_full(plan, path, free)),
        _ => stream(plan, &mut output)
            .and_then(|()| fs::rename(&partial, path))
            .map_err(|source| write_error(plan, path, source, output.progress.done_bytes)),
    };
    if result.is_err() {
        // The error that is reported is the first one; a file that cannot be removed either adds nothing to it.
        let _ = fs::remove_file(&partial);
    }
    result
}

/// Where this process writes a file before it is whole. With the process's id: two that make the same model at once must not
/// write into one file.
#[must_use]
pub fn partial_path(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    partial.into()
}

fn disk_full(plan: &Plan, path: &Path, free_bytes: u64) -> SynthError {
    SynthError::DiskFull { path: path.to_owned(), needed_bytes: plan.file_bytes(), free_bytes }
}

fn write_error(plan: &Plan, path: &Path, source: io::Error, done_bytes: u64) -> SynthError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => disk_full(plan, path, done_bytes),
        _ => SynthError::Write { path: path.to_owned(), source },
    }
}

/// The file with the count of what went into it.
struct Output<'a> {
    file: File,
    progress: Progress,
    report: &'a mut dyn FnMut(Progress),
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.progress.done_bytes += bytes.len() as u64;
        (self.report)(self.progress);
        Ok(())
    }
}

fn stream(plan: &Plan, output: &mut Output) -> io::Result<()> {
    output.put(&plan.header.bytes)?;
    let mut buffer = vec![0; usize::try_from(BUFFER_BYTES).unwrap_or(1 << 20)];
    // Where the embeddings are the output matrix, too, the rows to be quiet are theirs.
    let is_tied = !plan.tensors.iter().any(|t| t.0 == "output.weight");
    let quiet_name = if is_tied { "token_embd.weight" } else { "output.weight" };
    for (stream, ((name, dims, kind), size)) in (0..).zip(plan.tensors.iter().zip(&plan.header.tensor_bytes)) {
        let mut random = Random::new(plan.seed, stream);
        let quiet = if name == quiet_name { plan.quiet_rows.as_slice() } else { &[] };
        let n_rows = dims.iter().skip(1).product::<u64>();
        let row_bytes = size.checked_div(n_rows).unwrap_or(0);
        for (rows, weights) in stretches(n_rows, Weights::of(name, dims, *kind), quiet) {
            put_weights(output, &mut buffer, *kind, weights, rows * row_bytes, &mut random)?;
        }
        let padding = size.next_multiple_of(plan.header.alignment) - size;
        buffer.fill(0);
        put_zeros(output, &buffer, padding)?;
    }
    Ok(())
}

/// `bytes`, whole blocks of `kind`, in pieces of the buffer.
fn put_weights(
    output: &mut Output,
    buffer: &mut [u8],
    kind: GgmlType,
    weights: Weights,
    bytes: u64,
    random: &mut Random,
) -> io::Result<()> {
    let block = usize::try_from(kind.block_bytes).unwrap_or(1);
    let piece = buffer.len() / block * block;
    let mut left = bytes;
    while left > 0 {
        let n = usize::try_from(left).map_or(piece, |left| left.min(piece));
        weights.fill(kind, &mut buffer[..n], random);
        output.put(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(())
}

fn put_zeros(output: &mut Output, zeros: &[u8], bytes: u64) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        let n = usize::try_from(left).map_or(zeros.len(), |left| left.min(zeros.len()));
        output.put(&zeros[..n])?;
        left -= n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::quantize::Quant;
    use crate::engine::synth::{Spec, plan};
    use crate::plan::catalog::shape;

    #[test]
    fn a_disk_that_fills_up_while_writing_is_named_as_such() {
        let plan = plan(&Spec::of_shape(shape("tiny").unwrap(), Quant::Q4_0)).unwrap();
        let error = write_error(&plan, Path::new("out.gguf"), ErrorKind::StorageFull.into(), 4096);
        let needed = plan.file_bytes();
        assert_eq!(
            error.to_string(),
            format!("out.gguf: {needed} bytes are needed but only 4096 are free on this disk: nothing was written")
        );
        let error = write_error(&plan, Path::new("out.gguf"), ErrorKind::BrokenPipe.into(), 4096);
        assert!(matches!(error, SynthError::Write { .. }));
    }
}
