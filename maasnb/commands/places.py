"""The options that say which workspace and store a command is about."""

import argparse
from pathlib import Path

from maasnb.settings import workspace

__all__ = ["add_store", "add_workspace", "workspace_of"]


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """Add the option `--workspace` to a command."""
    parser.add_argument(
        "--workspace",
        type=Path,
        default=None,
        help="folder of models and tokens (MAASNB_HOME or ./maas)",
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the option `--store` to a command."""
    parser.add_argument(
        "--store",
        default=None,
        metavar="PLACE",
        help="where the models are: a folder or s3://bucket/prefix (MAASNB_STORE or the workspace)",
    )


def workspace_of(options: argparse.Namespace) -> Path:
    """Return the workspace that a command is about, as an absolute path."""
    return (options.workspace or workspace()).expanduser().absolute()
