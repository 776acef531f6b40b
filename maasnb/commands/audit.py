"""`maasnb audit`: who changed what and when."""

import argparse
import sys

from maasnb.commands.places import add_workspace, workspace_of
from maasnb.errors import OptionError
from maasnb.serve.audit import AuditLog
from maasnb.tables import aligned

__all__ = ["add_audit"]

FIRST = ("time", "who", "action")


def add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `audit` to the command line."""
    audit = commands.add_parser(
        "audit",
        help="show who published, changed and issued what",
        description="Show the last lines of the audit log. Its file is audit.jsonl in the "
        "workspace, one JSON object a line.",
    )
    audit.add_argument("--model", default=None, metavar="NAME", help="only what concerns a model")
    audit.add_argument(
        "-n", "--lines", type=int, default=20, help="how many lines at most (%(default)s)"
    )
    add_workspace(audit)
    audit.set_defaults(command=_audit)


def _audit(options: argparse.Namespace) -> int:
    if options.lines < 1:
        message = f"--lines is {options.lines}; expected at least 1."
        raise OptionError(message)
    log = AuditLog(workspace_of(options))
    rows = []
    for entry in log.read(options.lines, options.model):
        details = (f"{key}={value}" for key, value in entry.items() if key not in FIRST)
        rows.append((*(str(entry.get(key, "")) for key in FIRST), " ".join(details)))
    shown = aligned(rows, (*FIRST, "what")) if rows else f"Nothing is in {log.path} yet."
    # What senders wrote must not reach the terminal as control characters.
    sys.stdout.write("".join(c if c.isprintable() or c == "\n" else "?" for c in shown) + "\n")
    return 0
