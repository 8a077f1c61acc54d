"""Writes the trained model as a GGUF of BF16 weights: `python export.py RUN_FOLDER OUT.gguf`.

The names are llama.cpp's, and so is the order of rotary pairs that `model.py` trains with; nothing is permuted.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

from corpus import END, START, STOP
from model import Shape
from tokenizer import CHAT_TEMPLATE, PRE, SPECIAL

LICENCE = "MIT OR Apache-2.0"


def write_vocabulary(writer, path):
    tokenizer = json.loads(Path(path).read_text())["model"]
    vocabulary = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
    assert [tokenizer["vocab"][t] for t in vocabulary] == list(range(len(vocabulary)))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list(vocabulary)
    writer.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in vocabulary])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["merges"]])
    writer.add_bos_token_id(vocabulary.index(START))
    writer.add_eos_token_id(vocabulary.index(END))
    writer.add_eot_token_id(vocabulary.index(END))
    writer.add_pad_token_id(vocabulary.index(STOP))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def main(folder, out):
    shape = Shape(n_vocab=Tokenizer.from_file(f"{folder}/tokenizer.json").get_vocab_size())
    saved = torch.load(f"{folder}/training.pt")
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name("sweetspot-demo")
    writer.add_description("A small model of simple English tasks, for trying sweetspot without a download")
    writer.add_license(LICENCE)
    writer.add_languages(["en"])
    writer.add_size_label("5.6M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head_dim)
    write_vocabulary(writer, f"{folder}/tokenizer.json")
    for name, weight in saved["model"].items():
        values = weight.float().numpy()
        if values.ndim == 2:
            kind = gguf.GGMLQuantizationType.BF16
            writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{out}: step {saved['step']}, {saved['seen']:,} tokens seen")


if __name__ == "__main__":
    main(*sys.argv[1:])
