"""Log-log plots as SVG: the slope of a line is the exponent of what it shows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 2
PANEL_INCHES = (4.6, 3.4)
STYLES = (("#1f5fa8", "o", "-"), ("#c2452d", "s", "--"), ("#5b7f2b", "^", ":"), ("#7a4fa3", "D", "-."))
"""Colour, marker and line: told apart in grey and by people who see red and green alike."""
EDGE = 1.25
"""How far an axis begins below its lowest decade, so that a point on it is seen whole."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One cost as it grows.

    :ivar unit: of the sizes, the horizontal axis
    :ivar lines: {label: (size, cost) points}; what costs nothing is named in the legend and not drawn
    """

    title: str
    unit: str
    lines: Mapping[str, Points]


def exponent(points: Points) -> float | None:
    """Return b of cost = a · size^b, fitted to the logarithms, to two places; None if something is free."""
    if len(points) < 2 or any(cost <= 0 for _, cost in points):
        return None
    sizes, costs = zip(*((math.log(size), math.log(cost)) for size, cost in points), strict=True)
    return round(statistics.linear_regression(sizes, costs).slope, 2) or 0.0  # never -0.0


def draw(path: Path, title: str, panels: Sequence[Panel]) -> None:
    """Draw panels side by side into an SVG file; the same figures make the same file."""
    # load time: half a second, which every process of the tests would take that reads the names of all
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    path.parent.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "aep", "font.size": 10, "axes.titlesize": 11}):
        figure = Figure(figsize=(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows), layout="constrained")
        figure.suptitle(title)
        for number, panel in enumerate(panels):
            _draw(figure.add_subplot(rows, columns, number + 1), panel)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None, "Title": title})


def _draw(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator  # load time: as in `draw`

    axes.set_title(panel.title)
    axes.set_xlabel(panel.unit)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for (label, points), (colour, marker, line) in zip(panel.lines.items(), STYLES, strict=False):
        if not points:
            continue
        drawn = [point for point in points if point[1] > 0]
        slope = exponent(points)
        name = f"{label}: {slope:.2f}" if slope is not None else label if drawn else f"{label}: costs nothing"
        axes.plot(
            [size for size, _ in drawn], [cost for _, cost in drawn], color=colour, marker=marker, ls=line, label=name
        )
    if costs := [cost for points in panel.lines.values() for _, cost in points if cost > 0]:
        _show_decades(axes, costs)
        axes.legend(title="exponent", frameon=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_locator(NullLocator())
    axes.grid(color="#dddddd")


def _show_decades(axes: Axes, costs: Sequence[float]) -> None:
    """Show whole decades, at least one, so that a constant cost looks constant."""
    low = math.floor(math.log10(min(costs)))
    axes.set_ylim(10.0**low / EDGE, 10.0 ** max(math.floor(math.log10(max(costs))) + 1, low + 1))
