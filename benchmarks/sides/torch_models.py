"""The workloads' models as torch modules, the same for maasnb, the loops by hand and the peers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.sides.workloads import CONTEXT, VOCABULARY, Workload

__all__ = ["loss_of", "make_model"]


class Perceptron(nn.Module):
    """Two hidden layers, 64-64-32-10."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(64, 64)
        self.second = nn.Linear(64, 32)
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.second(functional.relu(self.first(x)))))


class TextClassifier(nn.Module):
    """An embedding of 64 numbers and two LSTM layers of 128, of which the last output is used."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64)
        self.lstm = nn.LSTM(64, 128, num_layers=2, batch_first=True)
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.lstm(self.embedding(x))
        return self.head(outputs[:, -1])


class Convolutional(nn.Module):
    """Two convolutions of 8 and 16 channels, each with pooling, on images [batch, 28, 28]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Linear(16 * 7 * 7, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.first(x[:, None])), 2)
        x = functional.max_pool2d(functional.relu(self.second(x)), 2)
        return self.head(x.flatten(1))


class Block(nn.Module):
    """Causal attention with 4 heads and a layer of 256, each after a norm and beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.other_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = (
            self.asked(self.norm(x)).view(batch, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        )
        seen = functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.joined(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.narrow(functional.gelu(self.wide(self.other_norm(x))))


class TinyGPT(nn.Module):
    """Two blocks of width 64 that say of each character which one comes next."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(classes, 64)
        self.places = nn.Embedding(CONTEXT, 64)
        self.blocks = nn.Sequential(Block(64), Block(64))
        self.norm = nn.LayerNorm(64)
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        return self.head(self.norm(self.blocks(self.tokens(x) + self.places(places))))


_MODELS = {
    "digits-mlp": Perceptron,
    "lstm-text": TextClassifier,
    "cnn": Convolutional,
    "tiny-gpt": TinyGPT,
}


def make_model(workload: Workload) -> nn.Module:
    """Return a workload's model with the initial weights of seed 0."""
    torch.manual_seed(0)
    return _MODELS[workload.name](workload.classes)


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross entropy over examples, and over their tokens where there are some."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())
