//! llama.cpp's quantizer (`llama_model_quantize`).

use std::ffi::{CString, c_char};
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::log::errors;

/// How to quantize; see `llama_model_quantize_params` in llama.cpp's `llama.h`.
#[derive(Clone, Copy, Debug)]
pub struct Quantizing<'a> {
    /// `enum llama_ftype`.
    pub ftype: u32,
    /// Threads that compute.
    pub threads: u32,
    /// One type for all tensors instead of the mix.
    pub pure: bool,
    /// Quantize tensors that are quantized already.
    pub allow_requantize: bool,
    /// Most bytes of rows in memory at once.
    pub max_buffer_bytes: usize,
    /// The importance of each column of the tensors named; empty: no importance matrix.
    pub importance: &'a [(String, Vec<f32>)],
    /// Metadata to set.
    pub overrides: &'a [(&'a str, Override<'a>)],
}

/// A value to set in the metadata.
#[derive(Clone, Copy, Debug)]
pub enum Override<'a> {
    /// A text; llama.cpp keeps its first 127 bytes.
    Text(&'a str),
    /// A whole number, which becomes 32 bits wide.
    Number(u32),
}

/// Quantizes `input` (the first part of a split model) to the file `output`. A failed assertion of ggml's ends the process.
///
/// # Errors
/// What llama.cpp says is wrong. A part of the file may be there then.
pub fn quantize(input: &Path, output: &Path, how: &Quantizing) -> Result<(), String> {
    let (input, output) = (c_path(input)?, c_path(output)?);
    let names = how.importance.iter().map(|(name, _)| c_string(name)).collect::<Result<Vec<_>, _>>()?;
    let mut importance: Vec<_> = names
        .iter()
        .zip(how.importance)
        .map(|(name, (_, values))| sys::llama_model_imatrix_data {
            name: name.as_ptr(),
            data: values.as_ptr(),
            size: values.len(),
        })
        .collect();
    importance.push(sys::llama_model_imatrix_data { name: std::ptr::null(), data: std::ptr::null(), size: 0 });
    let mut overrides: Vec<_> = how.overrides.iter().map(|(key, value)| raw_override(key, *value)).collect();
    overrides.push(raw_override("", Override::Number(0))); // the empty key ends the list
    // SAFETY: returns plain numbers and null pointers.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.nthread = i32::try_from(how.threads).unwrap_or(i32::MAX);
    params.ftype = how.ftype;
    params.pure_ = how.pure;
    params.allow_requantize = how.allow_requantize;
    params.max_buf_size = how.max_buffer_bytes;
    if !how.importance.is_empty() {
        params.imatrix = importance.as_ptr();
    }
    if !how.overrides.is_empty() {
        params.kv_overrides = overrides.as_ptr();
    }
    let _ = errors(); // what was logged before is not about this
    // SAFETY: the paths are NUL-terminated, both lists end as llama.cpp looks for their end (a null name, an empty key), and
    // all they point to (`names`, the values, `importance`, `overrides`) lives until the call is over; nothing is kept.
    let code = unsafe { sys::llama_model_quantize(input.as_ptr(), output.as_ptr(), &raw const params) };
    if code == 0 { Ok(()) } else { Err(reason(&errors())) }
}

/// The exception's message, which llama.cpp logs last.
fn reason(errors: &[String]) -> String {
    let thrown = errors.iter().rev().find_map(|line| line.split_once("failed to quantize: "));
    match (thrown, errors.first()) {
        (Some((_, message)), _) => message.trim().to_owned(),
        (None, Some(line)) => line.trim().to_owned(),
        (None, None) => "llama.cpp gave no reason".to_owned(),
    }
}

fn raw_override(key: &str, value: Override) -> sys::llama_model_kv_override {
    let (tag, value) = match value {
        Override::Text(text) => {
            let val_str = fixed(text);
            (sys::LLAMA_KV_OVERRIDE_TYPE_STR, sys::llama_model_kv_override__bindgen_ty_1 { val_str })
        }
        Override::Number(number) => {
            let val_i64 = i64::from(number);
            (sys::LLAMA_KV_OVERRIDE_TYPE_INT, sys::llama_model_kv_override__bindgen_ty_1 { val_i64 })
        }
    };
    sys::llama_model_kv_override { tag, key: fixed(key), __bindgen_anon_1: value }
}

/// The text's first 127 bytes, and a NUL.
fn fixed(text: &str) -> [c_char; 128] {
    let mut chars = [0; 128];
    for (to, from) in chars[..127].iter_mut().zip(text.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    chars
}

fn c_path(path: &Path) -> Result<CString, String> {
    c_string(path.to_str().ok_or_else(|| format!("{}: the path is not UTF-8", path.display()))?)
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("'{text}' contains a NUL byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_message_of_the_exception_not_the_banner_before_it() {
        let errors = [
            "\n====\n ERROR: this quantization requires an importance matrix!",
            "llama_model_quantize: failed to quantize: this quantization requires an imatrix!\n",
        ];
        assert_eq!(reason(&errors.map(str::to_owned)), "this quantization requires an imatrix!");
        assert_eq!(reason(&[]), "llama.cpp gave no reason");
    }

    #[test]
    fn a_text_longer_than_llama_cpps_field_is_cut_to_it() {
        let chars = fixed(&"x".repeat(300));
        assert_eq!((chars[126], chars[127]), (fixed("x")[0], 0));
    }
}
