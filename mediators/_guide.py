"""FRESCO inside a model: what each call, each decoder block and each layer of attention does.

A guide lives as long as a mediation is attached. It is told of every call of the model by hooks,
which `installed` puts in place and takes away again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediators._anchors import Key, Shown, joined, row, without
from mediators._attention import Ways, attended, tokens_of
from mediators._levels import Level
from mediators._likeness import Likeness
from mediators._links import Grid, Links
from mediators._optimise import optimised
from mediators._switches import Switches


@dataclass(slots=True, eq=False, repr=False)
class Guide:
    """One run of a model over the crops of one clip.

    F frames are shown to the model at each call, A anchors and N new crops, under G conditions.
    """

    links: Links
    """Of all F frames."""
    switches: Switches
    anchors: tuple[Shown, ...] = ()
    """A of them, of earlier chunks."""
    kept: tuple[Shown, Shown] = field(default_factory=lambda: (Shown(), Shown()))
    """The first and the last new crop, for the chunk after."""
    levels: NDArray[np.float64] | None = None
    """Noise level of every timestep; without them windows never end."""
    drawn: bool = True
    """Whether the reference shows faces where crops are hidden."""
    key: Key = (None, -1)
    """Timestep and number of the call at it."""
    first: float | None = None
    """The first timestep of sampling."""
    calls: int = 0
    """Calls of the model while it looked."""
    grids: dict[int, Grid] = field(default_factory=dict)
    """Of each decoder block's input, in this call."""
    recorded: dict[tuple[int, str], Tensor] = field(default_factory=dict)
    """By number of the call, and name: what layers and blocks were given while it looked."""
    looking: bool = False
    _levels: dict[Grid, Level] = field(default_factory=dict)

    @property
    def new(self) -> int:
        """Number N of new crops."""
        return self.links.count - len(self.anchors)

    @contextmanager
    def look(self) -> Iterator[None]:
        """While open, calls are recorded and nothing is changed."""
        self.looking, self.key = True, (None, -1)
        try:
            yield
        finally:
            self.looking, self.calls = False, self.key[1] + 1

    # A call of the model.

    def enter(self, call: tuple[Any, dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
        """The arguments of a call, with the anchors'; they are kept for the chunk after.

        Raises:
            ValueError: if the rows are not all new crops once or several times, or the anchors
                were painted in other steps.
        """
        positional, named = call
        sample = positional[0] if positional else named["sample"]
        time = positional[1] if len(positional) > 1 else named["timestep"]
        self._count(float(torch.as_tensor(time).flatten()[0]))
        rows = len(sample)
        if rows % self.new:
            raise ValueError(
                f"each call of the model must hold all {self.new} crops once per condition, got "
                f"{rows} rows; raise the model's batch or lower --chunk"
            )
        for kept, at in zip(self.kept, (0, self.new - 1), strict=True):
            kept.rows[self.key] = row(call, rows, self.new, at)
        shown = [anchor.at(self.key) for anchor in self.anchors]
        whole: tuple[Any, dict[str, Any]] = joined(call, rows, self.new, shown)
        return whole

    def _count(self, time: float) -> None:
        moment = None if self.looking else time
        number = self.key[1] + 1 if self.key[0] == moment else 0
        self.key = (moment, number)
        if moment is not None and self.first is None:
            self.first = moment
        if moment != self.first:
            self._forget()

    def _forget(self) -> None:
        """Drop what only the first step needs."""
        if not self.looking:
            layers = [name for name in self.recorded if not name[1].isdecimal()]
            for name in layers:
                del self.recorded[name]

    def leave(self, output: Any) -> Any:  # noqa: ANN401 - what models return
        """The output of a call for the new crops alone."""
        return without(output, self.new, len(self.anchors))

    # A decoder block.

    def features(self, block: int, features: Tensor) -> Tensor:
        """The input of a block, optimised where that is due."""
        grid = (features.shape[2], features.shape[3])
        self.grids[block] = grid
        if self.looking:
            self._record(str(block), features)
            return features
        switches, tokens = self.switches, grid[0] * grid[1]
        if tokens > switches.finest or not self._before(switches.optimise_until):
            return features
        level = self._level(grid, features.device)
        aligned = switches.temporal_loss and tokens <= switches.finest_temporal
        likeness = self._likeness(block, level) if switches.spatial_loss else None
        differences = level.differences if aligned else None
        return optimised(features, differences, likeness, level.region, switches.descent)

    def _likeness(self, block: int, level: Level) -> Likeness | None:
        reference = self._recalled(str(block))
        if reference is None:
            return None
        whole = reference.flatten(2).transpose(1, 2)
        columns = torch.ones_like(level.region) if self.drawn else ~level.blank
        groups = len(whole) // len(columns)
        rows = level.region & columns
        found = Likeness(whole, rows.repeat(groups, 1), columns.repeat(groups, 1))
        return found if found.count else None

    # A layer of attention.

    def attends(self) -> bool:
        """Whether any layer has to do more than it does on its own."""
        switches = self.switches
        if self.looking:
            return switches.spatial_attention
        along = switches.temporal_attention and self._before(switches.attention_until)
        return switches.cross_frame or along or self._smooths()

    def attend(self, name: str, block: int, layer: Any, hidden: Tensor) -> Tensor | None:  # noqa: ANN401 - of diffusers
        """What a layer makes of its input; None if it is to do so itself."""
        if self.looking:
            self._record(name, tokens_of(layer, hidden))
            return None
        switches, level = self.switches, self._level(self.grids[block], hidden.device)
        ways = Ways(
            level,
            cross_frame=switches.cross_frame,
            temporal=switches.temporal_attention and self._before(switches.attention_until),
            reference=self._recalled(name) if self._smooths() else None,
            closed=None if self.drawn else level.blank,
            sharpness=switches.sharpness,
        )
        return attended(layer, hidden, ways)

    def _smooths(self) -> bool:
        return self.switches.spatial_attention and self.calls > 0 and self.key[0] == self.first

    def _before(self, ratio: float) -> bool:
        """Whether signal to noise is not above a ratio yet."""
        if self.levels is None or self.key[0] is None:
            return True
        at = min(round(self.key[0]), len(self.levels) - 1)
        return bool(self.levels[at] ** -2 <= ratio)

    # What was recorded, and what levels know.

    def _record(self, name: str, values: Tensor) -> None:
        self.recorded[self.key[1], name] = values.detach().clone()

    def _recalled(self, name: str) -> Tensor | None:
        """What was recorded in the call of the look that this call is like."""
        return self.recorded.get((self.key[1] % self.calls, name)) if self.calls else None

    def _level(self, grid: Grid, device: torch.device) -> Level:
        if grid not in self._levels:
            wanted = self.switches.temporal_loss
            keys = self.switches.keys
            found = Level.of(self.links, grid, device, keys=keys, differences=wanted)
            self._levels[grid] = found
        return self._levels[grid]
