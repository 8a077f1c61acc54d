//! From the words of the command line to [`Parameters`]: lists, ranges, types, model files. What is wrong is said with its
//! flag, as llama.cpp's users spell it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Args;
use crate::exit_code::UsageError;
use crate::lab;
use crate::plan::bench_matrix::{Group, Parameters, range};

/// Reads the arguments; a test without `-t` uses `default_threads`.
///
/// # Errors
/// A usage error for what cannot be read, and for model files that are not there.
pub fn parameters(args: &Args, default_threads: u32) -> anyhow::Result<Parameters> {
    let defaults = Parameters::new(models(&[args.model.clone(), args.hf_repo.clone()].concat())?, default_threads);
    Ok(Parameters {
        n_prompt: list("-p", &args.n_prompt, defaults.n_prompt, range::parse)?,
        n_gen: list("-n", &args.n_gen, defaults.n_gen, range::parse)?,
        n_pg: list("-pg", &args.prompt_gen, defaults.n_pg, |text| pair(text).map(|pair| vec![pair]))?,
        n_depth: list("-d", &args.n_depth, defaults.n_depth, range::parse)?,
        n_batch: list("-b", &args.batch_size, defaults.n_batch, range::parse)?,
        n_ubatch: list("-ub", &args.ubatch_size, defaults.n_ubatch, range::parse)?,
        type_k: list("-ctk", &args.cache_type_k, defaults.type_k, words)?,
        type_v: list("-ctv", &args.cache_type_v, defaults.type_v, words)?,
        flash_attention: list("-fa", &args.flash_attn, defaults.flash_attention, words)?,
        n_threads: list("-t", &args.threads, defaults.n_threads, range::parse)?,
        n_gpu_layers: list("-ngl", &args.n_gpu_layers, defaults.n_gpu_layers, range::parse_or_all)?,
        repetitions: args.repetitions,
        warm_up: !args.no_warmup,
        delay_seconds: args.delay,
        seed: args.seed,
        models: defaults.models,
    })
}

/// The tests to run.
///
/// # Errors
/// A usage error when there are none, too many, or impossible ones.
pub fn groups(parameters: &Parameters) -> anyhow::Result<Vec<Group>> {
    parameters.groups().map_err(|error| UsageError::new(error.to_string()))
}

/// A flag's lists one after the other; the default where it was not given.
fn list<T, E: ToString>(
    flag: &str,
    texts: &[String],
    default: Vec<T>,
    parse: impl Fn(&str) -> Result<Vec<T>, E>,
) -> anyhow::Result<Vec<T>> {
    if texts.is_empty() {
        return Ok(default);
    }
    let mut values = Vec::new();
    for text in texts {
        values.extend(parse(text).map_err(|e| UsageError::new(format!("{flag}: {}", e.to_string())))?);
    }
    Ok(values)
}

fn pair(text: &str) -> Result<(u32, u32), String> {
    let malformed = || format!("'{text}' is no pair of prompt and generation sizes, such as 512,128");
    let (prompt, generation) = text.split_once(',').ok_or_else(malformed)?;
    let number = |text: &str| match range::parse(text).as_deref() {
        Ok([number]) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(*number),
        _ => Err(malformed()),
    };
    Ok((number(prompt)?, number(generation)?))
}

/// Values that are a word each.
fn words<T: FromStr>(text: &str) -> Result<Vec<T>, T::Err> {
    text.split(',').map(str::parse).collect()
}

fn models(texts: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let mut arguments = Vec::new();
    for text in texts {
        // A path that has a comma in it is a path nevertheless.
        let paths = if Path::new(text).exists() { vec![text.as_str()] } else { text.split(',').collect() };
        arguments.extend(paths.into_iter().map(PathBuf::from));
    }
    let files = arguments.iter().map(|model| crate::cmd::names::file(model));
    lab::models::files(&files.collect::<anyhow::Result<Vec<_>>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{FlashAttention, KvType};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn read(line: &str) -> anyhow::Result<Parameters> {
        let words = ["bench", "-m", "Cargo.toml"].into_iter().chain(line.split_whitespace());
        parameters(&Line::try_parse_from(words).unwrap().args, 4)
    }

    fn refused(line: &str) -> String {
        let error = read(line).unwrap_err();
        assert_eq!(crate::exit_code::of(&error), crate::exit_code::Exit::Usage);
        error.to_string()
    }

    #[test]
    fn without_flags_the_parameters_are_llama_benchs_defaults() {
        assert_eq!(read("").unwrap(), Parameters::new(vec!["Cargo.toml".into()], 4));
    }

    #[test]
    fn lists_ranges_and_repeated_flags_are_one_list() {
        let p = read("-p 512,1024 -p 1-2 -n 0 --prompt-gen 512,128 --prompt-gen 64,0 -t 1-4*2").unwrap();
        assert_eq!(p.n_prompt, [512, 1024, 1, 2]);
        assert_eq!(p.n_gen, [0]);
        assert_eq!(p.n_pg, [(512, 128), (64, 0)]);
        assert_eq!(p.n_threads, [1, 2, 4]);
    }

    #[test]
    fn types_modes_and_layers_are_read_as_llama_cpp_reads_them() {
        let p =
            read("--cache-type-k f16,q8_0 --cache-type-v iq4_nl --flash-attn on,0,auto,disabled --n-gpu-layers -1,0-2")
                .unwrap();
        assert_eq!(p.type_k, [KvType::F16, KvType::Q8_0]);
        assert_eq!(p.type_v, [KvType::Iq4Nl]);
        assert_eq!(
            p.flash_attention,
            [FlashAttention::On, FlashAttention::Off, FlashAttention::Auto, FlashAttention::Off]
        );
        assert_eq!(p.n_gpu_layers, [None, Some(0), Some(1), Some(2)]);
        let p = read("--no-warmup --delay 3 --seed 9 -r 2").unwrap();
        assert_eq!((p.warm_up, p.delay_seconds, p.seed, p.repetitions), (false, 3, 9, 2));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_flag() {
        assert_eq!(refused("-p 8-1"), "-p: the range '8-1' ends before it starts");
        assert_eq!(refused("--ubatch-size x").split(';').next(), Some("-ub: 'x' is neither a number nor a range"));
        assert_eq!(
            refused("--cache-type-k q9"),
            "-ctk: unknown KV cache type 'q9'; one of f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1"
        );
        assert_eq!(refused("--flash-attn maybe"), "-fa: unknown mode 'maybe'; one of on, off, auto");
        for text in ["512", "512,128,64", "512,", "a,1", "1-2,3"] {
            let line = format!("--prompt-gen {text}");
            assert_eq!(
                refused(&line),
                format!("-pg: '{text}' is no pair of prompt and generation sizes, such as 512,128")
            );
        }
    }

    #[test]
    fn a_path_with_a_comma_is_one_file_and_a_list_of_paths_is_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["a.gguf", "b.gguf", "a,b.gguf"] {
            std::fs::write(path(name), "").unwrap();
        }
        assert_eq!(models(&[path("a,b.gguf")]).unwrap(), [PathBuf::from(path("a,b.gguf"))]);
        let both = format!("{},{}", path("a.gguf"), path("b.gguf"));
        assert_eq!(models(&[both]).unwrap().len(), 2);
        let error = models(&[format!("{},gone.gguf", path("a.gguf"))]).unwrap_err();
        assert_eq!(error.to_string(), "gone.gguf: no such file or folder; name a .gguf file or a folder of them");
    }
}
