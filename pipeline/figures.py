"""Figures of an evaluation: each function returns a matplotlib `Figure` and opens no window.

A figure's label is its text alternative: `save` writes it into the PNG.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke

# Told apart by people with any colour vision: Okabe & Ito 2008, "Color universal design".
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
CHANCE: dict[str, Any] = {
    "color": "black",
    "linestyle": "--",
    "linewidth": 1.2,
    "path_effects": [withStroke(linewidth=3, foreground="white")],  # seen on any bar
}
WHISKER: dict[str, Any] = {"ecolor": "black", "elinewidth": 1.3, "capsize": 3, "fmt": "none"}
BAR = 0.32  # inches of height for a bar in a list


def caveat(trained_on: str, shares_speakers: bool) -> str:
    """Return the note that belongs under every figure of such a run, empty where none does."""
    notes = {
        "synthetic voices: scores mean nothing": trained_on == "sample",
        "speakers shared between training and test": shares_speakers,
    }
    return "; ".join(note for note, holds in notes.items() if holds)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, with its text alternative in the file's description."""
    figure.savefig(path, dpi=120, metadata={"Description": str(figure.get_label())})


def confusion(matrix: pd.DataFrame, title: str, note: str = "") -> Figure:
    """Draw a confusion matrix: clips, and per cent of the row.

    Parameters
    ----------
    matrix : DataFrame
        Clips, truth down and answer across, as `pipeline.evaluation.confusion` returns it.
    title, note : str
        Above and below the figure.
    """
    size = len(matrix)
    figure, axes = _canvas(3.2 + 0.85 * size, 2.4 + 0.7 * size, title, note)
    image = _matrix(axes, matrix, "{clips:.0f}\n{share:.0%}")
    axes.set(xlabel="answer", ylabel="truth")
    figure.colorbar(image, ax=axes, label="part of the true class", shrink=0.85)
    return figure


def confusions(matrices: Mapping[str, pd.DataFrame], title: str, note: str = "") -> Figure:
    """Draw several confusion matrices side by side, in per cent of the row.

    Parameters
    ----------
    matrices : mapping
        What is above each (a corpus, a sex, a fold) → its matrix, see `confusion`.
    title, note : str
        Above and below the figure.
    """
    across = min(len(matrices), 3)
    down = -(-len(matrices) // across)
    size = max(len(matrix) for matrix in matrices.values())
    figure = _figure((1.2 + 0.45 * size) * across, 1.2 + (0.9 + 0.4 * size) * down, title, note)
    places = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, matrix) in zip(places, matrices.items(), strict=False):
        _matrix(axes, matrix, "{share:.0%}", fontsize=7)
        axes.set_title(f"{name}: {matrix.to_numpy().sum():.0f} clips", fontsize=10)
        axes.tick_params(labelsize=8)
    for axes in places[len(matrices) :]:
        axes.remove()
    return figure


def reliability(bins: pd.DataFrame, title: str, note: str = "") -> Figure:
    """Draw how often answers are right against how sure the model was: a reliability diagram.

    Parameters
    ----------
    bins : DataFrame
        As `pipeline.evaluation.calibration` returns it.
    title, note : str
        Above and below the figure.
    """
    figure, axes = _canvas(8, 5, title, note)
    width, share = bins["high"] - bins["low"], bins["clips"] / bins["clips"].sum()
    axes.bar(bins["low"], share, width, align="edge", color=COLOURS[4], alpha=0.5, label="part of the clips")
    axes.plot([0, 1], [0, 1], label="as sure as right", **CHANCE)
    axes.plot(bins["confidence"], bins["accuracy"], "o-", color=COLOURS[5], label="accuracy")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence: probability of the answer", ylabel="part")
    axes.grid(color="#DDDDDD")
    _legend(axes)
    return figure


def speakers(table: pd.DataFrame, chance: float, title: str, note: str = "") -> Figure:
    """Draw the UAR of each test speaker, best first, coloured by corpus.

    Parameters
    ----------
    table : DataFrame
        As `pipeline.evaluation.speakers` returns it.
    chance : float
        UAR of an answer drawn at random: one over the number of classes.
    title, note : str
        Above and below the figure.
    """
    order = table.sort_values(["uar", "speaker"], ascending=[False, True]).reset_index(drop=True)
    figure, axes = _canvas(8, 2 + 0.6 * BAR * max(len(order), 8), title, note)
    for colour, (corpus, rows) in zip(COLOURS, order.groupby("corpus", sort=True), strict=False):
        axes.barh(rows.index.to_numpy(), rows["uar"], height=0.8, color=colour, label=str(corpus))
    axes.set_yticks(order.index.to_numpy(), order["speaker"].tolist(), fontsize=8)
    axes.set_ylim(len(order) - 0.4, -0.6)
    _finish(axes, chance, "UAR")
    return figure


def groups(
    reports: Mapping[str, Mapping[str, Any]], by: str, chance: float, title: str, note: str = ""
) -> Figure:
    """Draw the test UAR of one or several architectures in each group, with intervals.

    Parameters
    ----------
    reports : mapping
        Architecture → report, as `pipeline.evaluation.report` returns it.
    by : {"corpus", "sex", "fold"}
        Which groups.
    chance : float
        See `speakers`.
    title, note : str
        Above and below the figure.
    """
    names = sorted({name for report in reports.values() for name in report["test"][by]})
    figure, axes = _canvas(8, 2.2 + BAR * len(names) * (len(reports) + 0.5), title, note)
    step = 0.85 / len(reports)
    for index, (architecture, report) in enumerate(reports.items()):
        found = {
            row: report["test"][by][name] for row, name in enumerate(names) if name in report["test"][by]
        }
        places = [row + (index - (len(reports) - 1) / 2) * step for row in found]
        _bars(
            axes,
            places,
            list(found.values()),
            height=step * 0.92,
            color=COLOURS[index % len(COLOURS)],
            label=architecture,
        )
    sizes = {name: report["test"][by][name] for report in reports.values() for name in report["test"][by]}
    axes.set_yticks(range(len(names)), [f"{name}\n{_size(sizes[name])}" for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    _finish(axes, chance, "UAR (whiskers: 95 % interval over speakers)")
    return figure


def architectures(
    reports: Mapping[str, Mapping[str, Any]], chance: float, title: str, note: str = ""
) -> Figure:
    """Draw the validation and test UAR of each architecture, with intervals; parameters as in `groups`."""
    figure, axes = _canvas(8, 2.2 + BAR * 2.6 * len(reports), title, note)
    for offset, part, colour in ((-0.2, "test", COLOURS[0]), (0.2, "validation", COLOURS[4])):
        places = [row + offset for row in range(len(reports))]
        _bars(
            axes, places, [report[part] for report in reports.values()], height=0.38, color=colour, label=part
        )
    axes.set_yticks(
        range(len(reports)), [f"{name}\ntest: {_size(report['test'])}" for name, report in reports.items()]
    )
    axes.set_ylim(len(reports) - 0.45, -0.55)
    _finish(axes, chance, "UAR (whiskers: 95 % interval over speakers)")
    return figure


def losses(curves: Mapping[str, Sequence[Sequence[float]]], title: str, note: str = "") -> Figure:
    """Draw training losses over iterations on a logarithmic axis.

    Parameters
    ----------
    curves : mapping
        What was fitted (a node, or a part such as "training") → a curve per fold; curves of one name share
        a colour.
    title, note : str
        Above and below the figure.
    """
    figure, axes = _canvas(8, 4.6, title, note)
    for index, (name, folds) in enumerate(curves.items()):
        colour, dashes = COLOURS[index % len(COLOURS)], ("-", ":")[index // len(COLOURS) % 2]
        for fold, curve in enumerate(folds):
            label = name if fold == 0 else None
            axes.plot(range(1, len(curve) + 1), curve, color=colour, linestyle=dashes, label=label)
    axes.set(xlabel="iteration", ylabel="loss", yscale="log")
    axes.grid(color="#DDDDDD")
    _legend(axes)
    return figure


def _figure(width: float, height: float, title: str, note: str) -> Figure:
    """Open a figure of so many inches with its title, note and text alternative."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    figure.suptitle(textwrap.fill(title, int(width * 9)), fontsize=12)
    if note:
        figure.supxlabel(textwrap.fill(note, int(width * 10)), fontsize=10, color="#A02000", style="italic")
    figure.set_label(f"{title} ({note})" if note else title)
    return figure


def _canvas(width: float, height: float, title: str, note: str) -> tuple[Figure, Axes]:
    """Open a figure with one pair of axes."""
    figure = _figure(width, height, title, note)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _matrix(axes: Axes, matrix: pd.DataFrame, text: str, fontsize: int = 9) -> AxesImage:
    """Draw a confusion matrix; `text` says what of ``clips`` and ``share`` of the row stands in a cell."""
    counts = matrix.to_numpy()
    share = matrix.div(matrix.sum(axis=1).where(lambda clips: clips > 0), axis=0).fillna(0.0).to_numpy()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), part in np.ndenumerate(share):
        told = text.format(clips=counts[row, column], share=part)
        colour = "white" if part > 0.65 else "black"
        axes.text(column, row, told, ha="center", va="center", color=colour, fontsize=fontsize)
    axes.set_xticks(range(len(matrix)), [str(name) for name in matrix.columns], rotation=30, ha="right")
    axes.set_yticks(range(len(matrix)), [str(name) for name in matrix.index])
    return image


def _bars(
    axes: Axes, places: list[float], found: list[Mapping[str, Any]], *, height: float, color: str, label: str
) -> None:
    """Draw scored groups as bars; a whisker where there is an interval."""
    axes.barh(places, [group["uar"] for group in found], height=height, color=color, label=label)
    known = [
        (place, group) for place, group in zip(places, found, strict=True) if group["uar_low"] is not None
    ]
    if known:
        value = [group["uar"] for _, group in known]
        # A percentile interval may leave its own point value out; a whisker has no negative length.
        low = [max(0.0, group["uar"] - group["uar_low"]) for _, group in known]
        high = [max(0.0, group["uar_high"] - group["uar"]) for _, group in known]
        axes.errorbar(value, [place for place, _ in known], xerr=[low, high], **WHISKER)


def _finish(axes: Axes, chance: float, xlabel: str) -> None:
    """Give a chart of UAR bars its axis, chance line and legend."""
    axes.axvline(chance, label=f"chance ({chance:.2f})", **CHANCE)
    axes.set_xlim(0, 1)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x", color="#DDDDDD")
    _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)


def _size(group: Mapping[str, Any]) -> str:
    """Say how many clips and speakers a group holds."""
    people = f"{group['speakers']} speakers" if group["speakers"] > 1 else "1 speaker: no interval"
    return f"{group['clips']} clips, {people}"
