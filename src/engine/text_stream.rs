//! Bytes of tokens to text, as a stream: a token may end in the middle of a character, which then waits for the next one.

/// Collects bytes and gives text that is whole characters.
#[derive(Clone, Debug, Default)]
pub struct TextStream {
    text: String,
    /// The beginning of a character: at most three bytes.
    pending: Vec<u8>,
}

impl TextStream {
    /// Adds a token's bytes and returns the text that became readable. Bytes that no character begins with become U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> &str {
        let start = self.text.len();
        self.pending.extend_from_slice(bytes);
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text.push_str(text);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid)); // borrowed: it is valid
                    let Some(invalid) = error.error_len() else {
                        rest = after;
                        break;
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[invalid..];
                }
            }
        }
        let keep = rest.len();
        self.pending.drain(..self.pending.len() - keep);
        &self.text[start..]
    }

    /// All text so far; a character whose end never came is left out.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_split_over_tokens_appears_with_its_last_byte() {
        let mut stream = TextStream::default();
        assert_eq!(stream.push(b"caf\xc3"), "caf");
        assert_eq!(stream.push(b"\xa9 \xf0\x9f"), "é ");
        assert_eq!(stream.push(b"\x98"), "");
        assert_eq!(stream.push(b"\x80!"), "😀!");
        assert_eq!(stream.into_text(), "café 😀!");
    }

    #[test]
    fn a_byte_that_begins_no_character_is_replaced_and_does_not_block_what_follows() {
        let mut stream = TextStream::default();
        assert_eq!(stream.push(b"a\xffb\xc3"), "a\u{fffd}b");
        assert_eq!(stream.push(b"x"), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn text_cut_into_any_pieces_comes_out_whole(text in "\\PC{0,40}", cuts in prop::collection::vec(0_usize..200, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut stream = TextStream::default();
            for pair in cuts.windows(2) {
                stream.push(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(stream.into_text(), text);
        }
    }
}
