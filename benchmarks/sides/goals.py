"""What maasnb is compared with, and how fast it is meant to be."""

__all__ = ["AGAINST", "BY_HAND", "GOALS", "goal_of"]

BY_HAND = ("hand-written", "best-hand-written")

AGAINST = {
    "torch": (
        *BY_HAND,
        "lightning",
        "lightning-logging",
        "hf-trainer",
        "fastai",
        "skorch",
        "keras-torch",
    ),
    "jax": (*BY_HAND, "nnx-jit", "keras-jax", "keras-jax-16"),
}
"""The other sides by the library below them."""

GOALS = {
    ("digits-mlp", "torch", "hand-written"): 1.35,
    ("digits-mlp", "torch", "best-hand-written"): 0.95,
    ("digits-mlp", "torch", "lightning"): 2.5,
    ("digits-mlp", "torch", "lightning-logging"): 3.5,
    ("digits-mlp", "torch", "hf-trainer"): 2.5,
    ("digits-mlp", "torch", "fastai"): 3.0,
    ("digits-mlp", "torch", "skorch"): 1.8,
    ("digits-mlp", "torch", "keras-torch"): 5.0,
    ("digits-mlp", "jax", "hand-written"): 3.0,
    ("digits-mlp", "jax", "best-hand-written"): 2.0,
    ("digits-mlp", "jax", "nnx-jit"): 10.0,
    ("digits-mlp", "jax", "keras-jax"): 4.0,
    ("digits-mlp", "jax", "keras-jax-16"): 1.7,
    ("lstm-text", "torch", "best-hand-written"): 0.98,
    ("tiny-gpt", "torch", "best-hand-written"): 0.98,
    ("cnn", "torch", "best-hand-written"): 0.98,
    ("cnn", "jax", "best-hand-written"): 0.98,
    ("cnn", "torch", "lightning"): 1.15,
    ("cnn", "torch", "fastai"): 1.25,
}


def goal_of(workload: str, framework: str, against: str) -> float:
    """Return the ratio that is wanted; where none is named, maasnb is not to be slower."""
    return GOALS.get((workload, framework, against), 1.0)
