"""Who asks, and what they may do: a request's token becomes a principal with permissions."""

import dataclasses
from typing import Literal

from maasnb.errors import AccessError, ForbiddenError
from maasnb.serve.answers import Scope, header
from maasnb.serve.tokens import same_token

__all__ = ["PERMISSIONS", "Access", "Permission", "Principal", "principal_of"]

Permission = Literal["predict", "publish", "admin"]
PERMISSIONS: tuple[Permission, ...] = ("predict", "publish", "admin")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Say who sent a request.

    Attributes:
        name: what the token is called in logs; never the token.
        permissions: what the token allows.
    """

    name: str
    permissions: frozenset[Permission]

    def require(self, permission: Permission, model: str | None = None) -> None:
        """Pass if the token allows something.

        Args:
            permission: what is to be done.
            model: the model that it is done to; None where no one model is meant.

        Raises:
            ForbiddenError: the token does not allow it.
        """
        if permission in self.permissions or "admin" in self.permissions:
            return
        what = f"{permission!r}" if model is None else f"{permission!r} of the model {model!r:.80}"
        message = (
            f"The token {self.name!r} does not allow {what}; it allows "
            f"{', '.join(sorted(self.permissions)) or 'nothing'}. Ask for another token."
        )
        raise ForbiddenError(message)


NOBODY = Principal(name="nobody", permissions=frozenset())


class Access:
    """The tokens of a workspace."""

    def __init__(self, token: str) -> None:
        """Take the workspace's own token, which allows everything."""
        self.token = token
        self._owner = Principal(name="workspace", permissions=frozenset(PERMISSIONS))

    def principal(self, scope: Scope) -> Principal:
        """Return who sent a request.

        Raises:
            AccessError: the token is missing or not known.
        """
        given = header(scope, b"authorization")
        scheme, _, token = given.partition(" ")
        if scheme.lower() == "bearer" and same_token(token.strip(), self.token):
            return self._owner
        what = "is not the token of this server" if given else "is missing"
        message = (
            f"The token {what}; expected the header 'Authorization: Bearer ...' with the "
            "content of the file 'token' in the server's workspace."
        )
        raise AccessError(message)


def principal_of(scope: Scope) -> Principal:
    """Return who sent a request that the application let through; nobody on a public path."""
    return scope.get("maasnb.principal", NOBODY)
