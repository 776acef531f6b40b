"""The endpoint of a published model for programs on an event loop.

It asks as an `Endpoint` does, and waits for answers without holding a thread, so that hundreds of
requests can be under way; the server runs as one batch what comes while it is busy.
"""

import asyncio
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from maasnb.client.endpoint import Array, Endpoint
from maasnb.client.http import AsyncConnection
from maasnb.errors import EndpointError, RequestError, UnknownNameError

__all__ = ["AsyncEndpoint"]


class AsyncEndpoint:
    """A model behind a URL, asked without waiting threads.

    Attributes:
        endpoint: the same model for calls that wait: its signature, labels and metadata.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Take an endpoint, such as `connect` returns; nothing is sent."""
        self.endpoint = endpoint
        self._connection: AsyncConnection = endpoint.connection.asynchronous()

    @classmethod
    async def open(
        cls, url: str, token: str, name: str, *, version: int | None = None
    ) -> "AsyncEndpoint":
        """Connect to a model on a server.

        Args:
            url: the server's address.
            token: what the server asks for; empty for none.
            name: the model's name.
            version: the version that is to answer; None for the newest at each call.

        Raises:
            UnknownNameError: the server has no such model or version.
            EndpointError: the server is not there.
            AccessError: it refuses the token.
        """
        return cls(await asyncio.to_thread(Endpoint.open, url, token, name, version=version))

    async def __aenter__(self) -> Self:
        """Return itself; the connection is closed at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection for good."""
        await self._connection.close()

    async def ready(self) -> bool:
        """Say whether the server is there and the model can answer."""
        try:
            answer = await self._connection.get(self.endpoint.ready_path)
        except (EndpointError, UnknownNameError, RequestError):
            return False
        return answer.get("ready", True) is True

    async def predict(self, x: ArrayLike, *, timeout_s: float | None = None) -> Array:
        """Return the model's answers to raw examples.

        Args:
            x: raw examples [n, ...] as the data has them; a single one counts as a batch of one.
            timeout_s: how long each request may take, seconds; two minutes by default.

        Returns:
            Probabilities or values [n, outputs], float32.

        Raises:
            ShapeError: the examples are not of the model's shape.
            DataError: they are no finite numbers of the model's datatype.
            DeadlineError: the answer took too long.
            OverloadError: the server has too much to do.
            EndpointError: the server is not there or fails.
        """
        binary = await self._connection.speaks_binary()
        parts = []
        for path, content, headers in self.endpoint.requests(x, binary=binary):
            found, told = await self._connection.infer(path, content, headers, timeout_s)
            parts.append(self.endpoint.answer(found, told))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    async def classify(self, x: ArrayLike, *, timeout_s: float | None = None) -> Array:
        """Return the label of the most probable class of each raw example.

        Args:
            x: raw examples [n, ...]; one single example counts as a batch of one.
            timeout_s: how long each request may take, seconds; two minutes by default.

        Returns:
            Labels [n], text.

        Raises:
            OptionError: the model is no classifier.
        """
        self.endpoint.check_classes()
        return self.endpoint.labelled(await self.predict(x, timeout_s=timeout_s))
