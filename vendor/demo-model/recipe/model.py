"""A llama as llama.cpp computes it: RMS norm, rotary positions over neighbouring pairs, SwiGLU, tied embeddings."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Shape:
    """Widths are multiples of 256, the block of llama.cpp's k-quants."""

    n_vocab: int = 2048
    n_ctx: int = 1024
    n_embd: int = 256
    n_layer: int = 6
    n_head: int = 4
    n_ff: int = 768
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5

    @property
    def head_dim(self):
        return self.n_embd // self.n_head


def rotation(shape, length):
    """cos and sin, each [length, head_dim / 2]."""
    pairs = torch.arange(0, shape.head_dim, 2, dtype=torch.float32)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_base ** (-pairs / shape.head_dim))
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """x: [batch, head, length, head_dim]; the pair (2i, 2i+1) turns by the position's i-th angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.attn_norm = nn.RMSNorm(shape.n_embd, eps=shape.norm_epsilon)
        self.ffn_norm = nn.RMSNorm(shape.n_embd, eps=shape.norm_epsilon)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            setattr(self, name, nn.Linear(shape.n_embd, shape.n_embd, bias=False))
        self.ffn_gate = nn.Linear(shape.n_embd, shape.n_ff, bias=False)
        self.ffn_up = nn.Linear(shape.n_embd, shape.n_ff, bias=False)
        self.ffn_down = nn.Linear(shape.n_ff, shape.n_embd, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, length, width = x.shape
        y = self.attn_norm(x)
        q, k, v = (
            f(y).view(batch, length, self.shape.n_head, self.shape.head_dim).transpose(1, 2)
            for f in (self.attn_q, self.attn_k, self.attn_v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        # Written out: for short rows two matrix products are faster on a CPU than the fused attention.
        scores = q.to(v.dtype) @ k.to(v.dtype).mT * self.shape.head_dim**-0.5
        y = scores.float().masked_fill(~mask, float("-inf")).softmax(-1).to(v.dtype) @ v
        x = x + self.attn_output(y.transpose(1, 2).reshape(batch, length, width))
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Llama(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.n_vocab, shape.n_embd)
        self.blk = nn.ModuleList(Layer(shape) for _ in range(shape.n_layer))
        self.output_norm = nn.RMSNorm(shape.n_embd, eps=shape.norm_epsilon)
        cos, sin = rotation(shape, shape.n_ctx)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        nn.init.normal_(self.token_embd.weight, std=0.02)
        for name, weight in self.named_parameters():
            if weight.dim() == 2 and "token_embd" not in name:
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
            if name.endswith(("attn_output.weight", "ffn_down.weight")):
                nn.init.zeros_(weight)

    def forward(self, tokens, mask=None):
        """tokens: [batch, length]; mask: [batch, 1, length, length], true where a token may look; gives logits."""
        length = tokens.shape[1]
        if mask is None:
            mask = torch.ones(length, length, dtype=torch.bool).tril()
        # The rotation is rounded to the activations' type, so that the compiled graph stays in one type.
        x = self.token_embd(tokens)
        cos, sin = self.cos[:length], self.sin[:length]
        for layer in self.blk:
            x = layer(x, cos, sin, mask)
        return F.linear(self.output_norm(x), self.token_embd.weight)
