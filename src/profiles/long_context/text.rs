//! What fills a long context: prose and records, such as people load documents of. The passages of the divergence text come
//! once each; between and after them stand documents that a seed makes: reports in sentences, invoices, logs, tables,
//! messages. Nothing repeats word for word, however long it gets, because repetition is what a model would soon predict and
//! some caches could use.
//!
//! Left out on purpose: questions about it. How well a model uses what it was given is not measured here.

use std::fmt::Write as _;

use crate::engine::{Model, Token};
use crate::profiles::divergence;
use crate::stats::random::SplitMix64;

const SENTENCES: &str = include_str!("../../../prompts/long_context/sentences.txt");

const PEOPLE: [&str; 24] = [
    "Maud Pelling",
    "Priya Raman",
    "Dr Lindqvist",
    "Ms Abara",
    "Tom Wexley",
    "Mrs Hale",
    "Jonas Brandt",
    "Ada Nwosu",
    "Mr Finch",
    "Elin Sorg",
    "Pavel Dusek",
    "Ines Carvalho",
    "the ferryman",
    "Reverend Pugh",
    "Kofi Mensah",
    "Lotte Maas",
    "Sergeant Doyle",
    "Yara Haddad",
    "old Mr Cole",
    "the surveyor",
    "Hanna Virtanen",
    "Luca Ferro",
    "Miss Okafor",
    "Bertil Aas",
];
const PLACES: [&str; 20] = [
    "Oberwick",
    "Harrow Mill",
    "Saint Alban's",
    "the lower lock",
    "Lenn Bridge",
    "the north quay",
    "Castle Street",
    "Delmar",
    "the old brickworks",
    "Upper Farrow",
    "the reservoir",
    "Mossgate",
    "the signal box",
    "Tarn End",
    "the school hall",
    "Weir Cottage",
    "Kestrel Rise",
    "the market square",
    "Fennley",
    "the eastern pier",
];
const THINGS: [&str; 24] = [
    "sluice gate",
    "weather vane",
    "cello case",
    "water meter",
    "church clock",
    "cable drum",
    "green shed",
    "bread oven",
    "loading ramp",
    "tide gauge",
    "brass bell",
    "hand pump",
    "card index",
    "ticket machine",
    "rain barrel",
    "stone lion",
    "switchboard",
    "projector",
    "garden wall",
    "snow plough",
    "barometer",
    "letter press",
    "life belt",
    "turnstile",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MODULES: [&str; 8] = ["intake", "ledger", "router", "sensor", "backup", "mailer", "auth", "scheduler"];

/// At least so many tokens of the text that the seed gives, the beginning of a sequence first where the model wants one; fewer
/// where the model makes none of it.
#[must_use]
pub fn tokens(model: &dyn Model, wanted: usize, seed: u64) -> Vec<Token> {
    let mut text = Text::new(seed);
    let mut tokens = model.tokenize("", true, false);
    while tokens.len() < wanted {
        // Long pieces: some tokenizers begin each with a space of their own.
        let piece: String = (0..8).map(|_| text.next_document()).collect();
        let more = model.tokenize(&piece, false, false);
        if more.is_empty() {
            break;
        }
        tokens.extend(more);
    }
    tokens
}

/// Documents without end.
#[derive(Clone, Debug)]
pub struct Text {
    random: SplitMix64,
    sentences: Vec<&'static str>,
    /// Passages that have not come yet, in the text's order from the end.
    passages: Vec<String>,
    made: usize,
}

impl Text {
    /// The documents of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let sentences = SENTENCES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let mut passages: Vec<String> = divergence::text::BUILT_IN.split("\n\n").map(str::to_owned).collect();
        passages.reverse();
        Self { random: SplitMix64::new(seed), sentences, passages, made: 0 }
    }

    /// The next one, ending with an empty line.
    pub fn next_document(&mut self) -> String {
        self.made += 1;
        if self.made % 3 == 1
            && let Some(passage) = self.passages.pop()
        {
            return format!("{passage}\n\n");
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match self.random.below(6) {
            0 => self.invoice(&mut text),
            1 => self.log(&mut text),
            2 => self.table(&mut text),
            3 => self.message(&mut text),
            _ => self.report(&mut text),
        };
        text.push('\n');
        text
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.random.below(of.len())]
    }

    /// From `low` to `high`, both included.
    fn number(&mut self, low: usize, high: usize) -> usize {
        low + self.random.below(high - low + 1)
    }

    /// `12,345.67`
    fn amount(&mut self) -> String {
        let (thousands, rest, cents) = (self.number(1, 98), self.number(0, 999), self.number(0, 99));
        format!("{thousands},{rest:03}.{cents:02}")
    }

    fn sentence(&mut self) -> String {
        let mut sentence = self.sentences[self.random.below(self.sentences.len())].to_owned();
        while let Some((before, rest)) = sentence.split_once('{') {
            let Some((slot, after)) = rest.split_once('}') else { break };
            let filling = match slot {
                "person" | "other" => self.one(&PEOPLE).to_owned(),
                "place" => self.one(&PLACES).to_owned(),
                "thing" => self.one(&THINGS).to_owned(),
                "day" => format!("{} {}", self.one(&DAYS), self.number(1, 28)),
                "big" => self.number(1001, 98_999).to_string(),
                "m" => self.number(2, 9).to_string(),
                _ => self.number(11, 990).to_string(),
            };
            sentence = format!("{before}{filling}{after}");
        }
        let mut letters = sentence.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    /// Some sentences in a line.
    fn paragraph(&mut self) -> String {
        let n = self.number(3, 6);
        (0..n).map(|_| self.sentence()).collect::<Vec<_>>().join(" ")
    }

    fn report(&mut self, text: &mut String) -> std::fmt::Result {
        let (place, year) = (self.one(&PLACES), self.number(1961, 2024));
        writeln!(text, "Report {} on {place}, {year}\n", self.made)?;
        for _ in 0..self.number(2, 4) {
            let paragraph = self.paragraph();
            writeln!(text, "{paragraph}\n")?;
        }
        Ok(())
    }

    fn message(&mut self, text: &mut String) -> std::fmt::Result {
        let (from, to, what) = (self.one(&PEOPLE), self.one(&PEOPLE), self.one(&THINGS));
        let (number, paragraph) = (self.number(10_000, 99_999), self.paragraph());
        writeln!(
            text,
            "From: {from}\nTo: {to}\nSubject: the {what} (our reference {number})\n\n{paragraph}\n\nRegards, {from}"
        )
    }

    fn invoice(&mut self, text: &mut String) -> std::fmt::Result {
        let (number, to, place) = (self.number(10_000, 99_999), self.one(&PEOPLE), self.one(&PLACES));
        writeln!(
            text,
            "Invoice {number} to {to}, {place}\n\n| Position | Article | Quantity | Each | Sum |\n|--:|---|--:|--:|--:|"
        )?;
        for position in 1..=self.number(3, 9) {
            let (article, part, quantity) = (self.one(&THINGS), self.number(1000, 9999), self.number(1, 40));
            let (each, sum) = (self.amount(), self.amount());
            writeln!(text, "| {position} | {article}, part {part} | {quantity} | {each} | {sum} |")?;
        }
        let (sum, day, month) = (self.amount(), self.number(1, 28), self.number(1, 12));
        writeln!(text, "\nTotal {sum} euros, payable by 2025-{month:02}-{day:02}.")
    }

    fn log(&mut self, text: &mut String) -> std::fmt::Result {
        let (month, day, hour) = (self.number(1, 12), self.number(1, 28), self.number(0, 23));
        for minute in 0..self.number(6, 18) {
            let (module, level) = (self.one(&MODULES), self.one(&["INFO", "INFO", "WARN", "DEBUG", "ERROR"]));
            let (second, micros, place) = (self.number(0, 59), self.number(0, 999_999), self.one(&PLACES));
            let (ms, key) = (self.number(1, 4000), self.random.next_u64() >> 24);
            writeln!(
                text,
                "2025-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z {level} {module}: request \
                 {key:010x} for \"{place}\" took {ms} ms"
            )?;
        }
        Ok(())
    }

    fn table(&mut self, text: &mut String) -> std::fmt::Result {
        let (what, year) = (self.one(&THINGS), self.number(1961, 2024));
        writeln!(text, "Readings of the {what}, {year}\n\nstation,week,level_cm,temperature_c,observer")?;
        for week in 1..=self.number(8, 24) {
            let (place, by, level) = (self.one(&PLACES), self.one(&PEOPLE), self.number(400, 2900));
            let (temperature, tenth) = (self.number(0, 31), self.number(0, 9));
            writeln!(text, "\"{place}\",{week},{}.{},{temperature}.{tenth},\"{by}\"", level / 10, level % 10)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// So much text as 65 536 tokens of a large vocabulary are.
    fn long(seed: u64) -> String {
        let mut text = Text::new(seed);
        let mut all = String::new();
        while all.len() < 400_000 {
            all.push_str(&text.next_document());
        }
        all
    }

    #[test]
    fn nothing_in_as_much_text_as_the_largest_load_comes_twice() {
        let text = long(42);
        let lines: Vec<&str> = text.lines().filter(|line| line.len() > 60).collect();
        let different: BTreeSet<&str> = lines.iter().copied().collect();
        assert!(lines.len() > 1000, "{}", lines.len());
        assert_eq!(lines.len(), different.len());
        for slot in ["{person}", "{other}", "{place}", "{thing}", "{day}", "{n}", "{m}", "{big}"] {
            assert!(SENTENCES.contains(slot) && !text.contains(slot), "{slot}");
        }
    }

    #[test]
    fn the_text_holds_prose_and_records_and_is_the_same_for_the_same_seed_alone() {
        let text = long(1);
        for sign in ["Report ", "Invoice ", "Subject: ", "station,week", " took ", "The Ferry That Ran on Thursdays"] {
            assert!(text.contains(sign), "no {sign:?}");
        }
        assert_eq!(text, long(1));
        assert_ne!(text, long(2));
    }
}
