"""Cover what a second look at a finished film has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from anonymizer import tracking
from anonymizer.data import Face, Origin, Track
from anonymizer.plan import Plan
from anonymizer.report import Doubt

GAP: Final = 5
"""Frames between two doubts at one place that are covered as well."""


def repaired(plan: Plan, doubts: Sequence[Doubt], frame_size: tuple[int, int]) -> Plan:
    """The plan with a solid cover over every doubt, and a little before and after it.

    Args:
        plan: What was painted.
        doubts: What it left to be seen.
        frame_size: (width, height) in pixels.
    """
    seen: list[list[Face]] = [[] for _ in plan.pts]
    for doubt in doubts:
        seen[doubt.frame].append(Face(doubt.box, doubt.score))
    tracks = list(plan.tracks)
    for shot, (start, stop) in enumerate(pairwise((*plan.starts, len(seen)))):
        first_id = 1 + max((track.id for track in tracks), default=-1)
        tracks += [
            _cover(track)
            for track in tracking.link(
                seen[start:stop],
                shot=shot,
                start=start,
                first_id=first_id,
                frame_size=frame_size,
                gap=GAP,
            )
        ]
    return replace(plan, tracks=tuple(tracks))


def _cover(track: Track) -> Track:
    repair: Origin = "repaired"
    return replace(track, action="cover", origins=(repair,) * len(track.faces))
