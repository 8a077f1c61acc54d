// Plain C functions over llama.cpp's C++ staging header (src/llama-ext.h), which the Rust bindings leave out.
// Every function catches C++ exceptions: none may cross into Rust.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "llama.h"

#ifdef __cplusplus
extern "C" {
#endif

// What one buffer type holds, in bytes.
struct sweetspot_buffer_use {
    const char * name;        // ggml's name of the buffer type; lives as long as the process
    const char * device_name; // ggml's name of the device, "" where the buffer type has none
    int32_t      device_type; // enum ggml_backend_dev_type, -1 where the buffer type has no device
    int32_t      is_host;     // 1 when the bytes lie in this machine's memory
    uint64_t     model_bytes;
    uint64_t     context_bytes;
    uint64_t     compute_bytes;
};

// Writes at most `capacity` rows to `out` and returns how many there are, or -1 on an exception.
int32_t sweetspot_memory_breakdown(const struct llama_context * ctx, struct sweetspot_buffer_use * out, int32_t capacity);

// What the mixes of llama.cpp's quantizer depend on.
struct sweetspot_quant_desc {
    const char * architecture;
    uint32_t n_embd;
    uint32_t n_ff;
    uint32_t n_layer;
    uint32_t n_head;
    uint32_t n_head_kv;
    uint32_t n_expert;
    uint32_t n_embd_head_k;
    uint32_t n_embd_head_v;
};

// One tensor of the model to be quantized: `type` is enum ggml_type, the type it has in the unquantized file on the way
// in and the type that llama.cpp's quantizer gives it on the way out.
struct sweetspot_quant_tensor {
    const char * name;
    int32_t      n_dims;
    int64_t      ne[4];
    int32_t      type;
};

// Replaces the types of `tensors` by those that llama.cpp's quantizer would choose for `ftype` (enum llama_ftype).
// Returns 0, or -1 with a message in `error` (NUL-terminated, at most `error_size` bytes).
int32_t sweetspot_quant_types(const struct sweetspot_quant_desc * desc, int32_t ftype, struct sweetspot_quant_tensor * tensors,
                              size_t n_tensors, char * error, size_t error_size);

#ifdef __cplusplus
}
#endif
