"""Text from a server while it is written: the OpenAI-shaped stream of completions, read.

Each event of the answer is a line `data: {...}`; the last one is `data: [DONE]`. Leaving the stream
closes the connection, upon which the server stops writing.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from maasnb.client.http import Connection
from maasnb.errors import EndpointError
from maasnb.generation import Piece, Sampling, Stream, Text

__all__ = ["Writer"]

COMPLETIONS = "/v1/completions"


class Writer:
    """Write with a model on a server; the part of an `Endpoint` that is about text."""

    name: str
    version: int | str | None
    _connection: Connection

    def stream(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 256,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Stream:
        """Return the pieces of a text while the model writes it.

        Args:
            prompt: the text to write on from; where it is empty, a line begins.
            max_tokens: how many tokens are written at the most.
            temperature: 1 draws by the model's own probabilities, 0 takes the most probable token.
            top_k: only so many of the most probable tokens are drawn from; None for all.
            top_p: only the fewest tokens that hold this part of the probability are drawn from.
            seed: fixes what is written; None for anew each time.
            stop: texts at whose first occurrence the writing ends.

        Returns:
            What yields the pieces; nothing is asked of the server before the first is wanted.

        Raises:
            OptionError: an option cannot be used.
        """
        sampling = Sampling(
            max_tokens=max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
        )
        return self.write(prompt, sampling)

    def generate(self, prompt: str = "", **options: Any) -> Text:  # noqa: ANN401 - as `stream` takes
        """Return the text that the model writes behind a prompt; takes what `stream` takes.

        Raises:
            OptionError: an option cannot be used.
            RequestError: the model does not write text.
            EndpointError: the server is not there or fails.
        """
        return self.stream(prompt, **options).read()

    def write(self, prompt: str, sampling: Sampling) -> Stream:
        """Return the pieces of a text, drawn as a `Sampling` says."""
        return Stream(self._pieces(prompt, sampling))

    def _pieces(self, prompt: str, sampling: Sampling) -> Iterator[Piece]:
        model = self.name if self.version is None else f"{self.name}@{self.version}"
        request = {
            "model": model,
            "prompt": prompt,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop": list(sampling.stop),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        text, finish, tokens = None, None, 0
        for data in self._connection.events(COMPLETIONS, request):
            if data == "[DONE]":
                yield Piece(text=text or "", tokens=tokens, finish=finish)
                return
            event = _event(data, self._connection.url)
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
            for choice in event.get("choices") or ():
                if text is not None:  # the last one is kept until its reason is known
                    yield Piece(text=text, tokens=tokens)
                text = choice.get("text") or ""
                finish = choice.get("finish_reason")
        message = f"The answer of {self._connection.url} ended in the middle. Try again."
        raise EndpointError(message)


def _event(data: str, url: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        message = f"The server at {url} sent {data!r:.80}; expected a JSON object."
        raise EndpointError(message)
    error = event.get("error")
    if error is not None:
        said = error.get("message") if isinstance(error, dict) else error
        message = f"The server at {url} failed while writing: {said}"
        raise EndpointError(message)
    return event
