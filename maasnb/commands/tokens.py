"""`maasnb token create|list|revoke`: who may do what with the models of a workspace."""

import argparse
import datetime as dt
import re
import sys

from maasnb.commands.places import add_workspace, workspace_of
from maasnb.serve.audit import AuditLog, shell_user
from maasnb.serve.issued import PERMISSIONS, IssuedToken, issue, issued_tokens, revoke
from maasnb.tables import aligned

__all__ = ["add_token"]

DURATION = re.compile(r"([0-9]{1,6})(m|h|d|w)\Z")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
COLUMNS = ("name", "permission", "models", "requests/s", "expires", "created")


def add_token(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `token` to the command line."""
    token = commands.add_parser(
        "token",
        help="make, list and revoke tokens for a workspace's models",
        description="Tokens say who may do what with the models of a workspace. The servers of the "
        "workspace see a change within a second.",
    )
    kinds = token.add_subparsers(title="commands", required=True, metavar="COMMAND")

    create = kinds.add_parser(
        "create",
        help="make a token and print it, this once",
        description="Make a token and print it on the standard output, this once: the workspace "
        "keeps its SHA-256 only.",
    )
    create.add_argument(
        "name", nargs="?", default="", help="what to call it (made from the permission)"
    )
    create.add_argument(
        "--permission",
        choices=PERMISSIONS,
        default="predict",
        help="what it allows; publish includes predict, admin includes both (%(default)s)",
    )
    create.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only for models whose name is like this, such as 'digits*'; can be given more than "
        "once (all models)",
    )
    create.add_argument(
        "--expires", type=_lifetime, default=None, metavar="30d", help="valid for so long (ever)"
    )
    create.add_argument(
        "--rate", type=float, default=None, metavar="N", help="at most N requests a second (any)"
    )
    add_workspace(create)
    create.set_defaults(command=_create)

    listing = kinds.add_parser("list", help="list the tokens, with what they allow")
    add_workspace(listing)
    listing.set_defaults(command=_list)

    revoking = kinds.add_parser("revoke", help="make tokens worthless")
    revoking.add_argument("names", nargs="+", metavar="NAME", help="the token's name")
    add_workspace(revoking)
    revoking.set_defaults(command=_revoke)


def _create(options: argparse.Namespace) -> int:
    home = workspace_of(options)
    token, stored = issue(
        home,
        options.permission,
        name=options.name,
        models=tuple(options.model),
        lifetime=options.expires,
        rate=options.rate,
    )
    AuditLog(home).write(
        shell_user(), "token create", token=stored.name, digest=stored.digest, allows=_words(stored)
    )
    sys.stderr.write(
        f"The token {stored.name!r} of {home}: {_words(stored)}.\nIt is shown this once. Send it "
        f"as 'Authorization: Bearer ...'. To end it: maasnb token revoke {stored.name}\n"
    )
    sys.stdout.write(f"{token}\n")
    return 0


def _list(options: argparse.Namespace) -> int:
    home = workspace_of(options)
    tokens = issued_tokens(home)
    if not tokens:
        sys.stdout.write(
            f"No tokens were issued in {home}; its own is in the file 'token'.\n"
            "Make one: maasnb token create --permission predict\n"
        )
        return 0
    now = dt.datetime.now(dt.UTC)
    rows = [
        (
            token.name,
            _permission(token),
            " ".join(token.models) or "all",
            f"{token.rate:g}" if token.rate is not None else "any",
            _end(token, now),
            f"{token.created:%Y-%m-%d %H:%M}",
        )
        for token in tokens
    ]
    sys.stdout.write(f"{aligned(rows, COLUMNS)}\n")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    home = workspace_of(options)
    for name in options.names:
        revoke(home, name)
        AuditLog(home).write(shell_user(), "token revoke", token=name)
        sys.stdout.write(f"The token {name!r} is revoked; servers refuse it within a second.\n")
    return 0


def _lifetime(text: str) -> dt.timedelta:
    found = DURATION.match(text)
    if not found:
        message = f"{text!r} is no time span; expected such as 30d, 12h, 45m or 4w"
        raise argparse.ArgumentTypeError(message)
    return dt.timedelta(**{UNITS[found[2]]: int(found[1])})


def _permission(token: IssuedToken) -> str:
    return next((each for each in PERMISSIONS[::-1] if each in token.permissions), "none")


def _end(token: IssuedToken, now: dt.datetime) -> str:
    if token.expires is None:
        return "never"
    return "expired" if token.expired(now) else f"{token.expires:%Y-%m-%d %H:%M}"


def _words(token: IssuedToken) -> str:
    models = f"models called {' or '.join(token.models)}" if token.models else "all models"
    rate = f", {token.rate:g} requests a second" if token.rate is not None else ""
    end = f", until {token.expires:%Y-%m-%d %H:%M} UTC" if token.expires else ""
    return f"{_permission(token)}, {models}{rate}{end}"
