"""The verb `generate`: a model that learnt to write goes on from a prompt, here or on a server."""

from collections.abc import Sequence

from maasnb.artifacts.freezing import PublishableRun
from maasnb.backends.protocol import Array
from maasnb.client.endpoint import Endpoint
from maasnb.errors import ModelError, OptionError, described
from maasnb.generation import Sampling, Stream, Text, generate_text, next_token_of
from maasnb.publishing import connect

__all__ = ["generate"]


def generate(
    source: PublishableRun | Endpoint | str,
    prompt: str = "",
    *,
    max_tokens: int = 256,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    seed: int | None = None,
    stop: Sequence[str] = (),
    stream: bool = False,
) -> Text | Stream:
    """Write on behind a prompt with a model that says which token comes next.

    Args:
        source: a run that was trained on text, an endpoint, or the name of a published model.
        prompt: the text to write on from; where it is empty, a line begins.
        max_tokens: how many tokens are written at the most.
        temperature: 1 draws by the model's own probabilities, less is more sure of itself, 0
            always takes the most probable token.
        top_k: only so many of the most probable tokens are drawn from; None for all.
        top_p: only the fewest tokens that hold this part of the probability are drawn from.
        seed: fixes what is written, the same here and on the server; None for anew each time.
        stop: texts at whose first occurrence the writing ends.
        stream: return at once what yields the text while it is written.

    Returns:
        The text behind the prompt, or the stream of its pieces.

    Raises:
        OptionError: an option cannot be used.
        ModelError: the source is no model that writes.
        EndpointError: the server is not there or fails.
    """
    if not isinstance(prompt, str):
        message = f"The prompt is {described(prompt)}; expected a text. Type: prompt='Once upon'"
        raise OptionError(message)
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )
    if isinstance(source, str):
        source = connect(source)
    if isinstance(source, Endpoint):
        written = source.write(prompt, sampling)
    else:
        written = _by_run(source, prompt, sampling)
    return written if stream else written.read()


def _by_run(run: PublishableRun, prompt: str, sampling: Sampling) -> Stream:
    text = getattr(getattr(getattr(run, "data", None), "recipe", None), "text", None)
    if text is None or run.task.positions != (text.length,):
        message = (
            f"{described(run)} cannot write; expected a run that was trained on text, an endpoint, "
            "or the name of a published model. Type: data = mb.data(text, prep=[mb.chars(64)])"
        )
        raise ModelError(message)

    def predict(tokens: Array) -> Array:
        return run.backend.predict(run.model, run.task, tokens)

    return Stream(generate_text(next_token_of(predict, text.length), text, prompt, sampling))
