"""What was counted as text in the exposition format of Prometheus.

Imported at the first scrape, because `prometheus_client` takes 70 ms.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import Metric, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder

from maasnb.settings import VERSION

__all__ = ["expose"]

LABELS = ("model", "version")


def expose(snapshot: Mapping[str, Any], accepted: str) -> tuple[bytes, str]:
    """Return what was counted as text, and its content type.

    Args:
        snapshot: `versions`, pairs of ((model, version), counts as `VersionCounts.to_json` has
            them); `failures`, answers by status; `loaded`, the number of models in memory.
        accepted: the `Accept` header, which may ask for the OpenMetrics dialect.
    """
    encode, kind = choose_encoder(accepted)
    return encode(_Collected(snapshot)), kind


class _Collected:
    """Metrics that are made of a snapshot, and those of the process."""

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _server(self._snapshot)
        versions = [((name, str(each)), data) for (name, each), data in self._snapshot["versions"]]
        yield from _answers(versions)
        yield from _runs(versions)
        yield from ProcessCollector(registry=None).collect()


def _server(snapshot: Mapping[str, Any]) -> Iterator[Metric]:
    info = GaugeMetricFamily("maasnb_info", "The server; always 1.", labels=("version",))
    info.add_metric((VERSION,), 1)
    failures = CounterMetricFamily(
        "maasnb_failures", "Answers of any route that say what failed.", labels=("status",)
    )
    for status, count in sorted(snapshot["failures"].items()):
        failures.add_metric((str(status),), count)
    loaded = GaugeMetricFamily("maasnb_loaded_versions", "Versions of models in memory.")
    loaded.add_metric((), snapshot["loaded"])
    yield from (info, failures, loaded)


Versions = Sequence[tuple[tuple[str, str], Mapping[str, Any]]]


def _answers(versions: Versions) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "maasnb_requests", "Answered inference requests.", labels=(*LABELS, "status")
    )
    examples = CounterMetricFamily("maasnb_examples", "Answered examples.", labels=LABELS)
    latency = HistogramMetricFamily(
        "maasnb_request_duration_seconds",
        "From a request's last byte to its answer.",
        labels=LABELS,
    )
    for labels, counts in versions:
        for status, count in counts["statuses"].items():
            requests.add_metric((*labels, status), count)
        examples.add_metric(labels, counts["examples"])
        told = counts["latency"]
        latency.add_metric(labels, _buckets(told["bounds_s"], told["counts"]), told["sum_s"])
    yield from (requests, examples, latency)


def _runs(versions: Versions) -> Iterator[Metric]:
    batches = HistogramMetricFamily(
        "maasnb_batch_examples", "Examples in each run of the model's program.", labels=LABELS
    )
    queued = GaugeMetricFamily(
        "maasnb_queued_requests", "Requests that wait for their run.", labels=LABELS
    )
    for labels, counts in versions:
        told = counts["batches"]
        batches.add_metric(labels, _buckets(told["bounds"], told["counts"]), told["examples"])
        queued.add_metric(labels, counts["queued"])
    yield from (batches, queued)


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return what Prometheus means by buckets: each holds all that is not above its bound."""
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))
