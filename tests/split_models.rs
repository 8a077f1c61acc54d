//! A model in several files, named by a part that is not its first: `run` and `bench` measure all of it, once.

mod common;

use std::path::{Path, PathBuf};

use common::{Program, synthetic};
use sweetspot::engine::gguf::{Gguf, HeaderWriter, ValueType};
use sweetspot::engine::quantize::Quant;

/// An entry as it stands in a file.
fn entry(key: &str, kind: ValueType, value: &[u8]) -> Vec<u8> {
    let mut bytes = (key.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&(kind as u32).to_le_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// Splits a model in two as llama.cpp's `llama-gguf-split` does: the metadata and half of the tensors, then the other half.
fn split(path: &Path) -> [PathBuf; 2] {
    let whole = Gguf::open(path).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let at = |start: u64, length: u64| &bytes[usize::try_from(start).unwrap()..][..usize::try_from(length).unwrap()];
    let (first, second) = whole.tensors().split_at(whole.tensors().len() / 2);
    let prefix = path.with_extension("");
    let parts = [(0_u16, first), (1, second)];
    parts.map(|(number, tensors)| {
        let mut header = HeaderWriter::default();
        if number == 0 {
            for entry in whole.entries() {
                header.raw_entry(at(entry.bytes.start, entry.bytes.end - entry.bytes.start));
            }
        }
        let count = i32::try_from(whole.tensors().len()).unwrap();
        header.raw_entry(&entry("split.no", ValueType::U16, &number.to_le_bytes()));
        header.raw_entry(&entry("split.count", ValueType::U16, &2_u16.to_le_bytes()));
        header.raw_entry(&entry("split.tensors.count", ValueType::I32, &count.to_le_bytes()));
        for tensor in tensors {
            header.tensor(&tensor.name, &tensor.dims, tensor.kind);
        }
        let header = header.finish(whole.alignment()).unwrap();
        let mut file = header.bytes;
        for tensor in tensors {
            file.extend_from_slice(at(whole.data_offset() + tensor.offset, tensor.size_bytes));
            file.resize(file.len().next_multiple_of(usize::try_from(whole.alignment()).unwrap()), 0);
        }
        let part = PathBuf::from(format!("{}-{:05}-of-00002.gguf", prefix.display(), number + 1));
        std::fs::write(&part, file).unwrap();
        part
    })
}

/// A program's folder with a split model and nothing of the whole one.
fn with_split_model() -> (Program, [PathBuf; 2]) {
    let program = Program::new();
    let whole = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let parts = split(&whole);
    std::fs::remove_file(whole).unwrap();
    (program, parts)
}

#[test]
fn a_split_model_named_by_its_second_part_is_measured_whole_and_once() {
    let (program, [first, second]) = with_split_model();
    let ran = program.run(&[second.to_str().unwrap(), first.to_str().unwrap(), "."]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let outcomes = program.outcomes();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!((&outcomes[0]["status"], &outcomes[0]["cell"]["model"]), (&"measured".into(), &"tiny".into()));
    let both = [&first, &second].map(|part| std::fs::metadata(part).unwrap().len()).iter().sum::<u64>();
    assert_eq!(outcomes[0]["cell"]["size_bytes"], both);
}

#[test]
fn bench_measures_a_split_model_by_any_of_its_parts() {
    let (program, [first, second]) = with_split_model();
    let second = second.to_str().unwrap();
    let ran = program.sweetspot(&["bench", "-m", second, "-m", ".", "-p", "8", "-n", "0", "-r", "1", "-o", "jsonl"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:#?}");
    let row: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(row["model_filename"], first.to_str().unwrap());
    assert_eq!(row["synthetic"], true);
}

#[test]
fn a_missing_part_is_said_by_name_by_both() {
    let (program, [first, second]) = with_split_model();
    std::fs::remove_file(&first).unwrap();
    let missing = first.file_name().unwrap().to_str().unwrap();
    let second = second.to_str().unwrap();
    let ran = program.run(&[second]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(program.outcomes()[0]["reason"].as_str().unwrap().contains(missing), "{:?}", program.outcomes());
    let ran = program.sweetspot(&["bench", "-m", second, "--log", "log"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains(missing), "{ran:#?}");
}

#[test]
fn a_projector_in_a_folder_is_left_out_with_a_line() {
    let (program, _) = with_split_model();
    program.write("mmproj-tiny.gguf", "");
    for args in [&["run", "--dry-run", "."][..], &["bench", "-m", ".", "-p", "8", "-n", "0", "-r", "1"]] {
        let ran = program.sweetspot(args);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let lines = ran.stderr.lines().filter(|line| line.contains("mmproj-tiny.gguf: left out")).count();
        assert_eq!(lines, 1, "{ran:#?}");
    }
}
