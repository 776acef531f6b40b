"""What is wrong with data: a table of flaws, each with the function that finds it."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from maasnb.study.columns import Column
from maasnb.study.evidence import counted, listed
from maasnb.study.profiles import Profile
from maasnb.study.reports import Finding

__all__ = ["FINDERS", "flaws"]

Find = Callable[[Profile], Finding | None]

_MANY_MISSING = 0.5  # of a column's values
_UNBALANCED = 10  # examples of the largest class for one of the smallest
_RARE = 5  # training examples; with fewer a class is not learnt
_TELLS = 0.98  # of the targets' variance that one column explains
_FEWEST = 20  # examples, below which nothing is said of one column's share
_SPREADS = 100.0  # the largest deviation of a column over the smallest
_FAR = 20.0  # interquartile ranges from the median
_HARMED = 0.1  # of a split's examples that are also in the training split
_CONTRADICTED = 0.01


def flaws(profile: Profile) -> tuple[Finding, ...]:
    """Return what is wrong with data, the worst kinds first."""
    found = (find(profile) for find in FINDERS.values())
    return tuple(finding for finding in found if finding is not None)


def _in_two_splits(profile: Profile) -> Finding | None:
    """Find examples of validation or test that are in the training split too."""
    if profile.keys is None:
        return None
    learnt = set(profile.keys["train"])
    shared = {
        name: sum(key in learnt for key in keys)
        for name, keys in profile.keys.items()
        if name != "train"
    }
    if not any(shared.values()):
        return None
    worst = max(shared[name] / len(profile.keys[name]) for name in shared)
    told = " and ".join(f"{number} of the {name}" for name, number in shared.items() if number)
    return Finding(
        kind="in_two_splits",
        severity="bad" if worst > _HARMED else "warn",
        words=f"Examples of the training split stand in other splits too ({told}): results on "
        "them look better than they are.",
        evidence=told,
        remedy="Keep each once. Type: _, rows = np.unique(x, axis=0, return_index=True); "
        "mb.data(x[rows], y[rows])",
        where=tuple(name for name, number in shared.items() if number),
    )


def _gives_away(profile: Profile) -> Finding | None:
    """Find single columns that tell the target almost by themselves."""
    if profile.data.kind not in ("classification", "regression"):
        return None
    y = np.concatenate([split.y for split in profile.splits.values()])
    if len(y) < _FEWEST or profile.data.positions:
        return None
    names = _names_where(profile, lambda column: _share_told(column, y) > _TELLS)
    if not names:
        return None
    return Finding(
        kind="gives_away",
        severity="warn",
        words=f"{listed(names)} {'tells' if len(names) == 1 else 'tell'} the target almost alone.",
        evidence=f"more than {_TELLS:.0%} of the targets' variance",
        remedy="Ask whether it is known before the answer is; leave it out where it is not.",
        where=tuple(names),
    )


def _names_where(profile: Profile, holds: Callable[[Column], bool]) -> list[str]:
    """Return the columns of a table that something holds of; other data has none."""
    if profile.form != "table":
        return []
    return [column.name for column in profile.columns if holds(column)]


def _share_told(column: Column, y: np.ndarray) -> float:
    """Return the share of a column's variance that lies between classes, or its r squared."""
    values = column.values
    if column.is_constant or len(values) != len(y) or not np.isfinite(values).all():
        return 0.0
    if y.ndim == 2:
        if y.shape[1] > 1 or not y.std():
            return 0.0
        return float(np.corrcoef(values, y[:, 0])[0, 1] ** 2)
    counts = np.bincount(y)
    means = np.bincount(y, values) / np.maximum(counts, 1)
    if len(y) < 2 * np.count_nonzero(counts):
        return 0.0
    between = (counts * (means - values.mean()) ** 2).sum()
    return float(between / ((values - values.mean()) ** 2).sum())


def _contradictions(profile: Profile) -> Finding | None:
    """Find equal examples with different targets."""
    if profile.keys is None or profile.data.kind == "own":
        return None
    answers: dict[object, set[object]] = {}
    for name, keys in profile.keys.items():
        for key, target in zip(keys, profile.splits[name].y.tolist(), strict=True):
            answers.setdefault(key, set()).add(repr(target))
    number = sum(len(answers[key]) > 1 for keys in profile.keys.values() for key in keys)
    if not number:
        return None
    rows = sum(map(len, profile.keys.values()))
    return Finding(
        kind="contradictions",
        severity="warn" if number > _CONTRADICTED * rows else "hint",
        words=f"{counted(number, 'example')} have the same inputs as another one but another "
        "target; no model can learn both.",
        evidence=f"{number} of {rows}",
        remedy="Look at them, and mend the targets or add what tells them apart.",
    )


def _missing(profile: Profile) -> Finding | None:
    """Find columns with missing values."""
    holes = [column for column in profile.columns if column.missing]
    if not holes:
        return None
    rows = sum(len(split) for split in profile.splits.values())
    told = ", ".join(f"{column.name} {column.missing}" for column in holes[:4])
    most = max(column.missing for column in holes)
    remedy = (
        "Fill them with what the training split knows, or leave out a column that is mostly empty."
    )
    if profile.data.recipe.fills:
        remedy = "The recipe fills them. Leave out a column that is mostly empty."
    return Finding(
        kind="missing",
        severity="bad" if most > _MANY_MISSING * rows else "warn",
        words=f"Values are missing in {counted(len(holes), 'column')}: {told}"
        f"{', ...' if len(holes) > 4 else ''}.",
        evidence=f"{sum(column.missing for column in holes)} values",
        remedy=remedy,
        where=tuple(column.name for column in holes),
    )


def _rare_class(profile: Profile) -> Finding | None:
    """Find classes that are hardly or not at all in the training split."""
    if not profile.counts:
        return None
    learnt, labels = profile.counts["train"], profile.data.labels
    rare = [labels[n] for n in np.flatnonzero(learnt < _RARE)]
    if not rare:
        return None
    none = bool((learnt == 0).any())
    numbers = ", ".join(f"{labels[n]} {learnt[n]}" for n in np.flatnonzero(learnt < _RARE)[:4])
    return Finding(
        kind="rare_class",
        severity="bad" if none else "warn",
        words=f"{listed(rare)} {'has' if len(rare) == 1 else 'have'} fewer than {_RARE} training "
        "examples.",
        evidence=numbers,
        remedy="Give more examples of it, or put it together with another class.",
        where=tuple(rare),
    )


def _unbalanced(profile: Profile) -> Finding | None:
    """Find classes with few examples beside others, where nothing makes up for it."""
    of_classes = profile.data.kind == "classification"
    if not of_classes or not profile.counts or profile.data.balance is not None:
        return None
    learnt, labels = profile.counts["train"], profile.data.labels
    least, most = int(learnt.argmin()), int(learnt.argmax())
    if learnt[most] < _UNBALANCED * max(learnt[least], 1):
        return None
    return Finding(
        kind="unbalanced",
        severity="warn",
        words=f"The classes are unbalanced: {learnt[most]} training examples of {labels[most]}, "
        f"{learnt[least]} of {labels[least]}. Accuracy will look good by itself.",
        evidence=f"{learnt[most]} to {learnt[least]}",
        remedy="Look at recall, and let the classes count alike. Type: mb.data(x, y, "
        'balance="weights")',
        where=(labels[least],),
    )


def _unscaled(profile: Profile) -> Finding | None:
    """Find prepared columns whose numbers are of very different size."""
    inputs = profile.splits["train"].inputs
    if profile.form != "table" or inputs.ndim != 2 or inputs.dtype.kind != "f" or len(inputs) < 2:
        return None
    deviations = inputs.std(axis=0, dtype=np.float64)
    varied = deviations[deviations > 0]
    if not len(varied) or varied.max() < _SPREADS * max(varied.min(), 1e-30) or varied.max() < 2:
        return None
    name = "a column"
    if len(deviations) == len(profile.data.features):
        name = profile.data.features[int(deviations.argmax())]
    return Finding(
        kind="unscaled",
        severity="warn",
        words=f"The columns are of very different size; {name} would drown the others.",
        evidence=f"deviations from {varied.min():.2g} to {varied.max():.2g}",
        remedy="Bring them to one. Type: mb.data(x, y, prep=[mb.standardize()])",
        where=(name,) if name in profile.data.features else (),
    )


def _duplicates(profile: Profile) -> Finding | None:
    """Find equal examples within the training split."""
    if profile.keys is None:
        return None
    times = Counter(profile.keys["train"])
    number = sum(times.values()) - len(times)
    if not number:
        return None
    return Finding(
        kind="duplicates",
        severity="hint",
        words=f"{counted(number, 'training example')} repeat earlier ones.",
        evidence=f"{number} of {sum(times.values())}",
        remedy="Keep each once, unless it was really seen so often.",
    )


def _constant(profile: Profile) -> Finding | None:
    """Find columns that say nothing."""
    names = _names_where(profile, lambda column: column.is_constant)
    if not names:
        return None
    return Finding(
        kind="constant",
        severity="hint",
        words=f"{listed(names)} {'is' if len(names) == 1 else 'are'} the same in all examples.",
        evidence=counted(len(names), "column"),
        remedy="Leave such columns out; they cost parameters and say nothing.",
        where=tuple(names),
    )


def _extremes(profile: Profile) -> Finding | None:
    """Find columns with values far away from all others."""
    names = _names_where(profile, lambda column: _farthest(column) > _FAR)
    if not names:
        return None
    return Finding(
        kind="extremes",
        severity="hint",
        words=f"{listed(names)} {'has' if len(names) == 1 else 'have'} values far from all others.",
        evidence=f"more than {_FAR:g} interquartile ranges from the median",
        remedy="Look whether they are mistakes, such as another unit or a stand-in for 'unknown'.",
        where=tuple(names),
    )


def _farthest(column: Column) -> float:
    """Return how far the farthest value is from the median, in interquartile ranges."""
    values = column.values[np.isfinite(column.values)]
    if len(values) < _FEWEST or column.distinct < 3:
        return 0.0
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(np.abs(values - middle).max() / (high - low)) if high > low else 0.0


FINDERS: dict[str, Find] = {
    "in_two_splits": _in_two_splits,
    "gives_away": _gives_away,
    "contradictions": _contradictions,
    "missing": _missing,
    "rare_class": _rare_class,
    "unbalanced": _unbalanced,
    "unscaled": _unscaled,
    "duplicates": _duplicates,
    "constant": _constant,
    "extremes": _extremes,
}
"""Kind -> what finds it; those that make results wrong before those that only hold back."""
