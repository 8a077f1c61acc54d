"""The vocabulary: byte-level BPE, 2,048 tokens, every digit a token of its own.

The text is split as llama.cpp splits it for `tokenizer.ggml.pre = qwen2`; `export.py` writes that name into the file, and
`check.py` compares the ids of both.
"""

import sys
from itertools import islice

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import END, START, STOP, documents

VOCABULARY = 2048
PRE = "qwen2"
# The pattern of that name in llama.cpp's src/llama-vocab.cpp, which is the one that Qwen2's tokenizer.json publishes.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
           r"|\s+(?!\S)|\s+")
SPECIAL = [STOP, START, END]

CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def train(seed, count):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    texts = ("".join(text for text, _ in parts) for parts in islice(documents(seed, count, stage=0), count))
    tokenizer.train_from_iterator((split for text in texts for split in without_special(text)), trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY, tokenizer.get_vocab_size()
    return tokenizer


def without_special(text):
    for mark in SPECIAL:
        text = text.replace(mark, "\0")
    return [piece for piece in text.split("\0") if piece]


if __name__ == "__main__":
    train(seed=11, count=60_000).save(sys.argv[1])
