"""Attention and Transformer blocks in plain torch."""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attention", "Block", "Transformer", "sinusoids"]


class Attention(nn.Module):
    """Let each place of a sequence look at the others, with several heads."""

    def __init__(self, width: int, heads: int, *, causal: bool = False) -> None:
        """Make one linear layer for queries, keys and values, and one for the output."""
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what each place found [batch, length, width]; the mask says which are real."""
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]  # each [batch, heads, length, size]
        if mask is None:
            found = functional.scaled_dot_product_attention(
                query, key, value, is_causal=self.causal
            )
        else:
            # Each place sees itself, so that one of a sequence of padding has something to see.
            every = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device)
            seen = mask[:, None, None, :] | (every.tril() & every.triu())
            seen = seen & every.tril() if self.causal else seen
            found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.out(found.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Look at the other places, then think about each by itself; the signal goes around both."""

    def __init__(
        self, width: int, heads: int, hidden: int, *, causal: bool, dropout: float
    ) -> None:
        """Make attention and a feed-forward layer, each behind a norm."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal=causal)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return [batch, length, width]."""
        x = x + self.dropout(self.attention(self.norm1(x), mask))
        return x + self.dropout(self.down(functional.gelu(self.up(self.norm2(x)))))


class Transformer(nn.Module):
    """Add positions to a sequence, then read it with blocks and a last norm."""

    def __init__(
        self,
        length: int,
        width: int,
        heads: int,
        layers: int,
        hidden: int,
        *,
        causal: bool,
        dropout: float,
        positions: str | None,
    ) -> None:
        """Make positions for sequences of up to `length`, the blocks and the norm."""
        super().__init__()
        self.layers = layers
        if positions == "learned":
            self.positions = nn.Embedding(length, width)
        elif positions == "sinusoidal":
            self.waves = nn.Buffer(sinusoids(length, width), persistent=False)
        self.kind = positions
        for number in range(1, layers + 1):
            block = Block(width, heads, hidden, causal=causal, dropout=dropout)
            self.add_module(f"block{number}", block)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return [batch, length, width]."""
        if self.kind == "learned":
            x = x + self.positions.weight[: x.shape[1]]
        elif self.kind == "sinusoidal":
            x = x + self.waves[: x.shape[1]]
        for number in range(1, self.layers + 1):
            x = getattr(self, f"block{number}")(x, mask)
        return self.norm(x)


def sinusoids(length: int, width: int) -> Tensor:
    """Return positions as sines, then cosines, of growing wave length [length, width]."""
    rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    angles = torch.arange(length, dtype=torch.float32)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
