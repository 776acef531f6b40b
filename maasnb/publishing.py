"""Publishing: from a trained run in a cell to an endpoint that answers, and back to it by name.

A publish freezes the run, runs the exported program against the notebook's own outputs, and only
then sends what the server does not have. Without `to` the server is the workspace's own, started at
the first need.
"""

import os
import shlex
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from numpy.typing import ArrayLike

from maasnb.artifacts.freezing import PublishableRun, freeze
from maasnb.backends.protocol import Array
from maasnb.client.endpoint import Endpoint
from maasnb.client.http import Connection
from maasnb.client.meters import Meter
from maasnb.client.uploads import upload
from maasnb.errors import ModelError, described
from maasnb.runtimes.verification import verify
from maasnb.serve.embedded import ensure_server
from maasnb.serve.server import is_loopback
from maasnb.serve.tokens import TOKEN_FILE, workspace_token
from maasnb.settings import workspace

__all__ = [
    "TOKEN_VARIABLE",
    "Predictor",
    "connect",
    "predict",
    "publish",
]

TOKEN_VARIABLE = "MAASNB_TOKEN"


class Predictor(Protocol):
    """What answers for raw examples: a run or an endpoint."""

    def predict(self, x: ArrayLike) -> Array:
        """Return probabilities or values [n, outputs], float32."""
        ...


def publish(
    run: PublishableRun,
    name: str | None = None,
    *,
    to: str | None = None,
    token: str | None = None,
    alias: str | None = None,
) -> Endpoint:
    """Publish a trained run as the next version of a served model.

    Args:
        run: the trained run.
        name: the model's name on the server; the data's name by default.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.
        alias: what to point to the new version: `"prod"` has it answer all requests that name no
            version, another word is one that requests can name; by default nothing.

    Returns:
        The endpoint of that version; of the latest one where it is this very model already, which
        the endpoint then says.

    Raises:
        ExportError: the run is untrained, or its export fails or answers differently.
        OptionError: the name cannot be used.
        ConflictError: somebody else moved the alias meanwhile; the version is published.
        EndpointError: the server is not there.
        AccessError: the server refuses the token.
        WorkspaceError: the workspace cannot be written.
    """
    if not isinstance(getattr(run, "steps", None), int):
        message = (
            f"{described(run)} cannot be published; expected the run that "
            "training returned. Type: run = mb.train(model, data); mb.publish(run, 'name')"
        )
        raise ModelError(message)
    artifact = freeze(run, run.data.name if name is None else name)
    verify(run, artifact)
    url, secret, hint = _server(to, token)
    connection = Connection(url, secret)
    served_as = artifact.manifest.name
    meter = Meter(f"Publishing {served_as!r}")
    try:
        done = upload(artifact, connection, alias=alias, told=meter.tell)
    finally:
        meter.end()
        connection.close()
    remark = "" if done.created else f"version {done.version} was this very model already"
    return Endpoint.open(
        url, secret, served_as, version=done.version, token_hint=hint, remark=remark
    )


def connect(
    name: str, *, to: str | None = None, token: str | None = None, version: int | str | None = None
) -> Endpoint:
    """Connect to a published model by its name.

    Args:
        name: the model's name on the server.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.
        version: the version that answers, a number or an alias; by default the one that the server
            chooses at each call: that of the alias `prod`, else the newest.

    Returns:
        The endpoint.

    Raises:
        UnknownNameError: the server has no such model or version.
        EndpointError: the server is not there.
        AccessError: the server refuses the token.
    """
    url, secret, hint = _server(to, token)
    return Endpoint.open(url, secret, name, version=version, token_hint=hint)


def predict(source: Predictor | str, x: ArrayLike) -> Array:
    """Return a model's answers to raw examples.

    Args:
        source: an endpoint, the name of a published model, or a run.
        x: raw examples [n, ...] as the data has them.

    Returns:
        Probabilities or values [n, outputs], float32.

    Raises:
        ModelError: the source is none of these.
    """
    if isinstance(source, str):
        return connect(source).predict(x)
    if not callable(getattr(source, "predict", None)):
        message = (
            f"{described(source)} cannot predict; expected an endpoint, "
            "the name of a published model, or a run. Type: mb.predict('name', x)"
        )
        raise ModelError(message)
    return source.predict(x)


def _server(to: str | None, token: str | None) -> tuple[str, str, str]:
    """Return a server's URL, its token, and the shell expression that reads the token."""
    home = workspace()
    if to is None:
        address = ensure_server(home)
        return address.url, token or address.token, _hint(address.token_file)
    given = token or os.environ.get(TOKEN_VARIABLE, "")
    if given:
        return to, given, f"${TOKEN_VARIABLE}"
    path = home / TOKEN_FILE
    # The workspace's token is for this machine's servers; no other is to learn it.
    if path.exists() and is_loopback(urlsplit(to).hostname or ""):
        return to, workspace_token(home), _hint(path)
    return to, "", f"${TOKEN_VARIABLE}"


def _hint(path: Path) -> str:
    # Inside the double quotes of the header; a path with a quote or dollar in it stays one word.
    return f"$(cat {shlex.quote(str(path))})"
