"""`maasnb prune`: make room by deleting what no published version needs."""

import argparse
import datetime as dt
import os
import sys
from pathlib import Path

from maasnb.client.meters import Meter
from maasnb.commands.places import add_store, add_workspace, workspace_of
from maasnb.errors import WorkspaceError
from maasnb.registry.folders import FolderStore
from maasnb.registry.models import open_registry
from maasnb.registry.pruning import Pruned, Tally, prune
from maasnb.serve.audit import AuditLog, shell_user
from maasnb.serve.uploads import sweep

__all__ = ["add_prune"]


def add_prune(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `prune` to the command line."""
    parser = commands.add_parser(
        "prune",
        help="make room: delete what no published version needs",
        description="Delete the weights and programs that no version needs: of versions that were "
        "unpublished long ago, and of publishes that never ended. What is not needed is condemned "
        "first, and deleted by a prune a day later, unless somebody published it meanwhile; so run "
        "this once a day. Servers may go on meanwhile. Version numbers and manifests stay.",
    )
    add_workspace(parser)
    add_store(parser)
    parser.add_argument(
        "--days",
        type=float,
        default=30.0,
        metavar="N",
        help="keep what was unpublished less than N days ago, so that it can be restored "
        "(%(default)g)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and change nothing"
    )
    parser.add_argument(
        "--now",
        action="store_true",
        help="delete at once, without the day between; only while nobody publishes or restores",
    )
    parser.set_defaults(command=_prune)


def _prune(options: argparse.Namespace) -> int:
    home = workspace_of(options)
    registry = open_registry(home, options.store)
    if isinstance(registry.store, FolderStore):
        _check_folder(registry.store.folder)
    meter = Meter("Pruning")
    try:
        pruned = prune(
            registry,
            days=options.days,
            now=options.now,
            dry_run=options.dry_run,
            told=meter.tell,
        )
    finally:
        meter.end()
    given_up_bytes = sweep(registry.uploads, dry_run=options.dry_run)
    changed = pruned.condemned.count + pruned.deleted.count + given_up_bytes
    # Not where this is no server's workspace, but a machine that prunes a store.
    if changed and not options.dry_run and home.is_dir():
        AuditLog(home).write(
            shell_user(),
            "prune",
            condemned=pruned.condemned.count,
            deleted=pruned.deleted.count,
            freed_bytes=pruned.deleted.size_bytes + given_up_bytes,
            days=options.days,
            now=options.now or None,
        )
    sys.stdout.write(f"{_told(pruned, given_up_bytes, dry_run=options.dry_run)}\n")
    return 0


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        message = (
            f"There is no registry in {str(folder)!r}; expected the folder of a server's models. "
            "Type: maasnb prune --workspace /the/servers/workspace"
        )
        raise WorkspaceError(message)
    owner = folder.stat().st_uid
    if os.name != "nt" and os.geteuid() == 0 != owner:
        message = (
            f"The registry in {str(folder)!r} belongs to the user {owner}, and this is root, whose "
            f"files its server could not change. Type: sudo -u '#{owner}' maasnb prune ..."
        )
        raise WorkspaceError(message)


def _told(pruned: Pruned, given_up_bytes: int, *, dry_run: bool) -> str:
    """Return what was found and done, or would be, in plain words."""
    lines = [f"Needed, kept: {_size(pruned.needed)}."]
    if pruned.young.count:
        lines.append(
            f"Not needed, but stored or wanted within a day, kept for now: {_size(pruned.young)}."
        )
    if pruned.waiting.count:
        lines.append(f"Condemned before, less than a day ago: {_size(pruned.waiting)}.")
    if pruned.condemned.count:
        done = "would be condemned" if dry_run else "condemned"
        lines.append(f"Not needed, {done} now: {_size(pruned.condemned)}.")
    if pruned.busy.count:
        lines.append(f"Left to another prune or to who wants it: {_size(pruned.busy)}.")
    if pruned.due_s is not None:
        lines.append(
            f"A prune after {dt.datetime.fromtimestamp(pruned.due_s, dt.UTC):%Y-%m-%d %H:%M} UTC "
            "deletes what is condemned, unless it is published before."
        )
    freed = _size(pruned.deleted)
    if given_up_bytes:
        freed += f"; and {given_up_bytes / 1e6:.1f} MB that were half sent and given up on"
    if dry_run:
        lines.append(f"Would be deleted now: {freed}. Nothing was changed.")
    else:
        lines.append(f"Deleted: {freed}.")
    return "\n".join(lines)


def _size(tally: Tally) -> str:
    """Return a tally in words.

    >>> _size(Tally(count=1, size_bytes=1_250_000)), _size(Tally())
    ('1 blob, 1.2 MB', 'nothing')
    """
    if not tally.count:
        return "nothing"
    blobs = "1 blob" if tally.count == 1 else f"{tally.count:,} blobs"
    return f"{blobs}, {tally.size_bytes / 1e6:.1f} MB"
