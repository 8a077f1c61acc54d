//! The order that cells run in: by level of quantization, the one that most people use first, and by size within a level. So
//! every size has a result early, and what is learnt of small models spares the large ones.

/// A level of quantization: every quantization belongs to the one of the usual ladder whose bits its name has. In run order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `Q4_K_M` and all others of four bits.
    Q4,
    /// `Q5_K_M` and all others of five bits.
    Q5,
    /// `Q6_K`.
    Q6,
    /// `Q3_K_M` and all others of three bits.
    Q3,
    /// `Q2_K` and all that is smaller.
    Q2,
    /// `Q8_0`.
    Q8,
    /// Plain floats: `F16`, `BF16`, `F32`.
    Float,
    /// A name that says nothing.
    Unknown,
}

impl Level {
    /// The level of a quantization by its short name, in upper or lower case: `IQ4_XS`, `MXFP4_MOE` and `UD-Q4_K_XL` are Q4.
    #[must_use]
    pub fn of(quant: &str) -> Self {
        let name = quant.to_ascii_uppercase();
        let digit_after = |mark: &str| {
            let after = name.match_indices(mark).filter_map(|(at, _)| name[at + mark.len()..].chars().next());
            after.filter_map(|c| c.to_digit(10)).next()
        };
        let is_float = |float: &str| name.split(['-', '_', '.']).any(|part| part == float);
        if ["F16", "BF16", "F32", "FP16", "FP32"].iter().any(|float| is_float(float)) {
            return Self::Float;
        }
        match digit_after("Q").or_else(|| digit_after("FP")) {
            Some(1 | 2) => Self::Q2,
            Some(3) => Self::Q3,
            Some(4) => Self::Q4,
            Some(5) => Self::Q5,
            Some(6 | 7) => Self::Q6,
            Some(8) => Self::Q8,
            _ => Self::Unknown,
        }
    }
}

/// Sorts cells into run order: levels as [`Level`] has them, and the files of a level by their bytes, the smallest first. `key`
/// gives a cell's level and bytes. Cells of the same level and bytes stay in their order.
pub fn order<T>(cells: &mut [T], key: impl Fn(&T) -> (Level, u64)) {
    cells.sort_by_key(key);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::quantize::Quant;

    #[test]
    fn the_usual_ladder_runs_from_what_most_people_use_and_each_level_from_the_smallest() {
        let mut cells = Vec::new();
        for (model, params) in [("13B", 13_000), ("0.5B", 500), ("7B", 7_000)] {
            for (quant, bits) in
                [("Q8_0", 85), ("Q2_K", 30), ("Q4_K_M", 48), ("Q3_K_M", 39), ("Q6_K", 66), ("Q5_K_M", 57)]
            {
                cells.push((model, quant, params * bits));
            }
        }
        order(&mut cells, |&(_, quant, bytes)| (Level::of(quant), bytes));
        let quants: Vec<&str> = cells.iter().map(|cell| cell.1).step_by(3).collect();
        assert_eq!(quants, ["Q4_K_M", "Q5_K_M", "Q6_K", "Q3_K_M", "Q2_K", "Q8_0"]);
        assert!(cells.chunks(3).all(|level| level.iter().map(|cell| cell.0).eq(["0.5B", "7B", "13B"])));
    }

    #[test]
    fn every_quantization_of_llama_cpp_has_the_level_of_its_name() {
        for &quant in Quant::ALL {
            assert_ne!(Level::of(quant.name()), Level::Unknown, "{quant}");
        }
        for (name, level) in [
            ("Q4_0", Level::Q4),
            ("IQ4_XS", Level::Q4),
            ("MXFP4_MOE", Level::Q4),
            ("UD-Q4_K_XL", Level::Q4),
            ("q5_1", Level::Q5),
            ("IQ3_XXS", Level::Q3),
            ("TQ1_0", Level::Q2),
            ("IQ2_M", Level::Q2),
            ("Q8_K_XL", Level::Q8),
            ("BF16", Level::Float),
            ("F32", Level::Float),
            ("best", Level::Unknown),
            ("", Level::Unknown),
            ("Qé4", Level::Unknown),
        ] {
            assert_eq!(Level::of(name), level, "{name}");
        }
        assert!(Level::Q8 < Level::Float && Level::Float < Level::Unknown);
    }

    proptest! {
        #[test]
        fn any_cells_are_ordered_stably_and_none_is_lost(
            names in prop::collection::vec(("[A-Z]{0,2}Q?[0-9]?_?[A-Z0-9]{0,3}", 0_u64..4), 0..40),
        ) {
            let before: Vec<_> = names.iter().enumerate().map(|(at, (quant, bytes))| (at, quant.clone(), *bytes)).collect();
            let key = |(_, quant, bytes): &(usize, String, u64)| (Level::of(quant), *bytes);
            let mut after = before.clone();
            order(&mut after, key);
            for pair in after.windows(2) {
                prop_assert!((key(&pair[0]), pair[0].0) < (key(&pair[1]), pair[1].0));
            }
            let mut again = after.clone();
            order(&mut again, key);
            prop_assert_eq!(&again, &after);
            after.sort();
            prop_assert_eq!(after, before);
        }

        #[test]
        fn any_name_has_a_level(name in ".*") {
            let level = Level::of(&name);
            prop_assert_eq!(level, Level::of(&name.to_ascii_lowercase()));
        }
    }
}
