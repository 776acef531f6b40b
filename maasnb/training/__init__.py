"""Training: the verbs `train`, `fork` and `replay`, the loop behind them, and what it keeps."""

from maasnb.training.branching import fork
from maasnb.training.replaying import replay
from maasnb.training.starting import train
from maasnb.training.stopping import EarlyStop

__all__ = ["EarlyStop", "fork", "replay", "train"]
