"""Recurrent layers in plain flax: the inputs of all steps at once, then a scan over the states.

Flax has cells for them, too; these have the two biases of torch's (and cuDNN's) and multiply all
inputs in one product before the scan. Padding stands at the end of a sequence, as in torch.
"""

import jax
import jax.numpy as jnp
from flax import nnx

__all__ = ["Recurrent", "Scan", "backwards", "last_state"]


def last_state(states: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Return the state after each sequence's last real token [batch, units]."""
    if mask is None:
        return states[:, -1]
    last = jnp.where(mask, jnp.arange(mask.shape[1]), 0).max(axis=1)
    return jnp.take_along_axis(states, last[:, None, None], axis=1)[:, 0]


def backwards(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Return sequences from their last real token to their first; padding stays behind."""
    if mask is None:
        return x[:, ::-1]
    steps = jnp.arange(mask.shape[1])
    length = jnp.where(mask, steps + 1, 0).max(axis=1, keepdims=True)
    places = jnp.where(steps < length, length - 1 - steps, steps)
    return jnp.take_along_axis(x, places[:, :, None], axis=1)


class Scan(nnx.Module):
    """Read sequences step by step: an RNN, a GRU or an LSTM, and all of its states."""

    def __init__(self, kind: str, width: int, units: int, *, rngs: nnx.Rngs) -> None:
        """Make a linear layer for the inputs and one for the state, initialised as flax's cells."""
        self.kind = kind
        self.units = units
        gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
        self.inputs = nnx.Linear(width, gates * units, rngs=rngs)
        self.state = nnx.Linear(
            units, gates * units, kernel_init=nnx.initializers.orthogonal(), rngs=rngs
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the states [batch, steps, units] for [batch, steps, width]."""
        step = {"RNN": self._rnn, "GRU": self._gru, "LSTM": self._lstm}[self.kind]
        inputs = self.inputs(x).swapaxes(0, 1)
        start = jnp.zeros((x.shape[0], self.units), inputs.dtype)
        carry = (start, start) if self.kind == "LSTM" else start
        _, states = jax.lax.scan(step, carry, inputs)
        return states.swapaxes(0, 1)

    def _rnn(self, h: jax.Array, given: jax.Array) -> tuple[jax.Array, jax.Array]:
        h = jnp.tanh(given + self.state(h))
        return h, h

    def _gru(self, h: jax.Array, given: jax.Array) -> tuple[jax.Array, jax.Array]:
        given_r, given_z, given_n = jnp.split(given, 3, axis=-1)
        state_r, state_z, state_n = jnp.split(self.state(h), 3, axis=-1)
        z = jax.nn.sigmoid(given_z + state_z)
        n = jnp.tanh(given_n + jax.nn.sigmoid(given_r + state_r) * state_n)
        h = (1 - z) * n + z * h
        return h, h

    def _lstm(
        self, carry: tuple[jax.Array, jax.Array], given: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        h, c = carry
        i, f, g, o = jnp.split(given + self.state(h), 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h


class Recurrent(nnx.Module):
    """Stack recurrent layers, each from one end or from both, and return the states or the last."""

    def __init__(
        self,
        kind: str,
        width: int,
        units: int,
        layers: int = 1,
        *,
        sequences: bool = False,
        bidirectional: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        """Make `ahead1`, `ahead2` and so on; of a bidirectional one `back1`, `back2`, too."""
        self.layers = layers
        self.sequences = sequences
        self.bidirectional = bidirectional
        for number in range(1, layers + 1):
            setattr(self, f"ahead{number}", Scan(kind, width, units, rngs=rngs))
            if bidirectional:
                setattr(self, f"back{number}", Scan(kind, width, units, rngs=rngs))
            width = (1 + bidirectional) * units

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Return the states [batch, steps, units], or [batch, units]; a mask says what is real."""
        ahead = back = x
        for number in range(1, self.layers + 1):
            ahead = getattr(self, f"ahead{number}")(x)
            if self.bidirectional:
                back = getattr(self, f"back{number}")(backwards(x, mask))
                back = backwards(back, mask)
            x = jnp.concatenate([ahead, back], axis=-1) if self.bidirectional else ahead
        if self.sequences:
            return x
        last = last_state(ahead, mask)
        return jnp.concatenate([last, back[:, 0]], axis=-1) if self.bidirectional else last
