"""How results look in a cell: a table as HTML, a picture of a run, and always a stable text.

The classes are named, not imported, so that registering costs nothing. HTML carries no colour of
its own: the front end's theme gives it one.
"""

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from maasnb.language.translating import translated, translated_rows
from maasnb.panels import progress
from maasnb.panels.graph import summary_html
from maasnb.panels.twins import run_twin
from maasnb.tables import is_number

__all__ = ["NOUNS", "html_of", "register", "show", "unregister"]

NOUNS: tuple[tuple[str, str], ...] = (
    ("maasnb.datasets.splits", "Data"),
    ("maasnb.diagnosis", "Diagnosis"),
    ("maasnb.hardware", "Devices"),
    ("maasnb.panels.reopening", "Panel"),
    ("maasnb.client.endpoint", "Endpoint"),
    ("maasnb.records.listing", "Runs"),
    ("maasnb.saving", "SavedModel"),
    ("maasnb.showing", "RunCard"),
    ("maasnb.showing", "RunCells"),
    ("maasnb.study.reports", "Report"),
)
RUN = ("maasnb.records.run", "Run")
PANEL = ("maasnb.panels.reopening", "Panel")
REPORT = ("maasnb.study.reports", "Report")

CODE = re.compile(r"`([^`\n]+)`")
SHAPE = re.compile(r"\d+( x \d+)+")
WORDS = ' style="text-align:left"'
TONES = {
    "bad": "color:var(--jp-error-color0,#b3261e);font-weight:600",
    "warn": "color:var(--jp-warn-color0,#8a5300);font-weight:600",
}
SOLVED = "color:var(--jp-success-color0,#1b6e3c);font-weight:600"


def html_of(item: Any) -> str | None:  # noqa: ANN401 - any object of ours
    """Return the table of an object as HTML, or None where it has none.

    Args:
        item: an object; its `table()` returns rows of words, `columns` may name them, and `title`
            (else, for rows without columns, the first line of its text) stands above.
    """
    table: Callable[[], Sequence[Sequence[str]]] | None = getattr(item, "table", None)
    if table is None:
        return None
    columns: Sequence[str] = getattr(item, "columns", ())
    rows = [row for row in table() if tuple(row) != tuple(columns)]
    if not rows:
        return None
    caption = translated(_caption(item, columns))
    toned = bool(columns) and not columns[0]  # a first column without a name holds states
    tones = [TONES.get(row[0], "") if toned else "" for row in rows]
    styles = _styles(rows)
    # What a person or a model named stays as it is: only tables of words are translated.
    told: Callable[[], Sequence[Sequence[str]]] | None = getattr(item, "shown_rows", None)
    shown = told() if told else translated_rows(rows) if toned or not columns else rows
    names = map(translated, columns)
    head = "".join(_cell("th", word, style) for word, style in zip(names, styles, strict=False))
    body = "\n".join(_row(row, styles, tone) for row, tone in zip(shown, tones, strict=True))
    return "\n".join(
        part
        for part in (
            f"<div>{html.escape(caption)}</div>" if caption else "",
            "<table>",
            f"<thead><tr>{head}</tr></thead>" if head else "",
            f"<tbody>\n{body}\n</tbody>",
            "</table>",
            *(f"<div>{html.escape(translated(note))}</div>" for note in getattr(item, "notes", ())),
        )
        if part
    )


def register(shell: InteractiveShell) -> None:
    """Register the display of maasnb's classes with a shell; doing it twice is the same as once."""
    formatters = _formatters(shell)
    for module, name in NOUNS:
        formatters["text/plain"].for_type_by_name(module, name, _print_text)
        formatters["text/html"].for_type_by_name(module, name, html_of)
    formatters["text/plain"].for_type_by_name(*RUN, _print_run)
    formatters["image/png"].for_type_by_name(*RUN, _run_picture)
    for module, name in (*NOUNS, RUN):
        _whole(shell).ipython_display_formatter.for_type_by_name(module, name, _skip_shown)
    _whole(shell).ipython_display_formatter.for_type_by_name(*REPORT, _show_report)
    _whole(shell).ipython_display_formatter.for_type_by_name(*PANEL, _show_panel)


def show(item: object, *, silently: bool = False) -> None:
    """Show one of our objects at once, and not again in this cell; `silently` leaves it out."""
    cls = type(item)
    if (cls.__module__, cls.__name__) in NOUNS and not progress.shown_here(item):
        if not silently:
            display(item)
        progress.mark_shown(item)


def unregister(shell: InteractiveShell) -> None:
    """Take the display of maasnb's classes out of a shell."""
    every = [*_formatters(shell).values(), _whole(shell).ipython_display_formatter]
    for formatter in every:
        for module, name in (*NOUNS, RUN):
            formatter.deferred_printers.pop((module, name), None)
        for each in [each for each in formatter.type_printers if _is_ours(each)]:
            formatter.type_printers.pop(each)


def _formatters(shell: InteractiveShell) -> Any:  # noqa: ANN401 - a traitlet's dictionary
    return _whole(shell).formatters


def _whole(shell: InteractiveShell) -> Any:  # noqa: ANN401 - a traitlet, which has no type of its own
    return shell.display_formatter


def _is_ours(cls: type) -> bool:
    return (cls.__module__, cls.__name__) in {*NOUNS, RUN}


def _styles(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a column's style: words to the left, numbers where the front end has them."""
    return ["" if all(map(is_number, column)) else WORDS for column in zip(*rows, strict=True)]


def _row(row: Sequence[str], styles: Sequence[str], tone: str) -> str:
    cells = [_cell("td", word, style) for word, style in zip(row, styles, strict=True)]
    if tone:
        cells[0] = _cell("td", row[0], f' style="text-align:left;{tone}"')
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, word: str, style: str) -> str:
    text = html.escape(word)
    if SHAPE.fullmatch(word):
        text = text.replace(" ", "&nbsp;")
    return f"<{tag}{style}>{text}</{tag}>"


def _caption(item: Any, columns: Sequence[str]) -> str:  # noqa: ANN401 - any object of ours
    """Return the object's title; for rows without columns, the first line of its text."""
    return getattr(item, "title", "") or ("" if columns else str(item).partition("\n")[0].strip())


def _print_text(item: object, printer: Any, cycle: bool) -> None:  # noqa: ANN401, FBT001 - IPython's form
    printer.text("..." if cycle else str(item))


def _print_run(run: Any, printer: Any, cycle: bool) -> None:  # noqa: ANN401, FBT001 - IPython's form
    if progress.shown_here(run):  # in a terminal: the twin stands above
        printer.text(str(run))
        return
    reason = "" if run.error is None else f"\n  {translated(str(run.error))}"
    printer.text("..." if cycle else run_twin(run) + reason)


def _run_picture(run: Any) -> bytes | None:  # noqa: ANN401 - a run
    from maasnb.panels.pictures import run_png  # noqa: PLC0415 - loads matplotlib

    return run_png(run)


def _show_report(report: Any) -> None:  # noqa: ANN401 - a report
    """Show a report's table, then its picture: of one bundle a front end would show only one."""
    if progress.shown_here(report):
        return
    if progress.place() in ("nowhere", "terminal"):
        raise NotImplementedError  # IPython's sign for: go on with the other formatters
    table = _answer_html(report) if report.kind == "exercise" else html_of(report)
    if table and report.kind == "summary":
        table += "\n" + summary_html(report)
    bundle = {"text/plain": str(report), **({"text/html": table} if table else {})}
    display(bundle, raw=True)
    picture = _report_picture(report)
    if picture is not None:
        display({"image/png": picture, "text/plain": f"[{report.kind}]"}, raw=True)


def _answer_html(report: Any) -> str:  # noqa: ANN401 - the report on an exercise
    tone = SOLVED if report["solved"] else TONES["warn"]
    notes = [CODE.sub(r"<code>\1</code>", html.escape(note)) for note in report.notes]
    lines = [f'<div style="{tone}">{html.escape(report.title)}</div>']
    return "\n".join(lines + [f"<div>{note}</div>" for note in notes])


def _show_panel(panel: Any) -> None:  # noqa: ANN401 - a panel
    """Show a run's panel, unless it stands in this cell already."""
    if not progress.shown_here(panel) and not panel.show():
        raise NotImplementedError  # IPython's sign for: go on with the other formatters


def _report_picture(report: Any) -> bytes | None:  # noqa: ANN401 - a report
    try:
        from maasnb.panels.pictures import report_png  # noqa: PLC0415 - loads matplotlib
    except ImportError:  # without matplotlib the table remains
        return None
    return report_png(report)


def _skip_shown(item: Any) -> None:  # noqa: ANN401 - any object of ours
    """Show nothing of what stands in this cell already; in a terminal a run needs a line."""
    once_more = _is_run(type(item)) and progress.place() == "terminal"
    if not progress.shown_here(item) or once_more:
        raise NotImplementedError  # IPython's sign for: go on with the other formatters


def _is_run(cls: type) -> bool:
    return (cls.__module__, cls.__name__) == RUN
