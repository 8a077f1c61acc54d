//! The reader of GGUF headers against files that are whole, cut, foreign or hostile.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sweetspot::engine::gguf::{GgmlType, Gguf, GgufError, HeaderWriter, Value, ValueType};
use tempfile::TempDir;

/// A small file with every kind of value, three tensors and their bytes.
fn valid_file() -> Vec<u8> {
    let mut writer = HeaderWriter::default();
    writer.string("general.architecture", "llama");
    writer.u32("general.file_type", 15);
    writer.u32("llama.block_count", 2);
    writer.u64("llama.context_length", 4096);
    writer.f32("llama.rope.freq_base", 10000.0);
    writer.bool("tokenizer.ggml.add_bos_token", true);
    writer.strings("tokenizer.ggml.tokens", &["<s>".to_owned(), "a".to_owned(), "ä".to_owned()]);
    writer.f32s("tokenizer.ggml.scores", &[0.0, -1.0, -2.0]);
    writer.i32s("tokenizer.ggml.token_type", &[3, 1, 1]);
    writer.raw_entry(&nested_array_entry());
    writer.tensor("token_embd.weight", &[256, 3], GgmlType::Q4_K);
    writer.tensor("output_norm.weight", &[5], GgmlType::F32);
    writer.tensor("blk.0.ffn_up.weight", &[32, 2], GgmlType::Q8_0);
    let header = writer.finish(32).unwrap();
    let mut bytes = header.bytes;
    bytes.resize(usize::try_from(header.file_bytes).unwrap(), 7);
    bytes
}

/// `nested`: an array of two arrays, of U8 and of strings.
fn nested_array_entry() -> Vec<u8> {
    let mut entry = Vec::new();
    entry.extend(6_u64.to_le_bytes());
    entry.extend(b"nested");
    for head in [(9_u32, None), (9, Some(2_u64)), (0, Some(3))] {
        entry.extend(head.0.to_le_bytes());
        entry.extend(head.1.map(u64::to_le_bytes).into_iter().flatten());
    }
    entry.extend([1, 2, 3]);
    entry.extend(8_u32.to_le_bytes());
    entry.extend(1_u64.to_le_bytes());
    entry.extend(2_u64.to_le_bytes());
    entry.extend(b"hi");
    entry
}

/// Where the last tensor's last byte is; what follows is padding.
fn end_of_data(bytes: &[u8]) -> usize {
    let (_dir, path) = file_with(bytes);
    let gguf = Gguf::open(&path).unwrap();
    let last = gguf.tensors().last().unwrap();
    usize::try_from(gguf.data_offset() + last.offset + last.size_bytes).unwrap()
}

fn file_with(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// The message for a file of these bytes, without the folder's name.
fn refusal(bytes: &[u8]) -> String {
    let (dir, path) = file_with(bytes);
    let message = Gguf::open(&path).expect_err("the file is not valid").to_string();
    assert!(!message.contains('\n'), "{message}");
    message.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn metadata_and_tensors_of_a_whole_file_are_read() {
    let (_dir, path) = file_with(&valid_file());
    let gguf = Gguf::open(&path).unwrap();
    assert_eq!(gguf.version(), 3);
    assert_eq!(gguf.architecture(), Some("llama"));
    assert_eq!(gguf.file_type(), "Q4_K_M");
    assert_eq!(gguf.arch_u32("block_count"), Some(2));
    assert_eq!(gguf.arch_u32("context_length"), Some(4096));
    assert!(matches!(gguf.get("llama.rope.freq_base"), Some(Value::F32(base)) if base.total_cmp(&10000.0).is_eq()));
    assert_eq!(gguf.get_bool("tokenizer.ggml.add_bos_token"), Some(true));
    assert_eq!(gguf.get_str("llama.block_count"), None);
    assert!(matches!(gguf.get("tokenizer.ggml.tokens"), Some(Value::Array(array)) if array.len == 3));
    assert_eq!(gguf.read_string_at("tokenizer.ggml.tokens", 2).unwrap().as_deref(), Some("ä"));
    assert_eq!(gguf.read_string_at("tokenizer.ggml.tokens", 3).unwrap(), None);
    let scores = gguf.read_array("tokenizer.ggml.scores", 2).unwrap().unwrap();
    assert_eq!(scores, [Value::F32(0.0), Value::F32(-1.0)]);
    let nested = gguf.read_array("nested", 9).unwrap().unwrap();
    assert!(matches!(nested[1], Value::Array(a) if a.element == ValueType::String && a.len == 1));
    let embedding = gguf.tensor("token_embd.weight").unwrap();
    assert_eq!((embedding.kind, embedding.size_bytes, embedding.n_elements()), (GgmlType::Q4_K, 432, 768));
    assert_eq!(gguf.tensor("output_norm.weight").unwrap().offset, 448);
    assert_eq!(gguf.n_params(), 768 + 5 + 64);
    assert_eq!(gguf.data_offset() % 32, 0);
    assert!(!gguf.is_synthetic());
}

#[test]
fn a_file_cut_at_any_byte_is_refused_and_says_so() {
    let bytes = valid_file();
    let end = end_of_data(&bytes);
    for len in 1..end {
        let message = refusal(&bytes[..len]);
        assert!(message.contains(&format!("ends at byte {len}")) && message.contains("cut"), "{len}: {message}");
    }
    let (_dir, path) = file_with(&bytes[..end]);
    Gguf::open(&path).expect("the padding after the last tensor may be left out");
}

#[test]
fn a_file_cut_in_the_weights_names_the_tensor_and_the_byte_it_needs() {
    let bytes = valid_file();
    let end = end_of_data(&bytes);
    assert_eq!(
        refusal(&bytes[..end - 1]),
        format!(
            "m.gguf: the file ends at byte {} but tensor 'blk.0.ffn_up.weight' needs up to byte {end}: it is cut, download it again",
            end - 1
        )
    );
}

#[test]
fn files_that_are_something_else_are_named() {
    assert_eq!(refusal(b""), "m.gguf: the file is empty: download it again");
    let page = refusal(b"<!DOCTYPE html>\n<html>404</html>");
    assert!(
        page.starts_with("m.gguf: not a GGUF file: it is a text file that begins with '<!DOCTYPE html>'"),
        "{page}"
    );
    assert!(refusal("größe ".repeat(40).as_bytes()).contains("text file"));
    assert!(refusal(b"version https://git-lfs.github.com/spec/v1\noid sha256:1").contains("Git LFS pointer"));
    assert!(refusal(b"PK\x03\x04archive/data.pkl").contains("PyTorch"));
    assert!(refusal(b"\x10\x27\0\0\0\0\0\0{\"__metadata__\":{}}").contains("safetensors"));
    assert!(refusal(&[0x7f, 0xff, 0, 1, 2]).contains("[7f, ff, 00, 01]"));
    assert!(refusal(b"GG").contains("cut"));
}

#[test]
fn a_folder_and_a_file_that_is_not_there_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Gguf::open(dir.path()), Err(GgufError::Folder { .. })));
    let message = Gguf::open(&dir.path().join("none.gguf")).unwrap_err().to_string();
    assert!(message.contains("none.gguf") && message.contains("No such file"), "{message}");
}

#[test]
fn versions_that_llama_cpp_does_not_read_are_refused() {
    for (version, hint) in [(1_u32, "newer GGUF"), (4, "newer version of this program"), (3 << 24, "big-endian")] {
        let mut bytes = valid_file();
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        let message = refusal(&bytes);
        assert!(message.contains(&format!("version {version}")) && message.contains(hint), "{message}");
    }
    let mut bytes = valid_file();
    bytes[4] = 2;
    let (_dir, path) = file_with(&bytes);
    assert_eq!(Gguf::open(&path).unwrap().version(), 2);
}

/// A file of one tensor `t` with the bytes at `at`, counted from its number of dimensions, replaced.
fn one_tensor_with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut writer = HeaderWriter::default();
    writer.tensor("t", &[32, 2], GgmlType::Q8_0);
    let mut file = writer.finish(32).unwrap().bytes;
    file.resize(file.len() + 128, 0);
    let start = 24 + 8 + 1 + at; // after the header, the name's length and the name
    file[start..start + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn impossible_tensors_are_refused_with_their_name_and_place() {
    let dims = refusal(&one_tensor_with(0, &5_u32.to_le_bytes()));
    assert!(dims.contains("tensor 't' has 5 dimensions") && dims.contains("at byte 33"), "{dims}");
    let kind = refusal(&one_tensor_with(20, &4_u32.to_le_bytes()));
    assert!(kind.contains("tensor 't' has the type 4") && kind.contains("at byte 53"), "{kind}");
    let rows = refusal(&one_tensor_with(4, &33_u64.to_le_bytes()));
    assert!(rows.contains("not whole blocks of 32"), "{rows}");
    let huge = refusal(&one_tensor_with(12, &(1_u64 << 62).to_le_bytes()));
    assert!(huge.contains("impossible dimensions"), "{huge}");
    let offset = refusal(&one_tensor_with(24, &32_u64.to_le_bytes()));
    assert!(offset.contains("tensor 't' lies at offset 32, it has to be at 0"), "{offset}");
    let beyond = refusal(&one_tensor_with(12, &(1_u64 << 57).to_le_bytes()));
    assert!(beyond.contains("cut") || beyond.contains("beyond any file"), "{beyond}");
}

#[test]
fn counts_and_lengths_larger_than_the_file_cost_no_memory() {
    for (at, value) in [(8, u64::MAX), (16, u64::MAX), (8, 200_000), (16, 60_000), (24, u64::MAX), (24, 1 << 40)] {
        let mut bytes = valid_file();
        bytes[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
        let message = refusal(&bytes);
        assert!(message.contains("cut") || message.contains("damaged"), "{message}");
    }
}

#[test]
fn arrays_nested_too_deep_and_doubled_keys_are_refused() {
    let mut writer = HeaderWriter::default();
    let mut entry = Vec::new();
    entry.extend(1_u64.to_le_bytes());
    entry.push(b'k');
    for _ in 0..100_000 {
        entry.extend(9_u32.to_le_bytes());
        entry.extend(1_u64.to_le_bytes());
    }
    writer.raw_entry(&entry[..]);
    let nested = refusal(&writer.finish(32).unwrap().bytes);
    assert!(nested.contains("metadata 'k'"), "{nested}");
    let mut writer = HeaderWriter::default();
    writer.u32("k", 1);
    writer.u32("k", 2);
    assert!(refusal(&writer.finish(32).unwrap().bytes).contains("metadata 'k' is there twice"));
}

#[test]
fn an_alignment_that_is_no_power_of_two_is_refused() {
    for alignment in [0, 3, 1 << 30] {
        let mut writer = HeaderWriter::default();
        writer.u32("general.alignment", alignment);
        assert!(refusal(&writer.finish(32).unwrap().bytes).contains("general.alignment"));
    }
}

#[test]
fn the_file_type_is_guessed_where_the_file_does_not_say_it() {
    let mut writer = HeaderWriter::default();
    writer.tensor("a", &[256, 8], GgmlType::Q4_K);
    writer.tensor("b", &[256, 1], GgmlType::Q6_K);
    let header = writer.finish(32).unwrap();
    let mut bytes = header.bytes;
    bytes.resize(usize::try_from(header.file_bytes).unwrap(), 0);
    let (_dir, path) = file_with(&bytes);
    assert_eq!(Gguf::open(&path).unwrap().file_type(), "Q4_K_M");
}

#[test]
fn the_missing_parts_of_a_split_model_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let part = |n: u32| dir.path().join(format!("m-{n:05}-of-00003.gguf"));
    fs::write(part(1), valid_file()).unwrap();
    fs::write(part(3), valid_file()).unwrap();
    let message = Gguf::open_all(&part(1)).unwrap_err().to_string();
    assert!(message.contains("1 of 3 parts") && message.ends_with("m-00002-of-00003.gguf"), "{message}");
    fs::write(part(2), valid_file()).unwrap();
    let parts = Gguf::open_all(&part(3)).unwrap();
    assert_eq!(parts.iter().map(Gguf::path).collect::<Vec<_>>(), [part(1), part(2), part(3)]);
}

fn open_bytes(path: &Path, bytes: &[u8]) -> Result<Gguf, GgufError> {
    fs::write(path, bytes).unwrap();
    Gguf::open(path)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..400), with_magic in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = if with_magic { b"GGUF\x03\0\0\0\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0".to_vec() } else { Vec::new() };
        bytes.extend(tail);
        let _ = open_bytes(&dir.path().join("m.gguf"), &bytes);
    }

    #[test]
    fn a_changed_and_cut_file_never_panics_and_never_passes_where_it_is_cut(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.gguf");
        let mut bytes = valid_file();
        for (index, byte) in &changes {
            let at = index.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Ok(gguf) = open_bytes(&path, &bytes) {
            for entry in gguf.entries() {
                let _ = gguf.read_array(&entry.key, 10);
            }
            // Whatever the changes made of it: without the last byte of its last tensor it is cut.
            let needed = gguf.tensors().last().map_or(gguf.data_offset(), |t| gguf.data_offset() + t.offset + t.size_bytes);
            let len = cut.index(usize::try_from(needed).unwrap().max(1));
            prop_assert!(open_bytes(&path, &bytes[..len]).is_err());
        }
    }
}
