"""The verb `monitor`: how a served model does, and whether it is still asked what it was made for.

The numbers are the server's own. Findings name what is wrong in plain words; below their
thresholds, and below so few requests that chance could be it, nothing is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.client.endpoint import Endpoint
from maasnb.errors import ModelError, described
from maasnb.publishing import connect
from maasnb.study.reports import Finding, Report, Severity

__all__ = ["monitor"]

SHIFT, LARGE_SHIFT = 0.1, 0.25
"""Of the population stability index, as credit scoring reads it (N. Siddiqi, 2006)."""
FEWEST_ROWS = 100
"""With fewer examples nothing is said of drift."""
MANY_OUTSIDE = 0.05
MANY_ERRORS, FEWEST_ERRORS = 0.01, 5
SLOW_S = 1.0
MOST_DRAWN = 12
QUANTILES = {"p50 ms": "p50_s", "p95 ms": "p95_s", "p99 ms": "p99_s"}
COLUMNS = ("version", "requests", "errors", "a second", *QUANTILES, "batch", "queue")
REMEDIES = {
    "400": "What is sent does not fit the model. Compare it with: endpoint.signature",
    "429": "More is asked than the server can take. Ask for less at once, or give it more cores.",
    "504": "Answers take longer than their senders allow. Ask for less at once.",
}


def monitor(endpoint: Endpoint | str, *, to: str | None = None, token: str | None = None) -> Report:
    """Show how a served model does: requests, latencies, drift, and what is wrong with them.

    Args:
        endpoint: the endpoint, or the name of a published model.
        to: with a name, the server's URL; the workspace's own server by default.
        token: with a name, the server's token; by default MAASNB_TOKEN, or the workspace's token.

    Returns:
        The report: a row a version, findings, and a picture; `report["psi"]` and the like are its
        numbers.

    Raises:
        UnknownNameError: the server has no such model.
        EndpointError: the server is not there.
        ModelError: it is neither an endpoint nor a name.
    """
    if isinstance(endpoint, str):
        endpoint = connect(endpoint, to=to, token=token)
    if not isinstance(endpoint, Endpoint):
        message = (
            f"{described(endpoint)} cannot be monitored; expected an endpoint or the name of a "
            "published model. Type: mb.monitor('name')"
        )
        raise ModelError(message)
    versions = endpoint.stats()["versions"]
    title = f"Model {endpoint.name!r} on {endpoint.server}"
    if not versions:
        notes = ("Nobody asked it yet since the server started. Type: endpoint.predict(x)",)
        return Report(kind="monitoring", title=title, notes=notes)
    shown = _chosen(versions, endpoint.version)
    drift = shown.get("drift") or {}
    findings = tuple(_findings(shown, drift, endpoint.labels))
    return Report(
        kind="monitoring",
        title=title,
        columns=COLUMNS,
        rows=[_row(each) for each in versions],
        notes=tuple(_notes(shown, drift, findings)),
        values=_values(shown, drift),
        data=_data(shown, drift, endpoint.labels),
        findings=findings,
    )


def _chosen(versions: Sequence[Mapping[str, Any]], version: int | str | None) -> Mapping[str, Any]:
    """Return the version that is told more of: the endpoint's, else the one in most use."""
    pinned = [each for each in versions if each["version"] == version]
    busy = max(versions, key=lambda each: (each["last_minute"]["requests"], each["version"]))
    return pinned[0] if pinned else busy


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    latency, batches = each["latency"], each["batches"]
    mean = batches["examples"] / batches["runs"] if batches["runs"] else 0
    return (
        str(each["version"]),
        f"{each['requests']:,}",
        f"{each['errors']:,}",
        f"{each['last_minute']['requests_per_s']:.3g}",
        *(_milliseconds(latency[name]) for name in QUANTILES.values()),
        f"{mean:.3g}",
        str(each["queued"]),
    )


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.3g}"


def _findings(
    shown: Mapping[str, Any], drift: Mapping[str, Any], labels: Sequence[str]
) -> Iterator[Finding]:
    yield from _failing(shown)
    yield from _slow(shown)
    if drift.get("rows", 0) >= FEWEST_ROWS:
        yield from _drifted(drift)
        yield from _outside(drift)
        yield from _labels_drifted(drift, labels)


def _failing(shown: Mapping[str, Any]) -> Iterator[Finding]:
    errors, requests = shown["errors"], shown["requests"]
    if errors < FEWEST_ERRORS or errors < MANY_ERRORS * requests:
        return
    failed = {status: n for status, n in shown["statuses"].items() if int(status) >= 400}
    worst = max(failed, key=lambda status: failed[status])
    told = ", ".join(f"{count} with status {status}" for status, count in failed.items())
    yield Finding(
        kind="failing_requests",
        severity="bad" if errors > 0.2 * requests else "warn",
        words=f"{errors / requests:.1%} of the requests fail.",
        evidence=f"{told}, of {requests:,} requests to version {shown['version']}",
        remedy=REMEDIES.get(worst, "Look at the server's log."),
    )


def _slow(shown: Mapping[str, Any]) -> Iterator[Finding]:
    p99 = shown["last_minute"]["p99_s"]
    if p99 is not None and p99 > SLOW_S:
        yield Finding(
            kind="slow_answers",
            severity="warn",
            words="Some answers take longer than a second.",
            evidence=f"p99 of the last minute {_milliseconds(p99)} ms, "
            f"{shown['queued']} requests wait",
            remedy="Ask for less at once, or publish a smaller model.",
        )


def _drifted(drift: Mapping[str, Any]) -> Iterator[Finding]:
    moved = [
        each
        for each in (*drift["inputs"], *drift["outputs"])
        if (each["psi"] or 0) > SHIFT and (each["ks"] or 0) > each["ks_limit"]
    ]
    if not moved:
        return
    first = max(moved, key=lambda each: each["psi"])
    large = first["psi"] > LARGE_SHIFT
    more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
    yield Finding(
        kind="input_drift",
        severity="bad" if large else "warn",
        words=f"What the model is asked is {'not' if large else 'no longer quite'} like its "
        f"training data: {first['name']}{more} moved.",
        evidence=f"population stability index {first['psi']:.2g} of {first['name']} (above "
        f"{LARGE_SHIFT if large else SHIFT:g}), largest distance {first['ks']:.2g} where chance "
        f"stays below {first['ks_limit']:.2g}; {drift['rows']:,} examples were looked at",
        remedy="Look whether units or the source of the data changed; if the world did, train on "
        "newer data and publish that.",
        where=tuple(each["name"] for each in moved[:MOST_DRAWN]),
    )


def _outside(drift: Mapping[str, Any]) -> Iterator[Finding]:
    beyond = [each for each in drift["inputs"] if each["outside"] > MANY_OUTSIDE]
    if not beyond:
        return
    first = max(beyond, key=lambda each: each["outside"])
    yield Finding(
        kind="out_of_range",
        severity="warn",
        words=f"The model guesses: {first['outside']:.0%} of the values of {first['name']} are "
        "outside of what it was trained on.",
        evidence=f"the training data went from {first['low']:.4g} to {first['high']:.4g}",
        remedy="Look whether it is sent in another unit, or stands for a missing value.",
        where=tuple(each["name"] for each in beyond[:MOST_DRAWN]),
    )


def _labels_drifted(drift: Mapping[str, Any], labels: Sequence[str]) -> Iterator[Finding]:
    found = drift.get("labels")
    if not found or (found["psi"] or 0) <= SHIFT:
        return
    then, now = (np.array(found[side]) / max(1, sum(found[side])) for side in ("reference", "live"))
    most = int(np.argmax(np.abs(now - then)))
    name = labels[most] if most < len(labels) else str(most)
    severity: Severity = "bad" if found["psi"] > LARGE_SHIFT else "warn"
    yield Finding(
        kind="label_drift",
        severity=severity,
        words=f"The model answers {name} {'more' if now[most] > then[most] else 'less'} often than "
        "it did on its training data.",
        evidence=f"{now[most]:.0%} of its answers, {then[most]:.0%} then; population stability "
        f"index {found['psi']:.2g} of all classes",
        remedy="Check some of these answers by hand: the classes may come more or less often now, "
        "or the inputs may have changed.",
        where=(name,),
    )


def _notes(
    shown: Mapping[str, Any], drift: Mapping[str, Any], findings: Sequence[Finding]
) -> Iterator[str]:
    for each in findings:
        yield f"{each.severity}: {each.title}. {each.words} ({each.evidence}) {each.remedy}"
    rows = drift.get("rows", 0)
    if not drift:
        yield f"Version {shown['version']} has no summary of its training data to compare with."
    elif rows < FEWEST_ROWS:
        yield (
            f"Of drift nothing can be said yet: {rows} examples were looked at; {FEWEST_ROWS} are "
            "needed."
        )
    elif not findings:
        yield f"Nothing is wrong with version {shown['version']}: {rows:,} examples were looked at."


def _values(shown: Mapping[str, Any], drift: Mapping[str, Any]) -> dict[str, float]:
    latency = {name: shown["latency"][name] for name in QUANTILES.values()}
    found = {
        "version": shown["version"],
        "requests": shown["requests"],
        "errors": shown["errors"],
        "requests_per_s": shown["last_minute"]["requests_per_s"],
        **latency,
        "rows": drift.get("rows", 0),
        "psi": max((each["psi"] or 0 for each in drift.get("inputs", ())), default=None),
        "label_psi": (drift.get("labels") or {}).get("psi"),
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _data(
    shown: Mapping[str, Any], drift: Mapping[str, Any], labels: Sequence[str]
) -> dict[str, Any]:
    minute, latency = shown["last_minute"], shown["latency"]
    features = [each for each in drift.get("inputs", ()) if each["psi"] is not None][:MOST_DRAWN]
    found: dict[str, Any] = {
        "requests_by_second": np.asarray(minute["requests_by_second"]),
        "errors_by_second": np.asarray(minute["errors_by_second"]),
        "latency_bounds_s": np.asarray(latency["bounds_s"]),
        "latency_counts": np.asarray(latency["counts"]),
        "features": np.asarray([each["name"] for each in features]),
        "psi": np.asarray([each["psi"] for each in features]),
        "told": np.asarray([(each["ks"] or 0) > (each["ks_limit"] or 1) for each in features]),
    }
    counts = drift.get("labels")
    if counts and sum(counts["live"]):
        found["labels"] = np.asarray(
            [labels[n] if n < len(labels) else str(n) for n in range(len(counts["live"]))]
        )
        found["reference"], found["live"] = (np.asarray(counts[s]) for s in ("reference", "live"))
    elif features and "live" in features[0]:
        found["edges"] = np.asarray(features[0]["edges"])
        found["reference"], found["live"] = (
            np.asarray(features[0][side]) for side in ("reference", "live")
        )
    return found
