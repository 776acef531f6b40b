"""What the server's routes share: the models, who may use them, and which version answers."""

import dataclasses
from pathlib import Path

from maasnb.registry.models import open_registry
from maasnb.serve.access import Access
from maasnb.serve.audit import AuditLog
from maasnb.serve.counters import Counters
from maasnb.serve.drift import Drift
from maasnb.serve.gate import Gate
from maasnb.serve.models import Models
from maasnb.serve.readiness import Readiness
from maasnb.serve.shadows import Shadows
from maasnb.serve.traffic import Traffic

__all__ = ["Services", "open_services"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Hand the parts of a server to its routes.

    Attributes:
        models: the models that are served.
        access: the tokens that are known.
        traffic: which version answers which request.
        counters: what was asked and answered so far.
        gate: what checks an artifact before it may answer.
        audit: where changes are written down.
        shadows: which versions answer copies, and how these answers differ.
        readiness: whether the server wants requests.
        drift: how what is asked and answered differs from the training data.
    """

    models: Models
    access: Access
    traffic: Traffic
    counters: Counters
    gate: Gate
    audit: AuditLog
    shadows: Shadows
    readiness: Readiness = dataclasses.field(default_factory=Readiness)
    drift: Drift = dataclasses.field(default_factory=Drift)


def open_services(workspace: Path, formats: tuple[str, ...], store: str | None = None) -> Services:
    """Return the parts of a workspace's server.

    Args:
        workspace: the folder with the registry and the token.
        formats: the program formats that may run.
        store: where the registry is, if not in the workspace.

    Raises:
        WorkspaceError: the workspace cannot be written.
        OptionError: the store's address cannot be used.
    """
    registry = open_registry(workspace, store)
    gate = Gate(registry, formats)
    models = Models(registry, formats, gate)
    return Services(
        models=models,
        access=Access(workspace),
        traffic=Traffic(registry),
        counters=Counters(),
        gate=gate,
        audit=AuditLog(workspace),
        shadows=Shadows(models),
    )
