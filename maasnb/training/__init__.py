"""Training: the verb `train`, the loop behind it, its pace, and the way back from a bad step."""

from maasnb.training.starting import train
from maasnb.training.stopping import EarlyStop

__all__ = ["EarlyStop", "train"]
