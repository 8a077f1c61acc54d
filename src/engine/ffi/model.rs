//! What `llama-cpp-2` does not say of a model or of the build.

use std::ffi::{CStr, c_char};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

/// The C++ model behind the safe one.
pub(super) fn raw(model: &LlamaModel) -> *mut sys::llama_model {
    const { assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>()) };
    const { assert!(align_of::<LlamaModel>() == align_of::<*mut sys::llama_model>()) };
    // SAFETY: `LlamaModel` is `#[repr(transparent)]` over a `#[repr(transparent)]` `NonNull<llama_model>` in the version
    // that Cargo.toml pins exactly; the asserts above and a test on `n_params` guard a change of that version.
    unsafe { *std::ptr::from_ref(model).cast::<*mut sys::llama_model>() }
}

/// llama.cpp's description, such as `llama 1B Q4_0`.
#[must_use]
pub fn description(model: &LlamaModel) -> String {
    let mut buffer = [0_u8; 128];
    // SAFETY: the model is alive, and llama.cpp writes at most `buffer.len()` bytes, the final NUL included.
    unsafe { sys::llama_model_desc(raw(model), buffer.as_mut_ptr().cast(), buffer.len()) };
    CStr::from_bytes_until_nul(&buffer).map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Context size the model was trained for. (The safe crate's own method panics where a file claims 2^31 tokens or more.)
#[must_use]
pub fn n_ctx_train(model: &LlamaModel) -> u32 {
    // SAFETY: the model is alive.
    unsafe { sys::llama_model_n_ctx_train(raw(model)) }.cast_unsigned()
}

/// The file type's short name, such as `Q4_K_M`; llama.cpp guesses it from the tensors where the file does not say.
#[must_use]
pub fn quantization(model: &LlamaModel) -> String {
    // SAFETY: the model is alive; the name is a static string.
    let name = unsafe { text(sys::llama_ftype_name(sys::llama_model_ftype(raw(model)))) };
    short_quantization(&name)
}

/// `Q4_K - Medium` to `Q4_K_M`, bits per weight left out. `Q2_K - Medium` is what everybody calls `Q2_K`.
fn short_quantization(name: &str) -> String {
    let name = name.trim_start_matches("(guessed) ").trim();
    let (base, kind) = name.split_once(" - ").unwrap_or((name, ""));
    match (base, kind) {
        ("all F32", _) => "F32".to_owned(),
        ("IQ3_S mix", _) => "IQ3_M".to_owned(),
        ("Q2_K", "Medium") => "Q2_K".to_owned(),
        (_, "Small") => format!("{base}_S"),
        (_, "Medium") => format!("{base}_M"),
        (_, "Large") => format!("{base}_L"),
        _ => base.to_uppercase().replace(' ', "_"),
    }
}

/// The features that ggml's CPU code was compiled with, as llama.cpp prints them: `CPU : AVX2 = 1 | FMA = 1 | …`.
#[must_use]
pub fn system_info() -> String {
    // SAFETY: the string is a static buffer of llama.cpp's; it is copied before anything else is called.
    unsafe { text(sys::llama_print_system_info()) }
}

/// Names of the backends compiled in, such as `CPU`.
#[must_use]
pub fn backend_names() -> Vec<String> {
    // SAFETY: the indices are below the count, and names live as long as the program.
    unsafe {
        (0..sys::ggml_backend_reg_count())
            .map(|i| text(sys::ggml_backend_reg_name(sys::ggml_backend_reg_get(i))))
            .collect()
    }
}

/// # Safety
/// `s` is null or a NUL-terminated string that lives for the call.
unsafe fn text(s: *const c_char) -> String {
    // SAFETY: the caller's promise.
    if s.is_null() { String::new() } else { unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_cpps_long_names_of_quantizations_become_the_short_ones() {
        for (long, short) in [
            ("Q4_K - Medium", "Q4_K_M"),
            ("Q3_K - Small", "Q3_K_S"),
            ("Q2_K - Medium", "Q2_K"),
            ("Q4_0", "Q4_0"),
            ("F16", "F16"),
            ("all F32", "F32"),
            ("(guessed) Q8_0", "Q8_0"),
            ("IQ4_XS - 4.25 bpw", "IQ4_XS"),
            ("IQ3_S mix - 3.66 bpw", "IQ3_M"),
            ("MXFP4 MoE", "MXFP4_MOE"),
        ] {
            assert_eq!(short_quantization(long), short, "{long}");
        }
    }
}
