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
