//! `sweetspot quantize` through the program, the worker and llama.cpp's quantizer, on small synthetic models: what comes out,
//! what stays in the cache, and that no bad input costs anybody else their result.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Program, Ran, cut_in_half, synthetic};
use sweetspot::engine::gguf::Gguf;
use sweetspot::engine::quantize::{MixInput, Quant, mix};

fn paths(ran: &Ran) -> Vec<PathBuf> {
    ran.stdout.lines().map(PathBuf::from).collect()
}

/// How many files the quantizer was started for.
fn made(ran: &Ran) -> usize {
    ran.stderr.lines().filter(|line| line.starts_with("quantizing ")).count()
}

/// All files of the cache of quantizations but the locks.
fn cached(program: &Program) -> Vec<String> {
    let mut names = Vec::new();
    for folder in fs::read_dir(program.path("cache/quants")).into_iter().flatten().flatten() {
        if folder.file_name() != "locks" {
            names.extend(fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()));
        }
    }
    names.sort();
    names
}

#[test]
fn every_tensor_has_the_type_of_llama_cpps_mix_and_the_metadata_is_the_bases() {
    let program = Program::new();
    for shape in ["tiny", "tiny-qwen3moe", "tiny-gemma3"] {
        let base_path = synthetic(program.folder.path(), shape, Quant::F16);
        let base = Gguf::open(&base_path).unwrap();
        let quants = ["Q2_K", "Q3_K_M", "Q4_K_M", "Q6_K", "Q8_0", "IQ4_XS", "TQ2_0", "BF16"];
        let ran = program.sweetspot(&[&["quantize", base_path.to_str().unwrap()], &quants[..]].concat());
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let paths = paths(&ran);
        assert_eq!(paths.len(), quants.len());
        for (path, name) in paths.iter().zip(quants) {
            let quant: Quant = name.parse().unwrap();
            let gguf = Gguf::open(path).unwrap();
            assert_eq!(gguf.file_type(), name);
            assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("{shape}-{name}.gguf"));
            let tensors: Vec<_> = base.tensors().iter().map(|t| (t.name.clone(), t.dims.clone(), t.kind)).collect();
            let types = mix(&MixInput::of(&base).unwrap(), quant, &tensors).unwrap();
            for ((tensor, dims, _), kind) in tensors.iter().zip(types) {
                let found = gguf.tensor(tensor).unwrap();
                assert_eq!((found.kind, &found.dims), (kind, dims), "{shape} {name}: {tensor}");
            }
            for entry in base.entries().iter().filter(|e| !e.key.ends_with("file_type") && e.value.as_str().is_some()) {
                assert_eq!(gguf.get(&entry.key), Some(&entry.value), "{shape} {name}: {}", entry.key);
            }
            assert!(gguf.is_synthetic(), "made of synthetic weights, and says so");
        }
        let loads = program.sweetspot(&["bench", "-r", "1", "-p", "8", "-n", "4", "-m", paths[2].to_str().unwrap()]);
        assert_eq!(loads.code, Some(0), "{loads:#?}");
    }
}

#[test]
fn what_is_there_is_not_made_again_and_what_was_altered_is() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let base = base.to_str().unwrap();
    let first = program.sweetspot(&["quantize", base, "Q4_0", "q4_0,Q8_0"]);
    assert_eq!((first.code, made(&first)), (Some(0), 2), "{first:#?}");
    let file = paths(&first).remove(0);
    let whole = fs::read(&file).unwrap();
    let copy = program.path("copy.gguf");
    fs::copy(base, &copy).unwrap();
    let again = program.sweetspot(&["quantize", copy.to_str().unwrap(), "Q4_0"]);
    assert_eq!((made(&again), paths(&again)), (0, vec![file.clone()]), "known by its content: {again:#?}");
    let pure = program.sweetspot(&["quantize", base, "--pure", "Q4_0"]);
    assert_eq!(made(&pure), 1, "other options are another file");
    for wrong in [&whole[..whole.len() / 2], &vec![7; whole.len()]] {
        fs::write(&file, wrong).unwrap();
        let mended = program.sweetspot(&["quantize", base, "Q4_0"]);
        assert_eq!((mended.code, made(&mended)), (Some(0), 1), "{mended:#?}");
        assert!(fs::read(&file).unwrap() == whole);
    }
    let mut bytes = fs::read(base).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(base, bytes).unwrap();
    assert_eq!(made(&program.sweetspot(&["quantize", base, "Q4_0"])), 1, "another base");
}

#[test]
fn two_processes_that_want_the_same_files_make_each_once() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let begin = || {
        let mut command = program.command();
        command.arg("quantize").arg(&base).args(["Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..3).map(|_| begin()).collect();
    let ran: Vec<_> = running.into_iter().map(|child| Ran::of(&child.wait_with_output().unwrap())).collect();
    assert!(ran.iter().all(|r| r.code == Some(0) && r.stdout == ran[0].stdout), "{ran:#?}");
    assert_eq!(ran.iter().map(made).sum::<usize>(), 4, "{ran:#?}");
    assert_eq!(cached(&program).len(), 8, "a file and what is known of it for each: {:?}", cached(&program));
}

#[test]
fn the_cache_is_listed_bounded_and_cleared() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let other = synthetic(program.folder.path(), "tiny-qwen3", Quant::F16);
    let (base, other) = (base.to_str().unwrap(), other.to_str().unwrap());
    program.sweetspot(&["quantize", base, "Q4_0", "Q8_0"]);
    program.sweetspot(&["quantize", other, "Q8_0"]);
    let list = program.sweetspot(&["quantize", "--list"]);
    assert_eq!(list.code, Some(0), "{list:#?}");
    for told in ["tiny ", "tiny-qwen3", "Q4_0", "Q8_0", "tiny-Q4_0.gguf", "3 files", "of at most 50 GB"] {
        assert!(list.stdout.contains(told), "{told}: {}", list.stdout);
    }
    let tight = program.sweetspot(&["quantize", "--cache-limit-gb", "0.002", other, "Q2_K"]);
    assert_eq!(tight.code, Some(0), "{tight:#?}");
    assert!(tight.stderr.contains("tiny-Q4_0.gguf (0.00 GB) removed: the cache keeps 0.002 GB"), "{}", tight.stderr);
    assert!(!cached(&program).iter().any(|name| name.contains("tiny-Q")), "the oldest: {:?}", cached(&program));
    let cleared = program.sweetspot(&["quantize", "--clear", other]);
    assert!(cleared.stdout.starts_with("2 files of ") || cleared.stdout.starts_with("1 files of "), "{cleared:#?}");
    assert_eq!(program.sweetspot(&["quantize", "--clear"]).code, Some(0));
    assert!(cached(&program).is_empty(), "{:?}", cached(&program));
}

#[test]
fn files_are_put_where_they_are_wanted_under_ordinary_names() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let ran = program.sweetspot(&["quantize", base.to_str().unwrap(), "Q4_K_M", "F16", "-o", "models"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(paths(&ran), ["models/tiny-Q4_K_M.gguf", "models/tiny-F16.gguf"].map(PathBuf::from));
    for path in paths(&ran) {
        Gguf::open(&program.folder.path().join(path)).unwrap();
    }
    program.write("taken", "");
    let ran = program.sweetspot(&["quantize", base.to_str().unwrap(), "Q4_K_M", "-o", "taken"]);
    assert!(ran.error(1).contains("taken: the folder cannot be made"), "{ran:#?}");
}

#[test]
fn a_base_that_cannot_be_one_is_a_usage_error_in_one_line() {
    let program = Program::new();
    let whole = synthetic(program.folder.path(), "tiny", Quant::F16);
    cut_in_half(&whole, &program.path("cut.gguf"));
    synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    program.write("notes.gguf", "just some text, not a model at all");
    fs::create_dir(program.path("folder")).unwrap();
    for (base, says) in [
        ("gone.gguf", "gone.gguf: no such file; name a GGUF file"),
        ("folder", "folder: this is a folder, not a GGUF file"),
        ("notes.gguf", "notes.gguf: not a GGUF file"),
        ("cut.gguf", "cut.gguf: the file ends at byte"),
        ("tiny-Q4_0.gguf", "tiny-Q4_0.gguf: it is Q4_0 already, and to quantize it again loses more"),
        ("demo:Q4_0", "demo:Q4_0: name the base alone: demo QUANT…"),
    ] {
        let ran = program.sweetspot(&["quantize", base, "Q4_K_M", "Q8_0"]);
        assert!(ran.error(2).contains(says), "{ran:#?}");
        assert!(ran.stdout.is_empty() && cached(&program).is_empty());
    }
    let again = program.sweetspot(&["quantize", "tiny-Q4_0.gguf", "Q8_0", "--allow-requantize"]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert!(program.sweetspot(&["quantize", "tiny-F16.gguf", "Q9"]).stderr.contains("unknown quantization 'Q9'"));
}

#[test]
fn one_quantization_that_cannot_be_made_is_a_line_and_the_others_go_on() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let base = base.to_str().unwrap();
    let ran = program.sweetspot(&["quantize", base, "Q4_K_M", "IQ1_S", "Q8_0"]);
    assert!(ran.error(0).contains("IQ1_S needs an importance matrix"), "{ran:#?}");
    assert_eq!(paths(&ran).len(), 2);
    assert!(program.sweetspot(&["quantize", base, "IQ1_S"]).error(1).contains("IQ1_S needs"));
}

#[test]
fn a_model_that_llama_cpp_refuses_or_dies_of_is_a_line_and_leaves_nothing() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let whole = fs::read(&base).unwrap();
    let at = |what: &str| whole.windows(what.len()).position(|w| w == what.as_bytes()).unwrap();
    let with = |place: usize, bytes: &[u8], name: &str| {
        let mut file = whole.clone();
        file[place..place + bytes.len()].copy_from_slice(bytes);
        let path = program.path(name);
        fs::write(&path, file).unwrap();
        path
    };
    // "llama" is an architecture, "ulama" is none; 513 layers are more than llama.cpp's arrays have
    let layers = at("llama.block_count") + "llama.block_count".len() + 4;
    for path in [
        with(at("general.architecture") + 32, b"ulama", "unknown.gguf"),
        with(layers, &513_u32.to_le_bytes(), "layers.gguf"),
        with(layers, &u32::MAX.to_le_bytes(), "all-layers.gguf"),
    ] {
        let ran = program.sweetspot(&["quantize", path.to_str().unwrap(), "Q4_0"]);
        let line = ran.error(1);
        assert!(line.contains(path.file_name().unwrap().to_str().unwrap()), "{line}");
        assert!(cached(&program).is_empty(), "{:?}", cached(&program));
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named_with_what_to_do() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    program.write("cache", "a file where a folder should be");
    let ran = program.sweetspot(&["quantize", base.to_str().unwrap(), "Q4_0"]);
    assert!(ran.error(1).contains("SWEETSPOT_CACHE names another folder"), "{ran:#?}");
    let limit =
        program.command().args(["quantize", "--list"]).env("SWEETSPOT_CACHE_LIMIT_GB", "much").output().unwrap();
    assert!(Ran::of(&limit).error(2).contains("SWEETSPOT_CACHE_LIMIT_GB=much: it must be a number of GB"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_code_130_and_leaves_no_part_of_a_file() {
    use nix::sys::signal::{Signal, kill};
    let program = Program::new();
    let base = synthetic(program.folder.path(), "small-40m", Quant::F16);
    let mut command = program.command();
    command.arg("quantize").arg(&base).args(["-t", "1", "Q3_K_M", "Q2_K", "Q5_K_M"]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let is_writing = || cached(&program).iter().any(|name| name.ends_with(".partial"));
    while !is_writing() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    let asked = Instant::now();
    kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(!cached(&program).iter().any(|name| name.contains("partial")), "{:?}", cached(&program));
    assert!(ran.stdout.is_empty(), "{ran:#?}");
}

#[test]
fn the_demo_model_is_a_model_wherever_one_is_named() {
    let program = Program::new();
    let template = program.sweetspot(&["template", "demo"]);
    assert_eq!(template.code, Some(0), "{template:#?}");
    assert_eq!(template.stdout, program.sweetspot(&["template", "demo:Q4_K_M"]).stdout);
    let bench = program.sweetspot(&["bench", "-r", "1", "-p", "8", "-n", "0", "-m", "demo,demo:Q4_K_M", "-o", "json"]);
    assert_eq!(bench.code, Some(0), "{bench:#?}");
    let rows: serde_json::Value = serde_json::from_str(&bench.stdout).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows:#}");
    let file = rows[1]["model_filename"].as_str().unwrap();
    assert!(Path::new(file).ends_with("sweetspot-demo-Q4_K_M.gguf"), "{file}");
    let made = program.sweetspot(&["quantize", "demo", "Q4_K_M"]);
    assert_eq!((made.code, made.stdout.trim()), (Some(0), file), "bench has made it: {made:#?}");
    assert!(program.sweetspot(&["bench", "-m", "demo:Q9"]).error(2).contains("demo:Q9: unknown quantization 'Q9'"));
}
