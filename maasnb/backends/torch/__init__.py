"""PyTorch behind the seam: the only folder that imports torch."""

from maasnb.backends.torch.backend import backend

__all__ = ["backend"]
