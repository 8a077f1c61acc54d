//! The catalogue that is compiled in: what its models say, against the files that their shapes make.

use std::collections::BTreeSet;

use sweetspot::engine::quantize::Quant;
use sweetspot::engine::synth::{self, Spec};
use sweetspot::plan::catalog::Catalog;

#[test]
fn the_parameters_of_each_model_are_those_of_its_shape() {
    let catalog = Catalog::built_in();
    let mut wrong = Vec::new();
    for model in catalog.models() {
        let Some(shape) = catalog.shape_of(model) else { continue };
        let plan = synth::plan(&Spec::of_shape(shape, Quant::Q8_0)).unwrap();
        #[allow(clippy::cast_precision_loss)] // compared with three digits
        let ratio = plan.n_params() as f64 / model.n_params as f64;
        if (ratio - 1.0).abs() > 0.005 {
            wrong.push(format!("{}: {} in its shape, {} stated", model.name, plan.n_params(), model.n_params));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn there_are_models_of_many_families_and_all_sizes_dense_and_mixed() {
    let models = Catalog::built_in().models();
    let families: BTreeSet<_> = models.iter().map(|model| model.family.as_str()).collect();
    assert!(families.len() >= 12, "{families:?}");
    assert!(models.iter().any(|m| m.n_params < 600_000_000) && models.iter().any(|m| m.n_params > 32_000_000_000));
    assert!(models.iter().filter(|m| m.is_mixture()).count() >= 3);
    for wanted in ["qwen2.5-1.5b-instruct", "llama-3.1-8b-instruct", "gemma-3-4b-it", "gpt-oss-20b"] {
        assert!(Catalog::built_in().model(wanted).is_ok(), "{wanted}");
    }
}

#[test]
fn every_quantization_of_a_model_has_a_file_of_its_own() {
    for model in Catalog::built_in().models() {
        let files: BTreeSet<_> = model.quants.iter().map(|quant| model.file(*quant).unwrap()).collect();
        assert_eq!(files.len(), model.quants.len(), "{}", model.name);
    }
    let split = Catalog::built_in().model("qwen2.5-7b-instruct").unwrap();
    assert!(split.file(Quant::Q8_0).unwrap().ends_with("-00001-of-00003.gguf"), "the first part of a split file");
}

#[test]
fn the_lists_of_quantizations_begin_with_the_usual_one() {
    let catalog = Catalog::built_in();
    assert_eq!((catalog.quick_quants()[0], catalog.full_quants()[0]), (Quant::Q4KM, Quant::Q4KM));
    assert!(catalog.quick_quants().len() < catalog.full_quants().len());
}
