"""How datasets and evaluations show themselves in a notebook: small tables in which everything that users wrote is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starwhale.api.evaluation import Evaluation
    from starwhale.datasets.dataset import Dataset

SHOWN_ROWS = 5
SHOWN_COLUMNS = 12
SHOWN_METRICS = 20
_SHOWN_CHARACTERS = 80
_LEFT = "text-align:left"


def dataset_html(dataset: Dataset) -> str:
    """Draw a dataset: what it is, and its first rows. Large values are named, not read."""
    version = dataset.loading_version
    facts = [f"{len(dataset):,} rows", f"version <code>{escape(version[:12])}</code>" if version else "no version yet"]
    if dataset.tags:
        facts.append(f"tags {escape(', '.join(map(str, dataset.tags)))}")
    if dataset.changed:
        facts.append("changes that were not committed")
    rows = [(row.index, row.features) for row in dataset.head(SHOWN_ROWS)]
    names = list(dict.fromkeys(name for _, features in rows for name in features))
    more = len(names) - SHOWN_COLUMNS
    names = names[:SHOWN_COLUMNS]
    head = "".join(f"<th>{escape(str(name))}</th>" for name in names) + (f"<th>{more} more</th>" if more > 0 else "")
    body = "".join(
        f"<tr><th>{escape(str(index))}</th>{_cells(features.get(name) for name in names)}</tr>"
        for index, features in rows
    )
    title = f"<b>{escape(dataset.name)}</b> · {' · '.join(facts)}"
    return f'<div class="starwhale-dataset">{title}<table><tr><th></th>{head}</tr>{body}</table></div>'


def evaluation_html(evaluation: Evaluation) -> str:
    """Draw an evaluation: its summary, and the names of its tables."""
    metrics: Mapping[str, Any] = evaluation.get_summary()  # Any: values of users
    shown = [(name, value) for name, value in metrics.items() if name != "id"]
    rows = "".join(
        f'<tr><th style="{_LEFT}">{escape(str(name))}</th>{_cells([value])}</tr>'
        for name, value in shown[:SHOWN_METRICS]
    )
    if len(shown) > SHOWN_METRICS:
        rows += f"<tr><th>…</th><td>{len(shown) - SHOWN_METRICS} more in <code>.get_summary()</code></td></tr>"
    tables = escape(", ".join(evaluation.get_tables())) or "none"
    title = f"<b>evaluation</b> <code>{escape(evaluation.id[:40])}</code> · tables: {tables}"
    return f'<div class="starwhale-evaluation">{title}<table>{rows}</table></div>'


def _cells(values: Iterable[Any]) -> str:  # Any: values of users
    return "".join(f'<td style="{_LEFT}">{escape(_text(value))}</td>' for value in values)


def _text(value: Any) -> str:  # Any: a value of a user's
    text = f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else repr(value)
    text = " ".join(text[: 4 * _SHOWN_CHARACTERS].split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
