"""The command line: `maasnb serve`, `token`, `audit`, `prune`, `doctor` and `--version`."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from maasnb.commands.audit import add_audit
from maasnb.commands.places import add_store, add_workspace, workspace_of
from maasnb.commands.prune import add_prune
from maasnb.commands.tokens import add_token
from maasnb.errors import MaasError
from maasnb.serve.server import ServerOptions, run_server
from maasnb.serve.tokens import TOKEN_FILE
from maasnb.settings import VERSION

__all__ = ["main", "make_parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words of the command line after `maasnb`; those of the process by default.

    Returns:
        The exit status: 0, or 1 where the command failed and said why.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except MaasError as error:
        sys.stderr.write(f"maasnb: {error}\n")
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="maasnb", description="Model as a service, from a notebook."
    )
    parser.add_argument("--version", action="version", version=f"maasnb {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve the published models of a workspace over HTTP")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument(
        "--port", type=int, default=8080, help="port, 0 for a free one (%(default)s)"
    )
    add_workspace(serve)
    add_store(serve)
    serve.add_argument(
        "--runtimes",
        default="onnx",
        help="formats that may run, with commas: onnx, stablehlo (%(default)s)",
    )
    serve.add_argument("--embedded", action="store_true", help="end when the standard input closes")
    serve.add_argument(
        "--insecure",
        action="store_true",
        help="listen on an address that other machines reach, without TLS",
    )
    serve.add_argument("--tls-cert", type=Path, default=None, help="PEM file of the certificate")
    serve.add_argument("--tls-key", type=Path, default=None, help="PEM file of its private key")
    serve.add_argument(
        "--drain",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="how long to answer on after SIGTERM, with readiness false (%(default)g)",
    )
    serve.set_defaults(command=_serve)

    add_token(commands)
    add_audit(commands)
    add_prune(commands)

    doctor = commands.add_parser(
        "doctor", help="report what works here, with a fix for what does not"
    )
    doctor.set_defaults(command=_doctor)
    return parser


def _serve(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    home = workspace_of(options)

    def announce(url: str) -> None:
        if options.embedded:
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
            # Nobody reads on; whatever is printed from here belongs into the log.
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        else:
            sys.stdout.write(f"maasnb serves {home} on {url}\nToken: {home / TOKEN_FILE}\n")
            sys.stdout.flush()

    run_server(
        ServerOptions(
            workspace=home,
            host=options.host,
            port=options.port,
            runtimes=tuple(name.strip() for name in options.runtimes.split(",") if name.strip()),
            embedded=options.embedded,
            insecure=options.insecure,
            store=options.store,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            drain_s=max(options.drain, 0.0),
        ),
        announce,
    )
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from maasnb.diagnosis import doctor  # noqa: PLC0415 - looks at every installed package

    sys.stdout.write(f"{doctor()}\n")
    return 0
