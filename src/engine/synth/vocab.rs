//! The vocabulary of a synthetic model: any text goes in, something like words comes out.
//!
//! It is of llama.cpp's `llama` kind (`SentencePiece`) whatever the architecture: control tokens, the 256 bytes (so that any
//! text can be tokenized), the printable ASCII characters, common English words with all their beginnings (so that
//! merging reaches them), and invented words up to the wanted number. Left out on purpose: any real model's vocabulary.

use std::collections::HashSet;
use std::ops::Range;

use crate::engine::gguf::HeaderWriter;

const CONTROL: [&str; 5] = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
const BOS: u32 = 1;
const EOS: u32 = 2;
const EOT: u32 = 4;
const N_BYTES: u32 = 256;

/// The rows of tokens that should not be sampled: control tokens and single bytes.
#[allow(clippy::cast_possible_truncation)] // 5
pub(super) const QUIET_ROWS: Range<u64> = 0..(CONTROL.len() as u64 + N_BYTES as u64);

/// The fewest entries that a vocabulary can have: the above and one character.
pub(super) const MIN_ENTRIES: u32 = 262;

const CHAT_TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + \
    message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' \
    }}{% endif %}";

/// Frequent words, the most frequent first.
const WORDS: &str = "the of and to in is that for it as was with be by on not he his but at are this have from or had \
    an they which one you were all her she there would their we him been has when who will no more if out so up said \
    what its about than into them can only other time new some could these two may first then do any like my now over \
    such our man me even most made after also did many off before must well back through years where much your way \
    down should because long each just state those people too mister how little good world make very year still see \
    own work men day get here old between both life being under three never know same last another while us might \
    great go come since against right came take used himself few house american use place during high without again \
    home around small however found part school thought went say general once upon every war until always away \
    something fact water though less public put think almost hand enough took far head yet government system set \
    better nothing night end why called eyes find going look asked later point knew next program city business give \
    group toward young days let room president side social present given several order national second possible rather \
    model memory token speed number question answer example machine language measure context window quality letter \
    write read please explain summarize describe compare following text data code function value result list user \
    assistant system message hello thanks problem solution because therefore important different available provide";

/// Token types of the file format.
const UNKNOWN: i32 = 2;
const CONTROL_TYPE: i32 = 3;
const BYTE: i32 = 6;
const NORMAL: i32 = 1;

/// Writes the tokenizer's metadata for a vocabulary of `n_vocab` entries, at least [`MIN_ENTRIES`].
pub(super) fn write(metadata: &mut HeaderWriter, n_vocab: u32) {
    let tokens = tokens(n_vocab as usize);
    let first_normal = CONTROL.len() + N_BYTES as usize;
    let types: Vec<i32> = (0..tokens.len())
        .map(|id| match id {
            0 => UNKNOWN,
            id if id < CONTROL.len() => CONTROL_TYPE,
            id if id < first_normal => BYTE,
            _ => NORMAL,
        })
        .collect();
    // The earlier a token, the sooner its parts are merged.
    #[allow(clippy::cast_precision_loss)] // at most millions
    let scores: Vec<f32> =
        (0..tokens.len()).map(|id| if id < first_normal { 0.0 } else { -((id - first_normal) as f32) }).collect();
    metadata.string("tokenizer.ggml.model", "llama");
    metadata.string("tokenizer.ggml.pre", "default");
    metadata.strings("tokenizer.ggml.tokens", &tokens);
    metadata.f32s("tokenizer.ggml.scores", &scores);
    metadata.i32s("tokenizer.ggml.token_type", &types);
    metadata.u32("tokenizer.ggml.unknown_token_id", 0);
    metadata.u32("tokenizer.ggml.bos_token_id", BOS);
    metadata.u32("tokenizer.ggml.eos_token_id", EOS);
    metadata.u32("tokenizer.ggml.eot_token_id", EOT);
    metadata.bool("tokenizer.ggml.add_bos_token", true);
    metadata.bool("tokenizer.ggml.add_eos_token", false);
    metadata.bool("tokenizer.ggml.add_space_prefix", true);
    metadata.string("tokenizer.chat_template", CHAT_TEMPLATE);
}

/// Exactly `n` texts, no two alike.
fn tokens(n: usize) -> Vec<String> {
    let control = CONTROL.iter().map(|&t| t.to_owned());
    let bytes = (0..N_BYTES).map(|byte| format!("<0x{byte:02X}>"));
    let characters = std::iter::once('▁').chain('!'..='~').map(String::from);
    let beginnings = WORDS.split_whitespace().flat_map(|word| {
        (1..=word.len()).map(move |len| format!("▁{}", &word[..len])) // ASCII
    });
    let mut seen = HashSet::with_capacity(n);
    control
        .chain(bytes)
        .chain(characters)
        .chain(beginnings)
        .chain((0..).map(invented_word))
        .filter(|token| seen.insert(token.clone()))
        .take(n)
        .collect()
}

/// A word of three or more syllables, another one for every number.
fn invented_word(mut number: u64) -> String {
    const CONSONANTS: &[u8; 20] = b"bcdfghjklmnprstvwxyz";
    const VOWELS: &[u8; 5] = b"aeiou";
    // Spreads neighbours over the words: 61 is coprime to 100.
    let mut word = String::from("▁");
    let mut syllables = 0;
    while number > 0 || syllables < 3 {
        let syllable = usize::try_from((number % 100 * 61 + 17 * syllables) % 100).unwrap_or(0);
        word.push(CONSONANTS[syllable / 5].into());
        word.push(VOWELS[syllable % 5].into());
        number /= 100;
        syllables += 1;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vocabulary_has_exactly_the_wanted_entries_and_no_two_alike() {
        for n in [MIN_ENTRIES as usize, 512, 32000, 262_144] {
            let tokens = tokens(n);
            assert_eq!(tokens.len(), n);
            assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), n);
            assert_eq!(tokens[2], "</s>");
            assert_eq!(tokens[5 + 0x0a], "<0x0A>");
            assert_eq!(tokens[261], "▁");
        }
    }

    #[test]
    fn the_beginnings_of_a_word_are_there_so_that_merging_reaches_it() {
        let tokens = tokens(32000);
        for token in ["▁t", "▁th", "▁the", "▁s", "▁summarize", "z"] {
            assert!(tokens.iter().any(|t| t == token), "{token}");
        }
    }
}
