"""Whether a server wants requests: it does until it is told to end, and then answers on a while."""

import dataclasses

__all__ = ["Readiness"]


@dataclasses.dataclass(slots=True)
class Readiness:
    """Say whether a server wants requests.

    Attributes:
        draining: the server is about to end: it answers, says that it is not ready, and asks for
            every connection to be closed.
    """

    draining: bool = False
