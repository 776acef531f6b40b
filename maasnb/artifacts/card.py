"""The model card: what a person should know of a published model, as Markdown.

It opens with front matter as model hubs read it (https://huggingface.co/docs/hub/model-cards), and
says only what is known: from the run, its data and its measurements. Nothing in it depends on the
time or the machine's folders, so the same run has the same card.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.artifacts.distributions import Summary
from maasnb.datasets.images import image_shape
from maasnb.tasks import Task
from maasnb.tensors import Signature, plain_numbers

__all__ = ["Facts", "model_card", "pipeline_tag"]

Array = np.ndarray[Any, np.dtype[Any]]

SHORT_REQUEST = 2000
"""The longest request that is read with ease on a command line."""
MOST_ROWS = 12
FEW_EXAMPLES = 0.2
"""A class with fewer examples than this share of an even part is called rare."""
LIBRARIES = {"jax": "flax", "torch": "pytorch"}
MEASURES = {
    "accuracy": "accuracy",
    "loss": "loss",
    "mae": "mean absolute error",
    "r2": "R2 (coefficient of determination)",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold what a card is written from.

    Attributes:
        name: the name that the model is served under.
        framework: the backend's name.
        model: the model's class.
        about: the class's own docstring; empty where it has none.
        parameters: how many numbers it learnt.
        formats: the programs that it was exported to.
        signature: what it takes and returns.
        task: what it was trained for.
        data: the data's name, and how many examples each split has.
        features: the columns' names.
        recipe: the steps of the preprocessing.
        summary: how the training data was distributed; None where that is not known.
        metrics: by split (`"validation"`, `"test"`), what was measured on how many examples.
        example: one raw example [1, ...].
        provenance: as in the manifest.
    """

    name: str
    framework: str
    model: str
    about: str
    parameters: int
    formats: tuple[str, ...]
    signature: Signature
    task: Task
    data: Mapping[str, Any]
    features: tuple[str, ...]
    recipe: tuple[str, ...]
    summary: Summary | None
    metrics: Mapping[str, Mapping[str, float]]
    example: Array
    provenance: Mapping[str, Any]


def model_card(facts: Facts) -> str:
    """Return the card."""
    parts = [
        _front_matter(facts),
        f"# {facts.name}",
        _opening(facts),
        "## What it takes and returns",
        _table(("", "name", "type", "shape"), _tensors(facts)),
        _written(facts) if _writes(facts) else _answers(facts.task),
        "## Data",
        _table(("what", ""), _data_rows(facts)),
        "## How good it is",
        *_measurements(facts),
        "## Limits",
        _bullets(_limits(facts)),
        "## How to call it",
        *_calls(facts),
        "## Where it comes from",
        _table(("what", ""), _origin_rows(facts.provenance)),
        *_code(facts.provenance.get("code", {})),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def pipeline_tag(task: Task, shape: Sequence[int], features: tuple[str, ...]) -> str:
    """Return what model hubs call a task; empty where they have no word for it.

    Args:
        task: what the model was trained for.
        shape: the shape of one raw example.
        features: the columns' names.
    """
    if task.kind not in ("classification", "regression"):
        return ""
    if (task.takes == "int32" or not shape) and task.kind == "classification":
        return "token-classification" if task.positions else "text-classification"
    if image_shape(tuple(shape), features) and task.kind == "classification":
        return "image-classification"
    return f"tabular-{task.kind}" if len(shape) == 1 else ""


def _front_matter(facts: Facts) -> str:
    shape = facts.signature.inputs[0].shape[1:]
    tag = pipeline_tag(facts.task, shape, facts.features)
    tag = "text-generation" if _writes(facts) else tag
    lines = ["---", f"library_name: {LIBRARIES.get(facts.framework, facts.framework)}"]
    lines += [f"pipeline_tag: {tag}"] if tag else []
    lines += ["tags:", *(f"- {each}" for each in ("maasnb", *facts.formats))]
    measured = facts.metrics.get("test") or facts.metrics.get("validation") or {}
    numbers = {name: value for name, value in measured.items() if name in MEASURES}
    if numbers:
        lines += ["metrics:", *(f"- {name}" for name in numbers)]
        split = "test" if facts.metrics.get("test") else "validation"
        lines += [
            "model-index:",
            f"- name: {_quoted(facts.name)}",
            "  results:",
            "  - task:",
            f"      type: {tag or facts.task.kind}",
            "    dataset:",
            f"      name: {_quoted(facts.data['name'])}",
            f"      type: {_quoted(facts.data['name'])}",
            f"      split: {split}",
            "    metrics:",
        ]
        for name, value in numbers.items():
            lines += [f"    - type: {name}", f"      value: {_number(value)}"]
    return "\n".join([*lines, "---"])


def _opening(facts: Facts) -> str:
    task = facts.task
    what = (
        "writes text"
        if _writes(facts)
        else {
            "classification": f"tells {len(task.labels)} classes apart",
            "multilabel": f"gives any of {len(task.labels)} labels",
            "regression": f"estimates {task.outputs} value{'s' * (task.outputs != 1)}",
        }.get(task.kind, "answers")
    )
    size = f"{facts.parameters:,} parameters"
    words = (
        f"A {facts.framework} model (`{facts.model}`, {size}) that {what}, trained on the data "
        f"`{facts.data['name']}`. It runs as {' or '.join(facts.formats)}, without its own code."
    )
    return f"{facts.about}\n\n{words}" if facts.about else words


def _tensors(facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    for side, tensors in (("in", facts.signature.inputs), ("out", facts.signature.outputs)):
        for tensor in tensors:
            shape = ", ".join("n" if size == -1 else str(size) for size in tensor.shape)
            yield side, f"`{tensor.name}`", tensor.datatype, f"[{shape}]"


def _writes(facts: Facts) -> bool:
    """Say whether the model says which token of a text comes next."""
    return facts.signature.inputs[0].datatype == "BYTES" and bool(facts.task.positions)


def _written(facts: Facts) -> str:
    length, known = facts.task.positions[0], len(facts.task.labels) - 1
    return (
        f"The answers are the probabilities of the token that comes next, at each of {length} "
        f"positions. It knows {known:,} tokens."
    )


def _answers(task: Task) -> str:
    if not task.labels:
        return ""
    shown = ", ".join(f"`{_plain(label)}`" for label in task.labels[: 3 * MOST_ROWS])
    more = len(task.labels) - 3 * MOST_ROWS
    classes = shown + (f" and {more} more" if more > 0 else "")
    if task.kind == "multilabel":
        return f"The answers are the probabilities of the labels, each by itself: {classes}."
    if task.outputs == 1:
        return f"The answer is the probability of `{_plain(task.labels[-1])}`. Classes: {classes}."
    return f"The answers are the probabilities of the classes, in this order: {classes}."


def _data_rows(facts: Facts) -> Iterator[tuple[str, str]]:
    data = facts.data
    yield "name", f"`{data['name']}`"
    sizes = ", ".join(f"{data[split]:,} {split}" for split in ("train", "validation", "test"))
    yield "examples", sizes
    if facts.recipe:
        yield "preprocessing", f"{', '.join(facts.recipe)}; it is part of the served model"
    yield "fingerprint", f"`{facts.provenance['data_fingerprint']}`"
    yield "seed of the split", str(facts.provenance["seed"])


def _measurements(facts: Facts) -> Iterator[str]:
    rows = []
    for split, measured in facts.metrics.items():
        for name, value in measured.items():
            if name in MEASURES:
                rows.append((MEASURES[name], split, _number(value)))
    if rows:
        yield _table(("measure", "split", "value"), rows)
    if not facts.metrics.get("test"):
        yield "It was not measured on examples that were kept aside for a test."


def _limits(facts: Facts) -> Iterator[str]:
    task, data = facts.task, facts.data
    if facts.metrics.get("test"):
        error = 1 / math.sqrt(max(1, data["test"]))
        yield (
            f"It was measured on {data['test']:,} examples of the same source as its training "
            f"data; a share measured on so many is sure to about ±{error:.1%}, and says nothing of "
            "other sources."
        )
    if _writes(facts):
        yield (
            "What it writes looks like its training data and need not be true. It may repeat parts "
            "of that data word by word."
        )
    elif task.kind == "classification" and task.labels:
        yield (
            f"It always names one of its {len(task.labels)} classes, for examples of none of them "
            "too. Its probabilities were not calibrated."
        )
        yield from _rare(task.labels, data.get("classes"))
    if facts.summary is not None:
        yield from _ranges(facts.summary)
    yield "No licence was stated for the model or its data; ask who published it."


def _rare(labels: Sequence[str], counts: Sequence[int] | None) -> Iterator[str]:
    if counts is None or len(counts) != len(labels):
        return
    even = sum(counts) / len(counts)
    rare = [
        f"`{_plain(label)}` ({count})"
        for label, count in zip(labels, counts, strict=True)
        if count < FEW_EXAMPLES * even
    ]
    if rare:
        more = f" and {len(rare) - MOST_ROWS} more" if len(rare) > MOST_ROWS else ""
        yield f"Some classes had few training examples: {', '.join(rare[:MOST_ROWS])}{more}."


def _ranges(summary: Summary) -> Iterator[str]:
    shown = [
        f"`{_plain(each.name)}` {each.low:.4g} to {each.high:.4g}"
        for each in summary.inputs[:MOST_ROWS]
    ]
    more = len(summary.inputs) - len(shown)
    whole = "" if summary.of in ("features", "rows") else "for an example as a whole, "
    yield (
        f"Outside of what it was trained on it guesses. In the training data there was, {whole}"
        f"{', '.join(shown)}{f' and {more} more' if more > 0 else ''}."
    )
    for each in summary.outputs[:MOST_ROWS]:
        yield (
            f"On its training data its output {each.name} went from {each.low:.4g} to "
            f"{each.high:.4g}."
        )


def _calls_to_write(facts: Facts) -> Iterator[str]:
    body = json.dumps({"model": facts.name, "prompt": "", "max_tokens": 100})
    yield "With the server's address in `MAASNB_URL` and a token in `MAASNB_TOKEN`:"
    yield (
        '```bash\ncurl -sS "$MAASNB_URL/v1/completions" \\\n'
        '  -H "Authorization: Bearer $MAASNB_TOKEN" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d '{body}'\n```"
    )
    yield (
        "In Python:\n\n```python\nimport os\n\nimport maasnb as mb\n\n"
        f'endpoint = mb.connect("{facts.name}", to=os.environ["MAASNB_URL"])\n'
        "endpoint.generate(max_tokens=100)\n```"
    )


def _calls(facts: Facts) -> Iterator[str]:
    if _writes(facts):
        yield from _calls_to_write(facts)
        return
    tensor = facts.signature.inputs[0]
    values = plain_numbers(facts.example)
    request = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(facts.example.shape),
                "data": values,
            }
        ]
    }
    body = json.dumps(request, separators=(",", ":"), ensure_ascii=True)
    path = f'"$MAASNB_URL/v2/models/{facts.name}/infer"'
    head = f'curl -sS {path} \\\n  -H "Authorization: Bearer $MAASNB_TOKEN"'
    yield "With the server's address in `MAASNB_URL` and a token in `MAASNB_TOKEN`:"
    if len(body) <= SHORT_REQUEST:
        quoted = "'" + body.replace("'", "'\\''") + "'"
        yield f"```bash\n{head} \\\n  -d {quoted}\n```"
    else:
        filler = '""' if tensor.datatype == "BYTES" else "0"
        shape = json.dumps(list(facts.example.shape))
        made = (
            "python3 -c 'import json, math; s = "
            f"{shape}; "
            f'print(json.dumps({{"inputs": [{{"name": "{tensor.name}", "datatype": '
            f'"{tensor.datatype}", "shape": s, "data": [{filler}] * math.prod(s)}}]}}))\''
        )
        yield f"```bash\n{made} |\n  {head} --data-binary @-\n```"
    shape = ", ".join("n" if size == -1 else str(size) for size in tensor.shape)
    verb = "classify" if facts.task.labels and not facts.task.positions else "predict"
    yield (
        "In Python:\n\n```python\nimport os\n\nimport maasnb as mb\n\n"
        f'endpoint = mb.connect("{facts.name}", to=os.environ["MAASNB_URL"])\n'
        f"endpoint.{verb}(x)  # raw examples [{shape}]\n```"
    )


def _origin_rows(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run", f"`{provenance['run']}`, {provenance['steps']:,} steps, {provenance['status']}"
    shown = {
        name: value
        for name, value in provenance["settings"].items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    }
    if shown:
        yield "settings", ", ".join(f"{name} {_plain(str(value))}" for name, value in shown.items())
    yield "versions", ", ".join(f"{k} {v}" for k, v in provenance["packages"].items())
    commit = provenance.get("code", {}).get("commit")
    if commit:
        yield "git commit", f"`{commit}`"


def _code(code: Mapping[str, str]) -> Iterator[str]:
    titles = {"model": "The code of the model:", "cell": "The cell that trained it:"}
    shown: set[str] = set()
    for name, title in titles.items():
        text = code.get(name, "").strip("\n")
        if text and text not in shown:
            shown.add(text)
            fence = "`" * max(3, 1 + _longest_run(text, "`"))
            yield f"{title}\n\n{fence}python\n{text}\n{fence}"


def _longest_run(text: str, letter: str) -> int:
    longest = run = 0
    for each in text:
        run = run + 1 if each == letter else 0
        longest = max(longest, run)
    return longest


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(each.replace('|', chr(92) + '|') for each in line)} |" for line in lines
    )


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _plain(text: str) -> str:
    """Return a text that neither ends a code span nor begins a line or a tag."""
    return " ".join(text.replace("`", "'").split())[:100]


def _quoted(text: str) -> str:
    return json.dumps(str(text), ensure_ascii=False)  # JSON's strings are YAML's too


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else ".nan"
