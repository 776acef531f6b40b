"""Attention and Transformer blocks in plain flax."""

import jax
import jax.numpy as jnp
from flax import nnx

__all__ = ["Attention", "Block", "Transformer", "sinusoids"]


class Attention(nnx.Module):
    """Let each place of a sequence look at the others, with several heads."""

    def __init__(self, width: int, heads: int, *, causal: bool = False, rngs: nnx.Rngs) -> None:
        """Make one linear layer for queries, keys and values, and one for the output."""
        self.heads = heads
        self.causal = causal
        self.qkv = nnx.Linear(width, 3 * width, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Return what each place found [batch, length, width]; the mask says which are real."""
        parts = self.qkv(x).reshape(*x.shape[:-1], 3, self.heads, -1)
        query, key, value = (parts[..., each, :, :] for each in range(3))
        seen = None
        if mask is not None:  # each place sees itself, so that padding alone has something to see
            seen = mask[:, None, None, :] | jnp.eye(x.shape[1], dtype=bool)
        found = jax.nn.dot_product_attention(query, key, value, mask=seen, is_causal=self.causal)
        return self.out(found.reshape(x.shape))


class Block(nnx.Module):
    """Look at the other places, then think about each by itself; the signal goes around both."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        causal: bool,
        dropout: float,
        rngs: nnx.Rngs,
    ) -> None:
        """Make attention and a feed-forward layer, each behind a norm."""
        self.norm1 = nnx.LayerNorm(width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)
        self.attention = Attention(width, heads, causal=causal, rngs=rngs)
        self.norm2 = nnx.LayerNorm(width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)
        self.up = nnx.Linear(width, hidden, rngs=rngs)
        self.down = nnx.Linear(hidden, width, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Return [batch, length, width]."""
        x = x + self.dropout(self.attention(self.norm1(x), mask))
        hidden = nnx.gelu(self.up(self.norm2(x)), approximate=False)
        return x + self.dropout(self.down(hidden))


class Transformer(nnx.Module):
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
        rngs: nnx.Rngs,
    ) -> None:
        """Make positions for sequences of up to `length`, the blocks and the norm."""
        self.layers = layers
        self.kind = positions
        if positions == "learned":
            self.positions = nnx.Embed(length, width, rngs=rngs)
        for number in range(1, layers + 1):
            block = Block(width, heads, hidden, causal=causal, dropout=dropout, rngs=rngs)
            setattr(self, f"block{number}", block)
        self.norm = nnx.LayerNorm(width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Return [batch, length, width]."""
        if self.kind == "learned":
            x = x + self.positions.embedding[: x.shape[1]]
        elif self.kind == "sinusoidal":
            x = x + sinusoids(x.shape[1], x.shape[2]).astype(x.dtype)
        for number in range(1, self.layers + 1):
            x = getattr(self, f"block{number}")(x, mask)
        return self.norm(x)


def sinusoids(length: int, width: int) -> jax.Array:
    """Return positions as sines, then cosines, of growing wave length [length, width]."""
    rates = 10000.0 ** (-jnp.arange(0, width, 2, dtype=jnp.float32) / width)
    angles = jnp.arange(length, dtype=jnp.float32)[:, None] * rates
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
