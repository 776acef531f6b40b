"""The trainers of other projects on the same torch modules, each as lean as its options allow.

Lean means: no progress bar, no logger, no checkpoint, no validation. Their loaders, optimisers'
defaults and hooks are their own; all use Adam without weight decay.
"""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.sides.torch_models import loss_of, make_model
from benchmarks.sides.workloads import LR, Workload

__all__ = ["prepare_fastai", "prepare_hf", "prepare_lightning", "prepare_logging", "prepare_skorch"]


def tensors_of(workload: Workload) -> tuple[Tensor, Tensor]:
    """Return the rows as torch takes them."""
    return torch.tensor(workload.inputs), torch.tensor(workload.targets).long()


def prepare_lightning(workload: Workload) -> Callable[[], float]:
    """Return Lightning without logger, checkpoints, progress bar and summary."""
    return _lightning(workload, logs=False)


def prepare_logging(workload: Workload) -> Callable[[], float]:
    """Return the same, with `self.log` of the loss in each step."""
    return _lightning(workload, logs=True)


def _lightning(workload: Workload, *, logs: bool) -> Callable[[], float]:
    import lightning

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    tensors = tensors_of(workload)

    class Module(lightning.LightningModule):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any) -> Tensor:
            inputs, targets = batch
            loss = loss_of(self.model(inputs), targets)
            if logs:
                self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=LR)

    def run() -> float:
        model = make_model(workload)
        began = time.perf_counter()
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=workload.epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader = DataLoader(TensorDataset(*tensors), batch_size=workload.batch, shuffle=True)
        trainer.fit(Module(model), loader)
        return time.perf_counter() - began

    return run


def prepare_hf(workload: Workload) -> Callable[[], float]:
    """Return Hugging Face's Trainer; its optimiser is the fused AdamW, by its own default."""
    from transformers import Trainer, TrainingArguments

    inputs, targets = tensors_of(workload)
    examples = [{"x": x, "labels": y} for x, y in zip(inputs, targets, strict=True)]

    class Losing(nn.Module):
        """Return the loss from the module itself, as the Trainer wants it."""

        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            return {"loss": loss_of(self.model(x), labels)}

    def run() -> float:
        model = Losing(make_model(workload))
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            arguments = TrainingArguments(
                output_dir=folder,
                num_train_epochs=workload.epochs,
                per_device_train_batch_size=workload.batch,
                learning_rate=LR,
                lr_scheduler_type="constant",
                max_grad_norm=0,
                logging_strategy="no",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                dataloader_pin_memory=False,
            )
            Trainer(model=model, args=arguments, train_dataset=examples).train()
            return time.perf_counter() - began

    return run


def prepare_skorch(workload: Workload) -> Callable[[], float]:
    """Return skorch's net without callbacks and validation."""
    from skorch import NeuralNet

    inputs, targets = tensors_of(workload)

    class Criterion(nn.Module):
        def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return loss_of(outputs, targets)

    def run() -> float:
        model = make_model(workload)
        began = time.perf_counter()
        net = NeuralNet(
            model,
            criterion=Criterion,
            optimizer=torch.optim.Adam,
            lr=LR,
            batch_size=workload.batch,
            max_epochs=workload.epochs,
            iterator_train__shuffle=True,
            train_split=None,
            callbacks="disable",
            verbose=0,
        )
        net.fit(inputs, targets)
        return time.perf_counter() - began

    return run


def prepare_fastai(workload: Workload) -> Callable[[], float]:
    """Return fastai's Learner with its own Adam, without its bar and its validation."""
    from fastai.callback.core import Callback, CancelValidException
    from fastai.data.core import DataLoaders, TfmdDL
    from fastai.learner import Learner

    class WithoutValidation(Callback):
        def before_validate(self) -> None:
            raise CancelValidException

    dataset = TensorDataset(*tensors_of(workload))

    def run() -> float:
        model = make_model(workload)
        began = time.perf_counter()
        loader = TfmdDL(dataset, bs=workload.batch, shuffle=True, drop_last=False)
        learner = Learner(
            DataLoaders(loader, loader), model, loss_func=loss_of, lr=LR, cbs=WithoutValidation
        )
        with learner.no_logging():  # the bar is in a module that is not imported
            learner.fit(workload.epochs, wd=0)
        return time.perf_counter() - began

    return run
