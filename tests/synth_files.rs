//! Synthetic files, read back by the program's own GGUF reader.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use sweetspot::engine::gguf::{GgmlType, Gguf, GgufError, HeaderWriter, Value};
use sweetspot::engine::quantize::Quant;
use sweetspot::engine::synth::{self, Plan, Source, Spec, SynthError};
use sweetspot::plan::catalog;
use tempfile::TempDir;

fn write(spec: &Spec, path: &Path) -> Plan {
    let plan = synth::plan(spec).unwrap();
    synth::write(&plan, path, true, &mut |_| {}).unwrap();
    plan
}

fn tiny(quant: Quant) -> Spec {
    Spec::of_shape(catalog::shape("tiny").unwrap(), quant)
}

/// A file of a spec in a folder that lives as long as the test.
fn file(spec: &Spec) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    write(spec, &path);
    (dir, path)
}

/// The bytes of a tensor.
fn tensor_bytes(path: &Path, name: &str) -> Vec<u8> {
    let gguf = Gguf::open(path).unwrap();
    let tensor = gguf.tensor(name).unwrap();
    let start = usize::try_from(gguf.data_offset() + tensor.offset).unwrap();
    fs::read(path).unwrap()[start..][..usize::try_from(tensor.size_bytes).unwrap()].to_vec()
}

fn array_len(gguf: &Gguf, key: &str) -> Option<u64> {
    if let Some(Value::Array(array)) = gguf.get(key) { Some(array.len) } else { None }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn every_tiny_shape_in_every_quantization_is_a_whole_file_that_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    for shape in catalog::tiny_shapes() {
        for &quant in Quant::ALL {
            let spec = Spec::of_shape(shape, quant);
            if let Err(SynthError::Mix { reason, .. }) = synth::plan(&spec) {
                // llama.cpp refuses models with rows of odd lengths in its one-bit type alone
                assert_eq!((quant, reason.as_str()), (Quant::Q1_0, "no tensor type fallback is defined for type q1_0"));
                continue;
            }
            let plan = write(&spec, &path);
            let gguf = Gguf::open(&path).unwrap_or_else(|e| panic!("{} {quant}: {e}", shape.name));
            assert_eq!(gguf.file_bytes(), plan.file_bytes(), "{} {quant}", shape.name);
            assert_eq!(gguf.file_type(), quant.name(), "{}", shape.name);
            assert_eq!(gguf.architecture(), Some(shape.architecture.name()));
            assert_eq!(gguf.get_str("general.name"), Some(format!("{} (synthetic)", shape.model).as_str()));
            assert!(gguf.is_synthetic());
            assert_eq!(gguf.get_str("sweetspot.shape"), Some(shape.name.as_str()));
            assert_eq!(gguf.arch_u32("context_length"), Some(shape.n_ctx_train));
            assert_eq!(gguf.arch_u32("block_count"), Some(shape.n_layer));
            assert_eq!(gguf.n_params(), plan.n_params());
        }
    }
}

#[test]
fn the_tiny_llama_is_well_under_two_megabytes_in_every_quantization_of_the_ladder() {
    for quant in Quant::LADDER {
        let plan = synth::plan(&tiny(quant)).unwrap();
        assert!(plan.file_bytes() < 1_950_000, "{quant}: {}", plan.file_bytes());
    }
}

/// Parameters of the published models, from their model cards, in billions.
#[test]
fn the_shapes_of_published_models_have_their_parameters() {
    for (name, billions) in [
        ("llama-3.2-1b", 1.236),
        ("llama-3.2-3b", 3.213),
        ("llama-3.1-8b", 8.030),
        ("qwen3-0.6b", 0.596),
        ("qwen3-4b", 4.022),
        ("qwen3-8b", 8.191),
        ("qwen3-30b-a3b", 30.532),
        ("gemma-3-1b", 1.000),
        ("gemma-3-4b", 3.880),
        ("mamba-130m", 0.129),
        ("lfm2-350m", 0.354),
        ("lfm2-1.2b", 1.170),
    ] {
        let plan = synth::plan(&Spec::of_shape(catalog::shape(name).unwrap(), Quant::Q4KM)).unwrap();
        #[allow(clippy::cast_precision_loss)] // compared with three digits
        let measured = plan.n_params() as f64 / 1e9;
        assert!((measured / billions - 1.0).abs() < 0.005, "{name}: {measured} billion");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_other_weights() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
    write(&tiny(Quant::Q4KM), &a);
    write(&tiny(Quant::Q4KM), &b);
    write(&Spec { seed: 1, ..tiny(Quant::Q4KM) }, &c);
    assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap());
    assert_eq!(Gguf::open(&c).unwrap().get_u64("sweetspot.seed"), Some(1));
    assert!(tensor_bytes(&a, "blk.0.attn_q.weight") != tensor_bytes(&c, "blk.0.attn_q.weight"));
    assert!(tensor_bytes(&a, "blk.0.attn_q.weight") != tensor_bytes(&a, "blk.1.attn_q.weight"));
}

#[test]
fn weights_are_finite_norms_are_one_and_no_two_rows_are_alike() {
    let (_dir, path) = file(&tiny(Quant::F32));
    assert!(floats(&tensor_bytes(&path, "output_norm.weight")).iter().all(|&x| (x - 1.0).abs() < f32::EPSILON));
    let embedding = tensor_bytes(&path, "token_embd.weight");
    assert!(floats(&embedding).iter().all(|x| x.is_finite()));
    let rows: HashSet<&[u8]> = embedding.chunks_exact(256 * 4).collect();
    assert_eq!(rows.len(), 512);
}

#[test]
fn the_end_of_sequence_token_has_far_smaller_weights_than_words_have() {
    let (_dir, path) = file(&tiny(Quant::F32));
    let gguf = Gguf::open(&path).unwrap();
    let eos = usize::try_from(gguf.get_u64("tokenizer.ggml.eos_token_id").unwrap()).unwrap();
    let embedding = floats(&tensor_bytes(&path, "token_embd.weight"));
    let norm = |row: usize| embedding[row * 256..][..256].iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!(norm(eos) * 10.0 < norm(511), "{} {}", norm(eos), norm(511));
    assert!((norm(511) - 1.0).abs() < 0.1, "standard deviation 1/sqrt(256): {}", norm(511));
}

#[test]
fn the_vocabulary_has_the_shapes_size_and_its_chat_template_uses_its_own_tokens() {
    let (_dir, path) = file(&tiny(Quant::Q8_0));
    let gguf = Gguf::open(&path).unwrap();
    assert_eq!(array_len(&gguf, "tokenizer.ggml.tokens"), Some(512));
    assert_eq!(array_len(&gguf, "tokenizer.ggml.scores"), Some(512));
    assert_eq!(array_len(&gguf, "tokenizer.ggml.token_type"), Some(512));
    let template = gguf.get_str("tokenizer.chat_template").unwrap();
    for token in [3, 4] {
        let text = gguf.read_string_at("tokenizer.ggml.tokens", token).unwrap().unwrap();
        assert!(template.contains(&text), "{text}");
    }
}

#[test]
fn a_file_like_another_has_its_metadata_byte_for_byte_and_its_tensors_with_other_weights() {
    let (dir, original) = file(&tiny(Quant::Q4KM));
    let copy = dir.path().join("copy.gguf");
    write(&Spec { seed: 9, ..Spec::like(&original) }, &copy);
    let (a, b) = (Gguf::open(&original).unwrap(), Gguf::open(&copy).unwrap());
    let raw = |gguf: &Gguf| -> Vec<(String, Vec<u8>)> {
        let own = gguf.entries().iter().filter(|e| e.key != "general.name" && !e.key.starts_with("sweetspot."));
        own.map(|e| (e.key.clone(), gguf.read_entry(e).unwrap())).collect()
    };
    assert_eq!(raw(&a), raw(&b));
    let list = |gguf: &Gguf| -> Vec<_> {
        gguf.tensors().iter().map(|t| (t.name.clone(), t.dims.clone(), t.kind, t.offset)).collect()
    };
    assert_eq!(list(&a), list(&b));
    assert_eq!(b.get_str("general.name"), Some("Tiny llama (synthetic)"));
    assert_eq!(b.get_u64("sweetspot.seed"), Some(9));
    assert!(tensor_bytes(&original, "blk.0.ffn_up.weight") != tensor_bytes(&copy, "blk.0.ffn_up.weight"));
}

#[test]
fn a_file_like_another_in_a_new_quantization_is_mixed_as_its_shape_is() {
    let dir = tempfile::tempdir().unwrap();
    for shape in catalog::tiny_shapes() {
        let original = dir.path().join("m.gguf");
        write(&Spec::of_shape(shape, Quant::F16), &original);
        for quant in Quant::LADDER {
            let like = Spec { quant: Some(quant), n_ctx: Some(777), ..Spec::like(&original) };
            let (like, shape_plan) = (synth::plan(&like).unwrap(), synth::plan(&Spec::of_shape(shape, quant)).unwrap());
            assert!(like.tensors().eq(shape_plan.tensors()), "{} {quant}", shape.name);
        }
        let copy = dir.path().join("copy.gguf");
        write(&Spec { quant: Some(Quant::Q2K), n_ctx: Some(777), ..Spec::like(&original) }, &copy);
        let gguf = Gguf::open(&copy).unwrap();
        assert_eq!((gguf.file_type().as_str(), gguf.arch_u32("context_length")), ("Q2_K", Some(777)));
    }
}

#[test]
fn any_architecture_and_any_type_can_be_copied() {
    let mut header = HeaderWriter::default();
    header.string("general.architecture", "of-the-future");
    for kind in GgmlType::ALL {
        header.tensor(&format!("blk.0.{}.weight", kind.name), &[512, 3], *kind);
    }
    let header = header.finish(32).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (original, copy) = (dir.path().join("of-the-future.gguf"), dir.path().join("copy.gguf"));
    let mut bytes = header.bytes;
    bytes.resize(usize::try_from(header.file_bytes).unwrap(), 0);
    fs::write(&original, bytes).unwrap();
    write(&Spec::like(&original), &copy);
    let gguf = Gguf::open(&copy).unwrap();
    assert_eq!(gguf.tensors().len(), GgmlType::ALL.len());
    assert_eq!(gguf.get_str("general.name"), Some("of-the-future (synthetic)"));
    let requantized = Spec { quant: Some(Quant::Q4_0), ..Spec::like(&original) };
    let message = synth::plan(&requantized).unwrap_err().to_string();
    assert!(message.starts_with("of-the-future: llama.cpp cannot mix Q4_0"), "{message}");
}

#[test]
fn a_split_model_becomes_one_file_with_the_tensors_of_all_parts() {
    let dir = tempfile::tempdir().unwrap();
    let part = |n: u16| dir.path().join(format!("m-{n:05}-of-00002.gguf"));
    for n in 1..=2_u16 {
        let mut header = HeaderWriter::default();
        header.string("general.architecture", "llama");
        header.u32("split.count", 2);
        header.tensor(&format!("blk.{n}.attn_q.weight"), &[32, 32], GgmlType::Q8_0);
        let header = header.finish(32).unwrap();
        let mut bytes = header.bytes;
        bytes.resize(usize::try_from(header.file_bytes).unwrap(), 0);
        fs::write(part(n), bytes).unwrap();
    }
    let whole = dir.path().join("whole.gguf");
    write(&Spec::like(part(2)), &whole);
    let gguf = Gguf::open(&whole).unwrap();
    let names: Vec<_> = gguf.tensors().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["blk.1.attn_q.weight", "blk.2.attn_q.weight"]);
    assert_eq!(gguf.get("split.count"), None);
    fs::remove_file(part(1)).unwrap();
    let missing = synth::plan(&Spec::like(part(2))).unwrap_err();
    assert!(matches!(missing, SynthError::Like(GgufError::MissingParts { .. })), "{missing}");
}

#[test]
fn a_file_like_one_that_is_cut_is_not_begun() {
    let (_dir, path) = file(&tiny(Quant::Q4_0));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let spec = Spec { source: Source::Like(path), ..tiny(Quant::Q8_0) };
    assert!(matches!(synth::plan(&spec), Err(SynthError::Like(GgufError::CutTensor { .. }))));
}

#[test]
fn an_existing_file_is_kept_and_no_half_file_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let plan = synth::plan(&tiny(Quant::Q4_0)).unwrap();
    fs::write(&path, "mine").unwrap();
    let error = synth::write(&plan, &path, false, &mut |_| {}).unwrap_err();
    assert!(matches!(error, SynthError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    for bad in [dir.path().to_owned(), dir.path().join("no/such/folder/m.gguf"), path.join("m.gguf")] {
        let error = synth::write(&plan, &bad, true, &mut |_| {}).unwrap_err();
        assert!(matches!(error, SynthError::NotWritable { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let mut last = None;
    synth::write(&plan, &path, true, &mut |progress| last = Some(progress)).unwrap();
    let last = last.unwrap();
    assert_eq!((last.done_bytes, last.total_bytes), (plan.file_bytes(), plan.file_bytes()));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the partial file was renamed");
}
