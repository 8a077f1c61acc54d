#include "shim.h"

#include "ggml-backend.h"
#include "ggml.h"
#include "llama-ext.h"

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <vector>

int32_t sweetspot_memory_breakdown(const llama_context * ctx, sweetspot_buffer_use * out, int32_t capacity) try {
    int32_t n = 0;
    for (const auto & [buft, use] : llama_get_memory_breakdown(ctx)) {
        if (n < capacity) {
            ggml_backend_dev_t dev = ggml_backend_buft_get_device(buft);
            out[n] = {
                ggml_backend_buft_name(buft),
                dev ? ggml_backend_dev_name(dev) : "",
                dev ? (int32_t) ggml_backend_dev_type(dev) : -1,
                ggml_backend_buft_is_host(buft) ? 1 : 0,
                use.model,
                use.context,
                use.compute,
            };
        }
        n++;
    }
    return n;
} catch (...) {
    return -1;
}

namespace {

struct model_deleter {
    void operator()(llama_model * model) const { llama_model_free(model); }
};
struct state_deleter {
    void operator()(quantize_state_impl * state) const { llama_quant_free(state); }
};
struct ggml_deleter {
    void operator()(ggml_context * ctx) const { ggml_free(ctx); }
};

void quant_types(const sweetspot_quant_desc & desc, int32_t ftype, sweetspot_quant_tensor * tensors, size_t n_tensors) {
    const llama_quant_model_desc model_desc = {
        desc.architecture, desc.n_embd,   desc.n_ff,          desc.n_layer,       desc.n_head,
        desc.n_head_kv,    desc.n_expert, desc.n_embd_head_k, desc.n_embd_head_v,
    };
    std::unique_ptr<llama_model, model_deleter> model(llama_quant_model_from_metadata(&model_desc));
    if (!model) {
        throw std::runtime_error("llama.cpp does not know this architecture");
    }
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = (llama_ftype) ftype;
    std::unique_ptr<quantize_state_impl, state_deleter> state(llama_quant_init(model.get(), &params));

    const ggml_init_params init = { n_tensors * ggml_tensor_overhead() + 1024, nullptr, /*no_alloc*/ true };
    std::unique_ptr<ggml_context, ggml_deleter> ctx(ggml_init(init));
    if (!ctx) {
        throw std::runtime_error("out of memory");
    }
    std::vector<ggml_tensor *> quantizable;
    std::vector<size_t>        index;
    for (size_t i = 0; i < n_tensors; i++) {
        ggml_tensor * t = ggml_new_tensor(ctx.get(), (ggml_type) tensors[i].type, tensors[i].n_dims, tensors[i].ne);
        ggml_set_name(t, tensors[i].name);
        if (llama_quant_tensor_allows_quantization(state.get(), t)) {
            quantizable.push_back(t);
            index.push_back(i);
        }
    }
    std::vector<ggml_type> types(quantizable.size());
    llama_quant_compute_types(state.get(), params.ftype, quantizable.data(), types.data(), quantizable.size());
    for (size_t i = 0; i < index.size(); i++) {
        tensors[index[i]].type = types[i];
    }
}

} // namespace

int32_t sweetspot_quant_types(const sweetspot_quant_desc * desc, int32_t ftype, sweetspot_quant_tensor * tensors, size_t n_tensors,
                              char * error, size_t error_size) {
    try {
        quant_types(*desc, ftype, tensors, n_tensors);
        return 0;
    } catch (const std::exception & e) {
        snprintf(error, error_size, "%s", e.what());
    } catch (...) {
        snprintf(error, error_size, "unknown C++ exception");
    }
    return -1;
}
