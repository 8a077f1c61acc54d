//! The types that a tensor of a GGUF file can have, with the sizes of their blocks.
//!
//! The numbers are ggml's (`ggml.h`, `ggml-common.h`). Left out on purpose: what the bits of a block mean; the few types
//! that this program writes are in [`crate::engine::synth`].

/// A tensor's type: how many elements share a block and how many bytes a block takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GgmlType {
    /// `enum ggml_type`.
    pub id: u32,
    /// ggml's name, such as `q4_K`.
    pub name: &'static str,
    /// Elements in a block.
    pub block_elements: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
}

macro_rules! ggml_types {
    ($($constant:ident = $id:literal, $name:literal, $elements:literal, $bytes:literal;)*) => {
        #[allow(missing_docs, non_upper_case_globals)] // the names are ggml's
        impl GgmlType {
            $(pub const $constant: Self =
                Self { id: $id, name: $name, block_elements: $elements, block_bytes: $bytes };)*

            /// All types that a file may hold; those that ggml has removed are not among them.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];
        }
    };
}

ggml_types! {
    F32 = 0, "f32", 1, 4;
    F16 = 1, "f16", 1, 2;
    Q4_0 = 2, "q4_0", 32, 18;
    Q4_1 = 3, "q4_1", 32, 20;
    Q5_0 = 6, "q5_0", 32, 22;
    Q5_1 = 7, "q5_1", 32, 24;
    Q8_0 = 8, "q8_0", 32, 34;
    Q8_1 = 9, "q8_1", 32, 36;
    Q2_K = 10, "q2_K", 256, 84;
    Q3_K = 11, "q3_K", 256, 110;
    Q4_K = 12, "q4_K", 256, 144;
    Q5_K = 13, "q5_K", 256, 176;
    Q6_K = 14, "q6_K", 256, 210;
    Q8_K = 15, "q8_K", 256, 292;
    IQ2_XXS = 16, "iq2_xxs", 256, 66;
    IQ2_XS = 17, "iq2_xs", 256, 74;
    IQ3_XXS = 18, "iq3_xxs", 256, 98;
    IQ1_S = 19, "iq1_s", 256, 50;
    IQ4_NL = 20, "iq4_nl", 32, 18;
    IQ3_S = 21, "iq3_s", 256, 110;
    IQ2_S = 22, "iq2_s", 256, 82;
    IQ4_XS = 23, "iq4_xs", 256, 136;
    I8 = 24, "i8", 1, 1;
    I16 = 25, "i16", 1, 2;
    I32 = 26, "i32", 1, 4;
    I64 = 27, "i64", 1, 8;
    F64 = 28, "f64", 1, 8;
    IQ1_M = 29, "iq1_m", 256, 56;
    BF16 = 30, "bf16", 1, 2;
    TQ1_0 = 34, "tq1_0", 256, 54;
    TQ2_0 = 35, "tq2_0", 256, 66;
    MXFP4 = 39, "mxfp4", 32, 17;
    NVFP4 = 40, "nvfp4", 64, 36;
    Q1_0 = 41, "q1_0", 128, 18;
    Q2_0 = 42, "q2_0", 64, 18;
}

impl GgmlType {
    /// The type with ggml's number `id`; none for numbers that are removed or unknown.
    #[must_use]
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.id == id)
    }

    /// Bytes of a tensor of these extents (fastest first); none when the row is no whole number of blocks or the size does
    /// not fit 64 bits.
    #[must_use]
    pub fn tensor_bytes(self, dims: &[u64]) -> Option<u64> {
        let row = dims.first().copied().unwrap_or(1);
        if row % self.block_elements != 0 {
            return None;
        }
        let elements = dims.iter().try_fold(1_u64, |product, &d| product.checked_mul(d))?;
        (elements / self.block_elements).checked_mul(self.block_bytes)
    }
}

/// `enum llama_ftype` (the metadata's `general.file_type`) and the short names of its values.
pub const FILE_TYPES: &[(u32, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4_MOE"),
    (39, "NVFP4"),
    (40, "Q1_0"),
    (41, "Q2_0"),
];

/// The file type that llama.cpp guesses from the type of most tensors, by its short name.
#[must_use]
pub fn guessed_file_type(majority: GgmlType) -> String {
    match majority {
        GgmlType::Q3_K => "Q3_K_M".to_owned(),
        GgmlType::Q4_K => "Q4_K_M".to_owned(),
        GgmlType::Q5_K => "Q5_K_M".to_owned(),
        other => other.name.to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_all_blocks_are_ggmls() {
        // Bits per weight as ggml's comments and llama-quantize's help give them.
        for (name, bits) in [
            ("q2_K", 2.625),
            ("q3_K", 3.4375),
            ("q4_K", 4.5),
            ("q5_K", 5.5),
            ("q6_K", 6.5625),
            ("iq4_xs", 4.25),
            ("iq2_xxs", 2.0625),
            ("iq1_s", 1.5625),
            ("tq1_0", 1.6875),
            ("q8_0", 8.5),
            ("mxfp4", 4.25),
            ("nvfp4", 4.5),
        ] {
            let t = GgmlType::ALL.iter().find(|t| t.name == name).unwrap();
            #[allow(clippy::cast_precision_loss)] // small numbers
            let measured = t.block_bytes as f64 * 8.0 / t.block_elements as f64;
            assert!((measured - bits).abs() < 1e-9, "{name}: {measured}");
        }
    }

    #[test]
    fn a_row_that_is_no_whole_number_of_blocks_has_no_size() {
        assert_eq!(GgmlType::Q4_K.tensor_bytes(&[255, 2]), None);
        assert_eq!(GgmlType::Q4_K.tensor_bytes(&[512, 2]), Some(576));
        assert_eq!(GgmlType::F32.tensor_bytes(&[u64::MAX, 2]), None);
    }
}
