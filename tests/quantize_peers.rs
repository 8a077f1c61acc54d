//! Quantized files against llama-quantize's, byte by byte: `SWEETSPOT_LLAMA_QUANTIZE=path/to/llama-quantize cargo test
//! --release --test quantize_peers`. Without that variable there is nothing to compare with, and the tests say so.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Program, synthetic};
use sweetspot::engine::gguf::{GgmlType, Gguf, HeaderWriter};
use sweetspot::engine::quantize::Quant;

fn llama_quantize() -> Option<PathBuf> {
    let path = std::env::var_os("SWEETSPOT_LLAMA_QUANTIZE").filter(|v| !v.is_empty());
    if path.is_none() {
        eprintln!("skipped: SWEETSPOT_LLAMA_QUANTIZE names no llama-quantize to compare with");
    }
    path.map(PathBuf::from)
}

/// Compares each quantization of `base`, made with the same flags by both programs.
fn assert_equal(program: &Program, llama_quantize: &Path, base: &str, quants: &[&str], flags: &[&str]) {
    for quant in quants {
        let theirs = program.path("theirs.gguf");
        let ran = Command::new(llama_quantize)
            .current_dir(program.folder.path())
            .args(flags)
            .args([base, "theirs.gguf", quant])
            .output()
            .unwrap();
        assert!(ran.status.success(), "llama-quantize {quant}: {}", String::from_utf8_lossy(&ran.stderr));
        let ours = program.sweetspot(&[&["quantize", base, quant], flags].concat());
        assert_eq!(ours.code, Some(0), "{ours:#?}");
        let (ours, theirs) = (fs::read(program.path(ours.stdout.trim())).unwrap(), fs::read(theirs).unwrap());
        let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        assert_eq!((first, ours.len()), (None, theirs.len()), "{base} {quant} {flags:?}: the first byte that differs");
    }
}

#[test]
fn the_demo_models_ladder_is_llama_quantizes_byte_by_byte() {
    let Some(llama_quantize) = llama_quantize() else { return };
    let program = Program::new();
    let demo = program.sweetspot(&["quantize", "demo", "BF16"]);
    let demo = demo.stdout.trim();
    let ladder = ["Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"];
    assert_equal(&program, &llama_quantize, demo, &ladder, &[]);
    assert_equal(&program, &llama_quantize, demo, &["Q2_K", "Q4_K_M"], &["--pure"]);
}

#[test]
fn other_architectures_and_types_are_llama_quantizes_byte_by_byte() {
    let Some(llama_quantize) = llama_quantize() else { return };
    let program = Program::new();
    let quants: Vec<_> = Quant::ALL.iter().filter(|q| !q.requires_imatrix(false)).map(|q| q.name()).collect();
    for shape in ["tiny", "tiny-qwen3", "tiny-qwen3moe", "tiny-gemma3", "tiny-mamba", "tiny-lfm2"] {
        synthetic(program.folder.path(), shape, Quant::F32);
        let name = format!("{shape}-F32.gguf");
        let quants = if shape == "tiny" { &quants[..] } else { &["Q2_K", "Q4_K_M", "Q8_0"] };
        let quants: Vec<_> = quants.iter().copied().filter(|&q| q != "F32").collect();
        assert_equal(&program, &llama_quantize, &name, &quants, &[]);
    }
    synthetic(program.folder.path(), "tiny", Quant::Q8_0);
    assert_equal(&program, &llama_quantize, "tiny-Q8_0.gguf", &["Q4_K_M"], &["--allow-requantize"]);
}

/// Importance of each column of each matrix of a file, made up but finite and positive.
fn importance(base: &Path) -> Vec<(String, Vec<f32>)> {
    let base = Gguf::open(base).unwrap();
    let matrices = base.tensors().iter().filter(|t| t.dims.len() > 1 && t.kind == GgmlType::F16);
    matrices
        .map(|t| {
            let columns = t.dims[0] * t.dims.get(2).copied().unwrap_or(1);
            let values = (0..columns).map(|c| 0.1 + f32::from(u16::try_from(c * 37 % 101).unwrap()) / 10.0).collect();
            (t.name.clone(), values)
        })
        .collect()
}

fn gguf_imatrix(entries: &[(String, Vec<f32>)]) -> Vec<u8> {
    let mut header = HeaderWriter::default();
    header.string("general.type", "imatrix");
    header.strings("imatrix.datasets", &["a text of our own".to_owned()]);
    header.u32("imatrix.chunk_count", 11);
    header.u32("imatrix.chunk_size", 512);
    let mut tensors = Vec::new();
    for (name, values) in entries {
        tensors.push((format!("{name}.in_sum2"), values.clone()));
        tensors.push((format!("{name}.counts"), vec![3.0]));
    }
    for (name, values) in &tensors {
        header.tensor(name, &[values.len() as u64], GgmlType::F32);
    }
    let mut bytes = header.finish(32).unwrap().bytes;
    for (_, values) in &tensors {
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        bytes.resize(bytes.len().next_multiple_of(32), 0);
    }
    bytes
}

fn legacy_imatrix(entries: &[(String, Vec<f32>)]) -> Vec<u8> {
    let number = |n: usize| i32::try_from(n).unwrap().to_le_bytes();
    let mut bytes = number(entries.len()).to_vec();
    for (name, values) in entries {
        bytes.extend(number(name.len()));
        bytes.extend(name.as_bytes());
        bytes.extend(number(5));
        bytes.extend(number(values.len()));
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
    bytes.extend(number(9));
    bytes.extend(number(7));
    bytes.extend(b"a text.");
    bytes
}

#[test]
fn with_an_importance_matrix_of_either_format_the_files_are_llama_quantizes_and_differ_from_those_without() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let entries = importance(&base);
    fs::write(program.path("m.gguf"), gguf_imatrix(&entries)).unwrap();
    fs::write(program.path("m.dat"), legacy_imatrix(&entries)).unwrap();
    let quants =
        ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "Q2_K_S", "IQ3_XXS", "IQ3_XS", "Q4_K_M", "Q4_0"];
    for file in ["m.gguf", "m.dat"] {
        let ran = program.sweetspot(&[&["quantize", "tiny-F16.gguf", "--imatrix", file], &quants[..]].concat());
        assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), quants.len()), "{ran:#?}");
        let line = |name: &str| ran.stdout.lines().find(|line| line.ends_with(name)).unwrap();
        let last = Gguf::open(Path::new(line("tiny-imatrix-Q2_K_S.gguf"))).unwrap();
        assert_eq!(last.get_str("quantize.imatrix.file"), Some(file));
        assert_eq!(last.get_u64("quantize.imatrix.entries_count"), Some(entries.len() as u64));
        assert!(last.get_str("quantize.imatrix.dataset").unwrap().starts_with("a text"));
        let plain = program.sweetspot(&["quantize", "tiny-F16.gguf", "Q4_K_M"]);
        let (with, without) = (line("tiny-imatrix-Q4_K_M.gguf"), plain.stdout.trim());
        assert_ne!(with, without);
        assert!(weights(with) != weights(without), "the matrix was not used");
        if let Some(llama_quantize) = llama_quantize() {
            assert_equal(&program, &llama_quantize, "tiny-F16.gguf", &quants, &["--imatrix", file]);
        }
    }
    let other = synthetic(program.folder.path(), "tiny-mamba", Quant::F16);
    let ran = program.sweetspot(&["quantize", other.to_str().unwrap(), "Q4_K_M", "--imatrix", "tiny-F16.gguf"]);
    assert!(ran.error(2).contains("tiny-F16.gguf: not an importance matrix: its metadata has no imatrix.datasets"));
}

fn weights(path: &str) -> Vec<u8> {
    let gguf = Gguf::open(Path::new(path)).unwrap();
    fs::read(path).unwrap()[usize::try_from(gguf.data_offset()).unwrap()..].to_vec()
}
