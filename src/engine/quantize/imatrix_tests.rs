//! Importance matrices of both formats, whole and broken.

use super::*;
use crate::engine::gguf::HeaderWriter;

/// The bytes of a legacy file with one entry.
fn legacy(name: &str, calls: i32, values: &[f32], rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [1, i32::try_from(name.len()).unwrap()] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(name.as_bytes());
    for number in [calls, i32::try_from(values.len()).unwrap()] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(rest);
    bytes
}

fn read(bytes: &[u8]) -> Result<Imatrix, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.imatrix");
    std::fs::write(&path, bytes).unwrap();
    Imatrix::read(&path).map_err(|e| e.to_string().replace(&path.display().to_string(), "m.imatrix"))
}

/// A GGUF file of these tensors, each a row of floats.
fn gguf(tensors: &[(&str, &[f32])], keys: &[&str]) -> Vec<u8> {
    let mut header = HeaderWriter::default();
    header.string("general.type", "imatrix");
    for key in keys {
        header.u32(key, 7);
    }
    for (name, values) in tensors {
        header.tensor(name, &[values.len() as u64], GgmlType::F32);
    }
    let header = header.finish(32).unwrap();
    let mut bytes = header.bytes;
    for (_, values) in tensors {
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        bytes.resize(bytes.len().next_multiple_of(32), 0);
    }
    bytes
}

const KEYS: [&str; 3] = ["imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"];

#[test]
fn a_legacy_file_gives_sums_divided_by_calls_and_what_stands_after_them() {
    let mut rest = 9_i32.to_le_bytes().to_vec();
    rest.extend(5_i32.to_le_bytes());
    rest.extend(b"wiki.");
    let matrix = read(&legacy("a.weight", 4, &[8.0, 2.0], &rest)).unwrap();
    assert_eq!(matrix.entries, [("a.weight".to_owned(), vec![2.0, 0.5])]);
    assert_eq!((matrix.chunks, matrix.datasets), (9, vec!["wiki.".to_owned()]));
    let bare = read(&legacy("a.weight", 0, &[8.0], &[])).unwrap();
    assert_eq!((bare.entries[0].1[0], bare.chunks), (8.0, 0), "no calls: the sums as they are; nothing after them");
}

#[test]
fn a_gguf_file_gives_sums_divided_by_each_experts_counts() {
    let tensors: [(&str, &[f32]); 2] = [("a.weight.in_sum2", &[8.0, 2.0, 5.0, 6.0]), ("a.weight.counts", &[4.0, 0.0])];
    let matrix = read(&gguf(&tensors, &KEYS)).unwrap();
    assert_eq!(
        matrix.entries,
        [("a.weight".to_owned(), vec![2.0, 0.5, 1.0, 1.0])],
        "an expert never asked counts as 1"
    );
    assert_eq!(matrix.chunks, 7);
    assert!(matrix.knows_any(["b.weight", "a.weight"].into_iter()) && !matrix.knows_any(["b.weight"].into_iter()));
}

#[test]
fn what_is_no_importance_matrix_is_refused_in_one_line() {
    let whole = legacy("a.weight", 4, &[8.0, 2.0], &[]);
    let sums: (&str, &[f32]) = ("a.weight.in_sum2", &[1.0, 2.0, 3.0]);
    for (bytes, says) in [
        (Vec::new(), "it ends in the number of entries"),
        (b"just some text".to_vec(), "has a name of impossible length"),
        (vec![0; 40], "it has no entries"),
        (whole[..whole.len() - 2].to_vec(), "it ends in entry 1 of 1"),
        (legacy("a", 1, &[], &[]), "entry 1 of 1 ('a') has 0 values"),
        (legacy("a", 1, &[f32::NAN], &[]), "'a' holds values that are no numbers"),
        (gguf(&[sums], &KEYS), "'a.weight' has not both sums and counts"),
        (gguf(&[sums, ("a.weight.counts", &[1.0, 1.0])], &KEYS), "'a.weight' has 3 sums for 2 counts"),
        (gguf(&[], &KEYS), "it has no entries"),
        (gguf(&[], &KEYS[..1]), "its metadata has no imatrix.chunk_count; is it a model?"),
    ] {
        let error = read(&bytes).unwrap_err();
        assert!(error.starts_with("m.imatrix: not an importance matrix: ") && error.contains(says), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn a_name_of_impossible_length_and_values_beyond_the_file_allocate_nothing() {
    let mut bytes = 1_i32.to_le_bytes().to_vec();
    bytes.extend(i32::MAX.to_le_bytes());
    assert!(read(&bytes).unwrap_err().contains("a name of impossible length"));
    let mut bytes = legacy("a", 1, &[1.0], &[]);
    let at = bytes.len() - 8;
    bytes[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
    assert!(read(&bytes).unwrap_err().contains("it ends in entry 1 of 1"));
}
