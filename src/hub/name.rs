//! What a model file's name says: the model and its quantization.
//!
//! For choosing what to fetch, before there is a file to ask; a file that is here says itself what it is.

/// What stands for the quantization in a name that has none.
pub const UNKNOWN: &str = "unknown";

/// Model and quantization (upper case) of a file's name without its folder, shard number and `.gguf`:
/// `Llama-3.2-1B-Instruct.Q4_K_M` is `Llama-3.2-1B-Instruct` in `Q4_K_M`. A name without a quantization is the model's.
#[must_use]
pub fn split(stem: &str) -> (String, String) {
    let is_edge = |c: char| matches!(c, '-' | '.' | '_' | ' ');
    // the longest quantization at the latest place: `F16` in `m-F16-Q4_K_M` is a name, `Q4_K_M` is what it is
    let starts = std::iter::once(0).chain(stem.match_indices(is_edge).map(|(at, _)| at + 1)).collect::<Vec<_>>();
    let ends = stem.match_indices(is_edge).map(|(at, _)| at).chain([stem.len()]).collect::<Vec<_>>();
    let mut found = None;
    'ends: for &end in ends.iter().rev() {
        for &start in starts.iter().filter(|&&start| start < end) {
            if is_quant(&stem[start..end]) {
                found = Some((start, end));
                break 'ends;
            }
        }
    }
    let Some((start, end)) = found else { return (stem.to_owned(), UNKNOWN.to_owned()) };
    let (before, after) = (stem[..start].trim_end_matches(is_edge), &stem[end..]);
    let model = format!("{before}{after}");
    let model = if before.is_empty() { model.trim_start_matches(is_edge).to_owned() } else { model };
    let quant = stem[start..end].to_ascii_uppercase();
    let quant = match quant.as_str() {
        "FP16" => "F16".to_owned(),
        "FP32" => "F32".to_owned(),
        _ => quant,
    };
    (if model.is_empty() { stem.to_owned() } else { model }, quant)
}

/// `Q4_K_M`, `IQ2_XXS`, `TQ1_0`, `UD-Q4_K_XL`, `BF16`, `MXFP4_MOE` and the like, in any case.
fn is_quant(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let text = text.strip_prefix("UD-").unwrap_or(&text);
    if matches!(text, "F16" | "FP16" | "BF16" | "F32" | "FP32" | "MXFP4" | "MXFP4_MOE" | "NVFP4") {
        return true;
    }
    let mut parts = text.split('_');
    let head = parts.next().unwrap_or_default();
    let digits = ["IQ", "TQ", "Q"].iter().find_map(|prefix| head.strip_prefix(prefix));
    let is_head = digits.is_some_and(|d| d.len() == 1 && d.bytes().all(|b| b.is_ascii_digit() && b != b'0'));
    let tails: Vec<_> = parts.collect();
    let is_tail =
        |t: &&str| matches!(*t, "0" | "1" | "4" | "8" | "K" | "S" | "M" | "L" | "XL" | "XS" | "XXS" | "XXL" | "NL");
    is_head && !tails.is_empty() && tails.iter().all(|t| is_tail(&t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_people_give_their_files_are_read() {
        for (stem, model, quant) in [
            ("Llama-3.2-1B-Instruct.Q4_K_M", "Llama-3.2-1B-Instruct", "Q4_K_M"),
            ("qwen2.5-7b-instruct-q4_k_m", "qwen2.5-7b-instruct", "Q4_K_M"),
            ("Qwen3-30B-A3B-UD-Q4_K_XL", "Qwen3-30B-A3B", "UD-Q4_K_XL"),
            ("ggml-model-q4_0", "ggml-model", "Q4_0"),
            ("ggml_model_q5_1", "ggml_model", "Q5_1"),
            ("phi-4-IQ2_XXS", "phi-4", "IQ2_XXS"),
            ("gpt-oss-20b-MXFP4", "gpt-oss-20b", "MXFP4"),
            ("m-F16-Q4_K_M", "m-F16", "Q4_K_M"),
            ("model-fp16", "model", "F16"),
            ("Q4_K_M", "Q4_K_M", "Q4_K_M"),
            ("m-Q8_0-imat", "m-imat", "Q8_0"),
            ("m-Q4_0_4_4", "m", "Q4_0_4_4"),
            ("bitnet-TQ1_0", "bitnet", "TQ1_0"),
            ("Mistral-7B-v0.3", "Mistral-7B-v0.3", UNKNOWN),
            ("QwQ-32B", "QwQ-32B", UNKNOWN),
            ("müller-Q6_K", "müller", "Q6_K"),
        ] {
            assert_eq!(split(stem), (model.to_owned(), quant.to_owned()), "{stem}");
        }
    }
}
