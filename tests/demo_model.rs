//! The demo model that comes with the program: its vocabulary in llama.cpp, its held-out prompts, and that it really answers.

mod common;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sweetspot::engine::llama::LlamaEngine;
use sweetspot::engine::{Engine, ModelParams};
use sweetspot::profiles::quality::prompts::{self, PromptSet};

fn demo(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/demo-model").join(file)
}

/// A text with the ids that the tokenizer gave it that the model was trained with (`recipe/tokens.py`).
#[derive(Deserialize)]
struct Tokenized {
    text: String,
    ids: Vec<i32>,
}

#[test]
fn llama_cpp_splits_every_text_into_the_tokens_that_the_model_was_trained_with() {
    let rows: Vec<Tokenized> = serde_json::from_slice(&std::fs::read(demo("tokens.json")).unwrap()).unwrap();
    let params = ModelParams::new(&demo("sweetspot-demo-BF16.gguf"));
    let model = LlamaEngine::new().unwrap().load(&params, Box::new(|_| ControlFlow::Continue(()))).unwrap();
    assert!(rows.len() > 50, "{}", rows.len());
    for row in rows {
        assert_eq!(model.tokenize(&row.text, false, true), row.ids, "{:?}", row.text);
    }
}

fn by_category(set: &PromptSet, category: &str) -> usize {
    set.prompts.iter().filter(|p| p.category.to_string() == category).count()
}

#[test]
fn the_held_out_set_has_200_prompts_a_category_and_none_twice_nor_in_the_core_set() {
    let held_out = prompts::read_file(&demo("held-out.toml")).unwrap();
    let core = prompts::built_in("core").unwrap();
    for category in ["math", "comprehension", "reasoning", "format", "records"] {
        assert_eq!(by_category(&held_out, category), 200, "{category}");
        assert!(by_category(&core, category) >= 10, "{category}");
    }
    let asked: Vec<_> = held_out.prompts.iter().chain(&core.prompts).map(|p| &p.turns[0].user).collect();
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len());
}
