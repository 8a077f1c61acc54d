//! Reading a run's folder, damaged ones included, and `sweetspot report` as a person runs it.

mod report_fixture;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use report_fixture::{outcomes, run_file, write};
use sweetspot::report::{self, Format, RunFolder, RunFolderError, View};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let outcomes = outcomes();
    write(folder.path(), &run_file(&outcomes), &outcomes);
    folder
}

fn sweetspot_report(folder: &Path, further: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sweetspot"));
    command.arg("report").arg(folder).args(further).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Changes a file of the folder.
fn edit(folder: &Path, file: &str, change: impl Fn(String) -> String) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(text)).unwrap();
}

#[test]
fn what_was_written_reads_back_the_same() {
    let folder = folder();
    let read = RunFolder::read(folder.path()).unwrap();
    assert_eq!(read.run, run_file(&outcomes()));
    assert_eq!(read.outcomes, outcomes());
    assert_eq!(read.warnings, [""; 0]);
}

#[test]
fn a_cut_last_line_is_left_out_with_a_warning() {
    let folder = folder();
    edit(folder.path(), "outcomes.jsonl", |text| text[..text.len() - 100].to_owned());
    let read = RunFolder::read(folder.path()).unwrap();
    assert_eq!(read.outcomes, outcomes()[..4]);
    assert_eq!(read.warnings.len(), 1);
    let view = View::of(read);
    assert!(view.notes.iter().any(|note| note.contains("last line is cut")), "{:?}", view.notes);
    assert!(!view.cells[4].reached);
}

#[test]
fn a_line_cut_within_a_character_is_left_out_as_well() {
    let folder = folder();
    let path = folder.path().join("outcomes.jsonl");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"schema_version\":1,\"reason\":\"\xc3");
    fs::write(&path, bytes).unwrap();
    assert_eq!(RunFolder::read(folder.path()).unwrap().outcomes, outcomes());
}

#[test]
fn damage_in_the_middle_is_an_error_with_its_line() {
    let folder = folder();
    edit(folder.path(), "outcomes.jsonl", |text| text.replacen("\"cell\"", "\"sell\"", 1));
    let error = RunFolder::read(folder.path()).unwrap_err();
    assert!(matches!(error, RunFolderError::Damaged { line: 1, .. }), "{error}");
    assert!(error.to_string().contains("outcomes.jsonl, line 1: damaged: unknown field `sell`"), "{error}");
}

#[test]
fn a_cell_that_was_measured_again_counts_once_with_its_last_outcome() {
    let folder = folder();
    let mut again = outcomes()[2].clone();
    again.reason = Some("again".to_owned());
    let line = serde_json::to_string(&again).unwrap();
    edit(folder.path(), "outcomes.jsonl", |text| format!("{text}{line}\n"));
    let read = RunFolder::read(folder.path()).unwrap();
    assert_eq!(read.outcomes.len(), 5);
    assert_eq!(read.outcomes[2].reason.as_deref(), Some("again"));
}

#[test]
fn another_schema_version_is_refused_with_both_versions() {
    let folder = folder();
    edit(folder.path(), "run.json", |text| text.replacen("\"schema_version\": 1", "\"schema_version\": 7", 1));
    let output = sweetspot_report(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("run.json: schema version 7, but this program reads version 1"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn no_folder_another_folder_and_a_half_folder_are_told_apart() {
    let empty = tempfile::tempdir().unwrap();
    let missing = empty.path().join("nothing");
    let half = folder();
    fs::remove_file(half.path().join("outcomes.jsonl")).unwrap();
    let cases = [
        (missing.as_path(), "nothing: no such folder"),
        (empty.path(), "not the folder of a run, it has no run.json"),
        (half.path(), "not the folder of a run, it has no outcomes.jsonl"),
    ];
    for (folder, expected) in cases {
        let output = sweetspot_report(folder, &[]);
        assert_eq!(output.status.code(), Some(2), "{expected}");
        let said = stderr(&output);
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_report_that_is_built_again_is_the_same_byte_for_byte() {
    let folder = folder();
    let view = View::of(RunFolder::read(folder.path()).unwrap());
    let written = report::write_all(&view, folder.path(), &Format::ALL);
    assert!(written.errors.is_empty(), "{:?}", written.errors);
    let read = |format: Format| fs::read(folder.path().join(format.file_name())).unwrap();
    let first = Format::ALL.map(read);
    for format in Format::ALL {
        fs::remove_file(folder.path().join(format.file_name())).unwrap();
    }
    let output = sweetspot_report(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(Format::ALL.map(read), first);
}

#[test]
fn the_table_goes_to_stdout_without_colours_and_the_paths_to_stderr() {
    let folder = folder();
    let output = sweetspot_report(folder.path(), &["--format", "csv"]);
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(table.contains("story-1b") && !table.contains('\u{1b}'), "{table}");
    assert!(stderr(&output).contains("report.csv"));
    assert!(folder.path().join("report.csv").exists());
    assert!(!folder.path().join("report.json").exists());
}

#[test]
fn an_unknown_format_is_a_wrong_argument() {
    let output = sweetspot_report(folder().path(), &["--format", "xml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("[possible values: json, csv, md]"), "{}", stderr(&output));
}

#[test]
fn a_report_that_cannot_be_written_does_not_keep_the_others_back() {
    let folder = folder();
    // A folder in the report's place: a file cannot be renamed over it, whoever runs the test.
    fs::create_dir(folder.path().join("report.json")).unwrap();
    let output = sweetspot_report(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("report.json: cannot be written"), "{said}");
    assert!(folder.path().join("report.csv").exists() && folder.path().join("report.md").exists());
    assert!(!output.stdout.is_empty());
}
