//! The configuration's sections `[run]` and `[output]`: what is measured where the command line does not say, and where the
//! results go.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::Problems;
use crate::engine::quantize::Quant;
use crate::profiles::ProfileName;
use crate::report::Format;

/// What is measured where the command line does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Profiles to run; empty: all.
    pub profiles: Vec<ProfileName>,
    /// Quantizations to measure; empty: those that are there.
    pub quants: Vec<Quant>,
    /// Whose weights are measured.
    pub weights: Weights,
}

/// Whose weights are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// Those of the files.
    #[default]
    Real,
    /// Made up: speed and memory are real, words are not.
    Synthetic,
}

impl RunConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        let bench = self.profiles.contains(&ProfileName::Bench);
        problems.unless(!bench, "run.profiles", "'bench' among others", "profiles of `run` (bench is a command)");
    }
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// The folder that runs make their own folders in; a relative path begins where the program runs.
    pub folder: PathBuf,
    /// The reports that a run writes.
    pub formats: Vec<Format>,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self { folder: PathBuf::from("results"), formats: Format::ALL.to_vec() }
    }
}

impl OutputConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        let folder = !self.folder.as_os_str().is_empty();
        problems.unless(folder, "output.folder", "empty", "a folder; '.' is the one where the program runs");
        problems.unless(!self.formats.is_empty(), "output.formats", "empty", "at least one of json, csv, md");
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_run_and_its_output_are_read_by_the_names_of_the_command_line() {
        let text = "[run]\nprofiles = ['interactive']\nquants = ['Q4_K_M']\nweights = 'synthetic'\n\
                    [output]\nfolder = 'out'\nformats = ['md']";
        let config = Config::parse(text).unwrap();
        let run = RunConfig {
            profiles: vec![ProfileName::Interactive],
            quants: vec![Quant::Q4KM],
            weights: Weights::Synthetic,
        };
        assert_eq!(config.run, run);
        assert_eq!(config.output, OutputConfig { folder: "out".into(), formats: vec![Format::Md] });
    }

    #[test]
    fn what_is_unknown_there_is_answered_with_the_nearest() {
        let error = Config::parse("[run]\nquants = ['q4_k_m']").unwrap_err();
        assert_eq!(error, "line 2, column 11: run.quants: unknown value 'q4_k_m'; did you mean 'Q4_K_M'?");
        let error = Config::parse("[output]\nformats = []").unwrap_err();
        assert_eq!(error, "output.formats is empty; it must be at least one of json, csv, md");
        let error = Config::parse("[run]\nprofiles = ['bench']").unwrap_err();
        assert!(error.starts_with("run.profiles is 'bench' among others; it must be"), "{error}");
    }
}
