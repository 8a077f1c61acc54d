//! The catalogue's own tests; what its models and shapes say is tested where files are made of them.

use std::collections::HashSet;

use super::*;

#[test]
fn every_shape_has_a_name_of_its_own_and_what_its_architecture_needs() {
    let mut names = HashSet::new();
    for shape in shapes() {
        let (name, architecture) = (&shape.name, shape.architecture);
        assert!(names.insert(name) && *name == name.to_lowercase(), "{name}");
        let recurrent = matches!(architecture, Architecture::Mamba | Architecture::Mamba2);
        assert_eq!(shape.ssm.is_some(), recurrent, "{name}: ssm");
        assert_eq!(shape.n_head == 0, recurrent, "{name}: n_head");
        assert_eq!(shape.rope_base.is_none(), recurrent, "{name}: rope_base");
        let mixtures = [Architecture::Qwen3Moe, Architecture::Olmoe, Architecture::GraniteMoe, Architecture::GptOss];
        assert_eq!(shape.experts.is_some(), mixtures.contains(&architecture), "{name}: experts");
        let local = [Architecture::Gemma3, Architecture::GptOss].contains(&architecture);
        assert_eq!(shape.sliding_window.is_some(), local, "{name}: window");
        let scaled = [Architecture::Granite, Architecture::GraniteMoe].contains(&architecture);
        assert_eq!(shape.factors.is_some(), scaled, "{name}: factors");
        let hybrid = architecture == Architecture::Lfm2;
        assert_eq!((shape.attention_layers.is_some(), shape.short_conv.is_some()), (hybrid, hybrid), "{name}");
        assert!(recurrent || shape.n_head % shape.n_head_kv == 0, "{name}: heads");
    }
}

#[test]
fn every_architecture_has_a_tiny_shape() {
    let all: HashSet<_> = shapes().iter().map(|s| s.architecture).collect();
    let tiny: HashSet<_> = tiny_shapes().map(|s| s.architecture).collect();
    assert_eq!(all, tiny);
    assert!(tiny_shapes().all(|s| s.n_ctx_train >= 2048 && s.n_vocab <= 1024));
}

#[test]
fn an_unknown_shape_is_answered_with_the_nearest() {
    assert_eq!(shape("Llama-3.2-1B").unwrap().name, "llama-3.2-1b");
    assert_eq!(
        shape("llama3.2-1b").unwrap_err().to_string(),
        "unknown shape 'llama3.2-1b': did you mean llama-3.2-1b?"
    );
    assert!(shape("zzz").unwrap_err().to_string().contains("tiny"));
}

#[test]
fn the_kv_cache_of_a_token_is_counted_over_the_layers_that_attend() {
    assert_eq!(shape("llama-3.2-1b").unwrap().kv_bytes_per_token(), 16 * 2 * 2 * 8 * 64);
    assert_eq!(shape("lfm2-1.2b").unwrap().kv_bytes_per_token(), 6 * 2 * 2 * 8 * 64);
    assert_eq!(shape("mamba-130m").unwrap().kv_bytes_per_token(), 0);
}

/// An entry with these lines instead of the usual ones.
fn entry(name: &str, more: &str) -> String {
    format!("[[model]]\nname = '{name}'\nfamily = 'own'\nsize_class = '1B'\nn_params = 10\nlicence = 'mit'\n{more}\n")
}

const USUAL: &str = "repository = 'me/mine'\nfile = 'mine-{quant}.gguf'\nquants = ['Q4_K_M', 'Q8_0']";

#[test]
fn a_file_of_ones_own_replaces_by_name_and_adds_the_rest() {
    let built_in = Catalog::built_in();
    let text = format!(
        "schema_version = 1\n{}{}[quants]\nquick = ['Q6_K']\n[[shape]]\nname = 'llama-3.2-1b'\nmodel = 'Mine'\n\
         architecture = 'llama'\nn_layer = 1\nn_embd = 64\nn_vocab = 512\nn_ctx_train = 64\nnorm_epsilon = 1e-5\n\
         tied = true\n",
        entry("qwen2.5-0.5b-instruct", USUAL),
        entry("mine", USUAL)
    );
    let own = built_in.with_file("own.toml", &text).unwrap();
    assert_eq!(own.models().len(), built_in.models().len() + 1);
    let replaced = own.model("Qwen2.5-0.5B-Instruct").unwrap();
    assert_eq!((replaced.repository.as_str(), replaced.shape.as_ref()), ("me/mine", None), "replaced as a whole");
    assert_eq!(replaced.file(Quant::Q4KM).as_deref(), Some("mine-q4_k_m.gguf"));
    assert_eq!(replaced.file(Quant::Q2K), None, "a quantization that is not there");
    assert_eq!((own.quick_quants(), own.full_quants()), ([Quant::Q6K].as_slice(), built_in.full_quants()));
    assert_eq!(own.shape("llama-3.2-1b").unwrap().model, "Mine");
    assert_eq!((own.shapes().len(), shape("llama-3.2-1b").unwrap().n_layer), (built_in.shapes().len(), 16));
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_place() {
    let wrong = |text: &str| Catalog::built_in().with_file("own.toml", text).unwrap_err();
    let error = wrong("[[model]]\nname = 'x'\nrepositry = 'a/b'\n");
    assert_eq!(error, "own.toml: line 3, column 1: unknown key 'repositry'; did you mean 'repository'?");
    let error = wrong(&entry("x", "repository = 'a/b'\nquants = ['Q4_KM']"));
    assert!(
        error.starts_with("own.toml: line 8, column 11: model.quants: unknown value 'Q4_KM'; did you mean"),
        "{error}"
    );
    let with = |more: &str| wrong(&entry("x", more));
    for (more, what) in [
        ("repository = 'mine'\nfile = '{quant}.gguf'\nquants = ['Q4_0']", "repository is 'mine'; it must be USER/NAME"),
        ("repository = 'a/b'\nfile = 'x.gguf'\nquants = ['Q4_0']", "file must have {QUANT} or {quant} in it"),
        ("repository = 'a/b'\nquants = ['Q4_0']", "there is no file for Q4_0"),
        ("repository = 'a/b'\nfile = '../{quant}.gguf'\nquants = ['Q4_0']", "no .gguf file within a repository"),
        ("repository = 'a/b'\nfile = '{quant}.gguf'\nquants = []", "quants must name one quantization at least"),
        ("repository = 'a/b'\nquants = ['Q4_0']\nfiles = { Q8_0 = 'a.gguf' }", "files has Q8_0, which quants has not"),
    ] {
        let error = with(more);
        assert!(error.starts_with("own.toml: line 2: model 'x': ") && error.contains(what), "{error}");
    }
    let shape = with(&format!("{USUAL}\nshape = 'qwen-2.5-7b'"));
    assert!(shape.ends_with("unknown shape 'qwen-2.5-7b': did you mean qwen2.5-7b?"), "{shape}");
    let twice = wrong(&[entry("x", USUAL), entry("x", USUAL)].concat());
    assert_eq!(twice, "own.toml: line 2: there are two models 'x'");
    assert!(wrong("schema_version = 2").contains("schema_version must be 1"));
}

#[test]
fn an_unknown_model_is_answered_with_the_nearest_names() {
    let unknown = |name: &str| Catalog::built_in().model(name).unwrap_err();
    assert_eq!(unknown("qwen2.5-1.5b-instrct").nearest[0], "qwen2.5-1.5b-instruct");
    assert!(unknown("qwen2.5-1.5b-instrct").to_string().contains("; did you mean qwen2.5-1.5b-instruct"));
    assert_eq!(
        unknown("zzz").to_string(),
        "the catalogue has no model 'zzz'; `sweetspot models list` shows what it has"
    );
}
