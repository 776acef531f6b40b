"""The verbs that operate published models: which version answers, which one is tried, which goes.

Each takes an endpoint, or a model's name on a server; the server then is the workspace's own unless
`to` names another one.
"""

from maasnb.client.endpoint import Endpoint
from maasnb.errors import ModelError, OptionError, described
from maasnb.publishing import connect
from maasnb.records.observing import run_named
from maasnb.records.run import Run
from maasnb.study.reports import Report

__all__ = ["canary", "promote", "rollback", "shadow", "unpublish", "versions"]


def versions(
    endpoint: Endpoint | str, *, to: str | None = None, token: str | None = None
) -> Report:
    """List the versions of a published model, with what each one answers.

    Args:
        endpoint: an endpoint, or the name of a published model.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.

    Returns:
        A row a version: when it was published, its metrics, what it answers.

    Raises:
        UnknownNameError: the server has no such model.
    """
    return _endpoint(endpoint, to, token).status()


def promote(
    endpoint: Endpoint | str,
    version: int | None = None,
    *,
    alias: str = "prod",
    to: str | None = None,
    token: str | None = None,
) -> Report:
    """Have a version of a published model answer all requests that name none.

    Args:
        endpoint: an endpoint, or the name of a published model.
        version: the version; by default the endpoint's own.
        alias: another alias to point to it, which requests can name in place of a number.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.

    Returns:
        The model's versions afterwards.

    Raises:
        UnknownNameError: there is no such model or version.
    """
    return _endpoint(endpoint, to, token).promote(version, alias)


def rollback(
    target: Run | Endpoint | str,
    step: int | None = None,
    *,
    alias: str = "prod",
    to: str | None = None,
    token: str | None = None,
) -> Report | int | None:
    """Go back: a published model to the version before, or a run to an earlier step.

    Args:
        target: an endpoint or the name of a published model; with `step`, a run or the name of one
            of this kernel.
        step: of a run, how many steps are to stay; the newest kept state of at most so many is
            taken, and the run goes on from there.
        alias: of a published model, the alias that is moved back.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.

    Returns:
        The model's versions afterwards; of a run the step that was gone back to.

    Raises:
        UnknownNameError: there is no such model or run.
        ConflictError: the model has no version to go back to.
        OptionError: no state of the run that early is kept, or its step is missing.
        TrainingError: the run has ended.
    """
    if isinstance(target, Run) or (step is not None and isinstance(target, str)):
        run = run_named(target) if isinstance(target, str) else target
        if step is None:
            message = (
                f"How far is the run {run.name!r} to go back? Say how many steps are to stay. "
                "Type: mb.rollback(run, 500)"
            )
            raise OptionError(message)
        return run.rollback(step)
    return _endpoint(target, to, token).rollback(alias)


def canary(
    endpoint: Endpoint | str,
    version: int | None = None,
    *,
    percent: float = 10,
    to: str | None = None,
    token: str | None = None,
) -> Report:
    """Have a version of a published model answer a part of the requests, to try it.

    Args:
        endpoint: an endpoint, or the name of a published model.
        version: the version that is tried; without one the trial ends.
        percent: its part of the requests that name no version.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.

    Returns:
        The model's versions afterwards.

    Raises:
        UnknownNameError: there is no such model or version.
        RequestError: the version answers all requests already, or the part is no percentage.
    """
    return _endpoint(endpoint, to, token).canary(version, percent)


def shadow(
    endpoint: Endpoint | str,
    version: int | None = None,
    *,
    to: str | None = None,
    token: str | None = None,
) -> Report:
    """Have a version of a published model answer copies of the requests, to compare its answers.

    Args:
        endpoint: an endpoint, or the name of a published model.
        version: the version that gets the copies; without one that ends.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.

    Returns:
        The model's versions afterwards; `endpoint.shadowed` tells how the answers differ.

    Raises:
        UnknownNameError: there is no such model or version.
        RequestError: the version answers the requests itself.
    """
    return _endpoint(endpoint, to, token).shadow(version)


def unpublish(
    endpoint: Endpoint | str,
    version: int | None = None,
    *,
    to: str | None = None,
    token: str | None = None,
) -> None:
    """Take a version of a published model off the server, or the whole model.

    Args:
        endpoint: an endpoint, or the name of a published model.
        version: the version; without one the whole model.
        to: the server's URL; the workspace's own server by default.
        token: the server's token; by default MAASNB_TOKEN, or the workspace's token.

    Raises:
        UnknownNameError: there is no such model or version.
        ConflictError: an alias, the canary or the shadow is using the version.
    """
    _endpoint(endpoint, to, token).unpublish(version)


def _endpoint(endpoint: Endpoint | str, to: str | None, token: str | None) -> Endpoint:
    if isinstance(endpoint, str):
        return connect(endpoint, to=to, token=token)
    if not isinstance(endpoint, Endpoint):
        message = (
            f"{described(endpoint)} is not published; expected an endpoint or the name of a "
            "published model. Type: endpoint = mb.publish(run, 'name')"
        )
        raise ModelError(message)
    if to is not None or token is not None:
        message = (
            f"The endpoint {endpoint.name!r} has its server already ({endpoint.server}); 'to' and "
            "'token' go with a name. Type: mb.connect('name', to=..., token=...)"
        )
        raise OptionError(message)
    return endpoint
