//! The quantizations: llama.cpp's names and numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! quants {
    ($($variant:ident = $ftype:literal, $name:literal;)*) => {
        /// A quantization by llama.cpp's name, from small to large.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[allow(missing_docs)] // the names are llama.cpp's
        pub enum Quant {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Quant {
            /// All that llama.cpp can make, from small to large.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// llama.cpp's name, such as `Q4_K_M`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// `enum llama_ftype`, which files have as `general.file_type`.
            #[must_use]
            pub fn ftype(self) -> u32 {
                match self {
                    $(Self::$variant => $ftype,)*
                }
            }
        }
    };
}

quants! {
    Iq1S = 24, "IQ1_S";
    Iq1M = 31, "IQ1_M";
    Q1_0 = 40, "Q1_0";
    Tq1_0 = 36, "TQ1_0";
    Iq2Xxs = 19, "IQ2_XXS";
    Tq2_0 = 37, "TQ2_0";
    Iq2Xs = 20, "IQ2_XS";
    Iq2S = 28, "IQ2_S";
    Q2_0 = 41, "Q2_0";
    Iq2M = 29, "IQ2_M";
    Q2KS = 21, "Q2_K_S";
    Q2K = 10, "Q2_K";
    Iq3Xxs = 23, "IQ3_XXS";
    Iq3Xs = 22, "IQ3_XS";
    Q3KS = 11, "Q3_K_S";
    Iq3S = 26, "IQ3_S";
    Iq3M = 27, "IQ3_M";
    Q3KM = 12, "Q3_K_M";
    Q3KL = 13, "Q3_K_L";
    Iq4Xs = 30, "IQ4_XS";
    Mxfp4Moe = 38, "MXFP4_MOE";
    Q4_0 = 2, "Q4_0";
    Iq4Nl = 25, "IQ4_NL";
    Q4KS = 14, "Q4_K_S";
    Q4KM = 15, "Q4_K_M";
    Q4_1 = 3, "Q4_1";
    Q5_0 = 8, "Q5_0";
    Q5KS = 16, "Q5_K_S";
    Q5KM = 17, "Q5_K_M";
    Q5_1 = 9, "Q5_1";
    Q6K = 18, "Q6_K";
    Q8_0 = 7, "Q8_0";
    F16 = 1, "F16";
    Bf16 = 32, "BF16";
    F32 = 0, "F32";
}

impl Quant {
    /// The quantizations that a model is usually measured with, from small to large.
    pub const LADDER: [Self; 8] =
        [Self::Q2K, Self::Q3KM, Self::Q4_0, Self::Q4KM, Self::Q5KM, Self::Q6K, Self::Q8_0, Self::F16];

    /// Whether its weights are plain floats: what a model is quantized from.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32)
    }

    /// Whether llama.cpp makes it only with an importance matrix. (`tensor_requires_imatrix` in its `src/llama-quant.cpp`,
    /// over the types that the mix holds. `IQ3_XS` holds such a type only where it is mixed.)
    #[must_use]
    pub fn requires_imatrix(self, pure: bool) -> bool {
        match self {
            Self::Iq1S
            | Self::Iq1M
            | Self::Iq2Xxs
            | Self::Iq2Xs
            | Self::Iq2S
            | Self::Iq2M
            | Self::Q2KS
            | Self::Iq3Xxs => true,
            Self::Iq3Xs => !pure,
            _ => false,
        }
    }
}

/// Names that llama-quantize takes, too.
const ALIASES: [(&str, Quant); 3] = [("Q3_K", Quant::Q3KM), ("Q4_K", Quant::Q4KM), ("Q5_K", Quant::Q5KM)];

impl fmt::Display for Quant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Quant {
    type Err = UnknownQuant;

    /// Reads a name; upper and lower case are alike, and `-` may stand for `_`.
    fn from_str(text: &str) -> Result<Self, UnknownQuant> {
        let wanted = text.trim().to_uppercase().replace('-', "_");
        let alias = || ALIASES.iter().find(|(name, _)| *name == wanted).map(|(_, quant)| *quant);
        let found = Self::ALL.iter().copied().find(|q| q.name() == wanted).or_else(alias);
        found.ok_or_else(|| {
            let nearest = Self::ALL
                .iter()
                .copied()
                .map(|q| (strsim::jaro_winkler(q.name(), &wanted), q))
                .filter(|(similarity, _)| *similarity > 0.7)
                .max_by(|(a, _), (b, _)| a.total_cmp(b));
            UnknownQuant { text: text.to_owned(), nearest: nearest.map(|(_, q)| q) }
        })
    }
}

/// A text that is the name of no quantization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownQuant {
    /// The text.
    pub text: String,
    /// The quantization whose name is nearest, if one is near.
    pub nearest: Option<Quant>,
}

impl fmt::Display for UnknownQuant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown quantization '{}'", self.text)?;
        if let Some(nearest) = self.nearest {
            return write!(f, ": did you mean {nearest}?");
        }
        let names: Vec<_> = Quant::ALL.iter().map(|q| q.name()).collect();
        write!(f, ": choose one of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownQuant {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gguf::FILE_TYPES;

    #[test]
    fn every_quantization_is_read_back_from_its_name_in_any_case() {
        for &quant in Quant::ALL {
            assert_eq!(quant.name().parse(), Ok(quant));
            assert_eq!(quant.name().to_lowercase().replace('_', "-").parse(), Ok(quant));
            assert!(
                FILE_TYPES.contains(&(quant.ftype(), quant.name())),
                "{quant} is not GGUF's file type of that number"
            );
        }
    }

    #[test]
    fn an_unknown_quantization_is_answered_with_the_nearest() {
        let message = |text: &str| Quant::from_str(text).unwrap_err().to_string();
        assert_eq!(message("Q4_KM"), "unknown quantization 'Q4_KM': did you mean Q4_K_M?");
        assert_eq!("q4_k".parse(), Ok(Quant::Q4KM), "llama-quantize's alias");
        assert!(message("best").ends_with("Q8_0, F16, BF16, F32"));
    }
}
