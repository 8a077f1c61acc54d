//! The quantizer's choice of tensor types, through the C++ shim (`vendor/llama-shim`).

use std::ffi::{CString, c_char};

/// What the mixes of llama.cpp's quantizer depend on; see `llama_quant_model_desc` in llama.cpp's `llama-ext.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are llama.cpp's
pub struct QuantDesc {
    pub architecture: String,
    pub n_embd: u32,
    pub n_ff: u32,
    pub n_layer: u32,
    pub n_head: u32,
    pub n_head_kv: u32,
    pub n_expert: u32,
    pub n_embd_head_k: u32,
    pub n_embd_head_v: u32,
}

/// A tensor before and after [`quant_types`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantTensor {
    /// GGUF name.
    pub name: String,
    /// Extents, fastest first; one to four.
    pub dims: Vec<i64>,
    /// `enum ggml_type`: in the unquantized file on the way in, in the quantized one on the way out.
    pub ggml_type: i32,
}

#[repr(C)]
struct RawQuantDesc {
    architecture: *const c_char,
    n_embd: u32,
    n_ff: u32,
    n_layer: u32,
    n_head: u32,
    n_head_kv: u32,
    n_expert: u32,
    n_embd_head_k: u32,
    n_embd_head_v: u32,
}

#[repr(C)]
struct RawQuantTensor {
    name: *const c_char,
    n_dims: i32,
    ne: [i64; 4],
    ggml_type: i32,
}

unsafe extern "C" {
    fn sweetspot_quant_types(
        desc: *const RawQuantDesc,
        ftype: i32,
        tensors: *mut RawQuantTensor,
        n_tensors: usize,
        error: *mut c_char,
        error_size: usize,
    ) -> i32;
}

/// Replaces the types of `tensors` by those that llama.cpp's own quantizer gives them for `ftype` (`enum llama_ftype`), the
/// `_M` mixes included. Tensors that it never quantizes keep theirs.
///
/// # Errors
/// The message of llama.cpp's exception, such as an architecture it does not know.
pub fn quant_types(desc: &QuantDesc, ftype: i32, tensors: &mut [QuantTensor]) -> Result<(), String> {
    let architecture = c_string(&desc.architecture)?;
    let names = tensors.iter().map(|t| c_string(&t.name)).collect::<Result<Vec<_>, _>>()?;
    let mut raw = Vec::with_capacity(tensors.len());
    for (tensor, name) in tensors.iter().zip(&names) {
        let n_dims = tensor.dims.len();
        if !(1..=4).contains(&n_dims) || tensor.dims.iter().any(|&d| d < 1) {
            return Err(format!("tensor {} has impossible dimensions {:?}", tensor.name, tensor.dims));
        }
        let mut ne = [1; 4];
        ne[..n_dims].copy_from_slice(&tensor.dims);
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // 1 to 4
        raw.push(RawQuantTensor { name: name.as_ptr(), n_dims: n_dims as i32, ne, ggml_type: tensor.ggml_type });
    }
    let raw_desc = RawQuantDesc {
        architecture: architecture.as_ptr(),
        n_embd: desc.n_embd,
        n_ff: desc.n_ff,
        n_layer: desc.n_layer,
        n_head: desc.n_head,
        n_head_kv: desc.n_head_kv,
        n_expert: desc.n_expert,
        n_embd_head_k: desc.n_embd_head_k,
        n_embd_head_v: desc.n_embd_head_v,
    };
    let mut error = [0_u8; 256];
    // SAFETY: every pointer is valid for the call: the strings live in `architecture` and `names`, `raw` has `raw.len()`
    // elements of the layout that shim.h declares, and `error` is `error.len()` bytes. The shim keeps none of them.
    let status = unsafe {
        sweetspot_quant_types(
            &raw const raw_desc,
            ftype,
            raw.as_mut_ptr(),
            raw.len(),
            error.as_mut_ptr().cast(),
            error.len(),
        )
    };
    if status != 0 {
        let end = error.iter().position(|&b| b == 0).unwrap_or(error.len());
        return Err(String::from_utf8_lossy(&error[..end]).into_owned());
    }
    for (tensor, raw) in tensors.iter_mut().zip(&raw) {
        tensor.ggml_type = raw.ggml_type;
    }
    Ok(())
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("'{text}' contains a NUL byte"))
}
