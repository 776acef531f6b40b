"""The option that says which workspace a command is about."""

import argparse
from pathlib import Path

from maasnb.settings import workspace

__all__ = ["add_workspace", "workspace_of"]


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """Add the option `--workspace` to a command."""
    parser.add_argument(
        "--workspace",
        type=Path,
        default=None,
        help="folder of models and tokens (MAASNB_HOME or ./maas)",
    )


def workspace_of(options: argparse.Namespace) -> Path:
    """Return the workspace that a command is about, as an absolute path."""
    return (options.workspace or workspace()).expanduser().absolute()
