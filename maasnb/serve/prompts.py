"""What a request for a completion asks: OpenAI's fields, checked, as a prompt and a `Sampling`.

Fields that would change the answer and are not kept here are refused; those that would not, such as
`user`, are passed over. A chat becomes a plain prompt: each message behind the name of its role, a
line each, and `Assistant:` at the end.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from maasnb.errors import OptionError, RequestError
from maasnb.generation import Sampling

__all__ = ["Asked", "chat_prompt", "read_chat", "read_completion"]

DEFAULT_TOKENS = 256
LONGEST_PROMPT = 1 << 18
MOST_MESSAGES = 1000
ROLES = {
    "system": "System",
    "developer": "System",
    "user": "User",
    "assistant": "Assistant",
}
CHAT_STOP = "\nUser:"
# Field -> the values that ask for what is done anyway.
NOTHING_ELSE: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "logprobs": (False,),
    "top_logprobs": (),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "tools": ([],),
    "functions": ([],),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold what a request asks for.

    Attributes:
        name: the model's name.
        segment: the version or alias behind the `@` in the model's name; None where there is none.
        prompt: the text to write on from.
        sampling: how tokens are drawn.
        stream: whether the text is sent while it is written.
        usage: whether a stream ends with the counts of tokens.
        chat: whether the answer is a message.
    """

    name: str
    segment: str | None
    prompt: str
    sampling: Sampling
    stream: bool
    usage: bool
    chat: bool


def read_completion(data: Mapping[str, Any]) -> Asked:
    """Return what a request to `/v1/completions` asks for.

    Raises:
        RequestError: a field has a value that cannot be used.
    """
    prompt = data.get("prompt", "")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if prompt is None:
        prompt = ""
    if not isinstance(prompt, str):
        message = "The field 'prompt' must be a text; several prompts or tokens are not taken."
        raise RequestError(message)
    return _asked(data, prompt, ("max_tokens",))


def read_chat(data: Mapping[str, Any]) -> Asked:
    """Return what a request to `/v1/chat/completions` asks for.

    Raises:
        RequestError: a field has a value that cannot be used.
    """
    prompt = chat_prompt(data.get("messages"))
    asked = _asked(data, prompt, ("max_completion_tokens", "max_tokens"))
    stops = (*asked.sampling.stop, CHAT_STOP)
    return dataclasses.replace(
        asked, chat=True, sampling=dataclasses.replace(asked.sampling, stop=stops)
    )


def chat_prompt(messages: object) -> str:
    r"""Return the prompt that stands for the messages of a chat.

    Raises:
        RequestError: they are no messages.

    >>> chat_prompt([{"role": "user", "content": "What is a list?"}])
    'User: What is a list?\nAssistant:'
    """
    if not isinstance(messages, list) or not 1 <= len(messages) <= MOST_MESSAGES:
        message = (
            f"The field 'messages' must be a list of 1 to {MOST_MESSAGES} messages, as in "
            '[{"role": "user", "content": "Hello"}].'
        )
        raise RequestError(message)
    lines = [f"{_role(each)}: {_content(each)}" for each in messages]
    return "\n".join([*lines, "Assistant:"])


def _role(message: object) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in ROLES:
        words = f"A message has the role {role!r:.40}; expected one of {', '.join(ROLES)}."
        raise RequestError(words)
    return ROLES[role]


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [each.get("text") if isinstance(each, dict) else None for each in parts]
    if not all(isinstance(text, str) for text in texts):
        words = "The 'content' of a message must be a text, or parts of the type 'text'."
        raise RequestError(words)
    return "".join(str(text) for text in texts)


def _asked(data: Mapping[str, Any], prompt: str, counts: tuple[str, ...]) -> Asked:
    for field, values in NOTHING_ELSE.items():
        if data.get(field) is not None and data[field] not in values:
            message = f"The field {field!r} is {data[field]!r:.60}, which is not done here."
            raise RequestError(message)
    if len(prompt) > LONGEST_PROMPT:
        message = (
            f"The prompt has {len(prompt)} characters; expected at most {LONGEST_PROMPT}. A model "
            "sees its last ones only."
        )
        raise RequestError(message)
    name, segment = _model(data.get("model"))
    options = data.get("stream_options") or {}
    return Asked(
        name=name,
        segment=segment,
        prompt=prompt,
        sampling=_sampling(data, counts),
        stream=_flag(data, "stream"),
        usage=isinstance(options, dict) and _flag(options, "include_usage"),
        chat=False,
    )


def _model(value: object) -> tuple[str, str | None]:
    if not isinstance(value, str) or not value:
        message = "The field 'model' must be the name of a model, as GET /v1/models lists them."
        raise RequestError(message)
    name, _, segment = value.partition("@")
    return name, segment or None


def _flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name)
    if value is not None and not isinstance(value, bool):
        message = f"The field {name!r} is {value!r:.40}; expected true or false."
        raise RequestError(message)
    return bool(value)


def _sampling(data: Mapping[str, Any], counts: tuple[str, ...]) -> Sampling:
    given = {name: data[name] for name in ("temperature", "top_k", "top_p", "seed", "stop")
             if data.get(name) is not None}  # fmt: skip
    count = next((data[name] for name in counts if data.get(name) is not None), DEFAULT_TOKENS)
    try:
        return Sampling(max_tokens=count, **given)
    except OptionError as error:
        raise RequestError(str(error).split(" Type: ")[0]) from error
