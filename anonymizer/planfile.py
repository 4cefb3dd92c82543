"""A plan as a file that a person can read and edit: where faces are, what becomes of each.

It holds no picture and nothing that tells who someone is, but it does hold where faces are and how
they move: keep it as you keep the film. What the fields mean is said in docs/plan.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Action, Box, Face, Origin, Track
from anonymizer.errors import JobError, UnreadablePlan, UsageError
from anonymizer.head.expression import MOTION
from anonymizer.plan import Plan, Zone, ZoneAction
from anonymizer.tracking import typical
from anonymizer.wording import Wording

FORMAT: Final = "veilframe-plan-1"
"""What a plan says of itself."""
FARTHEST: Final = 1e6
"""No box reaches farther from the picture's corner, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanFile:
    """A plan and the film it belongs to."""

    plan: Plan
    source_sha256: str
    """Of the film that was searched; no other can be rendered by it."""
    settings: dict[str, object]
    """How it was searched, for the reader."""


def text_of(file: PlanFile) -> str:
    """The file's text: JSON, one face to a line so that changes can be compared."""
    plan = file.plan
    head = {
        "format": FORMAT,
        "source_sha256": file.source_sha256,
        "settings": file.settings,
        "pts": plan.pts.tolist(),
        "shots": list(plan.starts),
        "unconfirmed": plan.unconfirmed,
        "zones": [_zone_table(zone) for zone in plan.zones],
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    tracks = ",\n".join(_track_text(track) for track in plan.tracks)
    return "{\n" + ",\n".join([*lines, f'  "tracks": [\n{tracks}\n  ]']) + "\n}\n"


def _zone_table(zone: Zone) -> dict[str, object]:
    return {
        "action": zone.action,
        "box": list(zone.box),
        "start": zone.start,
        "stop": zone.stop,
    }


def _track_text(track: Track) -> str:
    head: dict[str, object] = {"id": track.id, "shot": track.shot, "start": track.start}
    head["action"] = track.action
    head |= {name: said for name, said in asdict(track.wording).items() if said is not None}
    faces = ",\n".join(
        f"      {json.dumps(_face_table(face, origin))}"
        for face, origin in zip(track.faces, track.origins, strict=True)
    )
    opening = json.dumps(head)[:-1]
    return f'    {opening}, "faces": [\n{faces}\n    ]}}'


def _face_table(face: Face, origin: Origin) -> dict[str, object]:
    table: dict[str, object] = {"origin": origin, "box": list(face.box), "score": face.score}
    for name, numbers in (("landmarks", face.landmarks), ("motion", face.motion)):
        if numbers is not None:
            table[name] = numbers.astype(np.float64).tolist()
    return table


def read(path: Path) -> PlanFile:
    """Read a plan.

    Raises:
        UnreadablePlan: if the file is absent, is no plan, or a number in it makes no sense.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UnreadablePlan(path, f"cannot be read as JSON: {error}") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        found = table.get("format") if isinstance(table, dict) else None
        raise UnreadablePlan(path, f"format {found!r} is not {FORMAT!r}; make it again")
    with _telling(path, "plan"):
        pts = np.array(_numbers(table["pts"]), np.int64)
        starts = tuple(_numbers(table["shots"]))
        if list(starts) != sorted({0, *starts}) or starts[-1] >= max(1, len(pts)):
            raise ValueError(f"shots must begin with 0 and grow, below {len(pts)}; got {starts}")
        plan = Plan(
            pts=pts,
            starts=starts,
            tracks=tuple(_tracks(path, table["tracks"], len(pts))),
            zones=tuple(_zones(path, table["zones"], len(pts))),
            unconfirmed=int(table.get("unconfirmed", 0)),
        )
        return PlanFile(plan, str(table["source_sha256"]), dict(table["settings"]))


def decided(
    file: PlanFile, actions: Mapping[int, Action], prompts: Mapping[int, str] | None = None
) -> PlanFile:
    """The plan with other actions or prompts for some tracks, by id.

    Raises:
        UsageError: if there is no such track.
    """
    plan, prompts = file.plan, prompts or {}
    if unknown := sorted({*actions, *prompts} - {track.id for track in plan.tracks}):
        known = ", ".join(str(track.id) for track in plan.tracks) or "none"
        raise UsageError(f"the plan has no track {unknown[0]}; tracks: {known}")
    tracks = tuple(
        replace(
            track,
            action=actions.get(track.id, track.action),
            wording=replace(track.wording, prompt=prompts.get(track.id, track.wording.prompt)),
        )
        for track in plan.tracks
    )
    return replace(file, plan=replace(plan, tracks=tracks))


def prompts_of(given: Iterable[str]) -> dict[int, str]:
    """Prompts by track, of ``ID=TEXT``.

    >>> prompts_of(["2=a man with a beard, 1=2"])
    {2: 'a man with a beard, 1=2'}

    Raises:
        UsageError: if one is something else, or a track has two.
    """
    found: dict[int, str] = {}
    for each in given:
        number, equals, text = each.partition("=")
        if not equals or not number.strip().isdecimal():
            raise UsageError(f"track-prompt {each!r} is not ID=TEXT, such as 2='an old man'")
        if int(number) in found:
            raise UsageError(f"track {int(number)} has two track-prompts; give one")
        found[int(number)] = text
    return found


def _tracks(path: Path, tables: list[dict[str, Any]], frames: int) -> Iterator[Track]:
    seen: set[int] = set()
    for number, table in enumerate(tables):
        with _telling(path, f"track {table.get('id', number)}"):
            track = _track(table)
            if track.id in seen:
                raise ValueError("there are two tracks of this id")
            if not 0 <= track.start < track.stop <= frames:
                raise ValueError(f"frames {track.start} to {track.stop} must lie in 0 to {frames}")
            seen.add(track.id)
            yield track


def _zones(path: Path, tables: list[dict[str, Any]], frames: int) -> Iterator[Zone]:
    for number, table in enumerate(tables):
        with _telling(path, f"zone {number}"):
            zone = _zone(table)
            if not 0 <= zone.start < zone.stop <= frames:
                raise ValueError(f"frames {zone.start} to {zone.stop} must lie in 0 to {frames}")
            yield zone


def _known(table: Mapping[str, Any], *names: str) -> None:
    """Refuse a misspelt name, which would be left out unnoticed."""
    if unknown := [name for name in table if name not in names]:
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(names)}")


def _track(table: Mapping[str, Any]) -> Track:
    _known(table, "id", "shot", "start", "action", "prompt", "negative_prompt", "faces")
    faces = table["faces"]
    return Track(
        id=int(table["id"]),
        shot=int(table["shot"]),
        start=int(table["start"]),
        faces=tuple(_face(face) for face in faces),
        origins=tuple(_one_of(face["origin"], Origin) for face in faces),
        action=_one_of(table["action"], Action),
        wording=Wording(table.get("prompt"), table.get("negative_prompt")),
    )


def _face(table: Mapping[str, Any]) -> Face:
    _known(table, "origin", "box", "score", "landmarks", "motion")
    box = _box(table["box"])
    given, motion = _array(table.get("landmarks")), _array(table.get("motion"))
    if motion is not None and motion.shape != (len(MOTION),):
        raise ValueError(f"motion must be {len(MOTION)} numbers, got {motion.size}")
    return Face(
        box=box,
        score=float(table["score"]),
        landmarks=typical(box).astype(np.float32) if given is None else given,
        motion=motion,
    )


def _zone(table: Mapping[str, Any]) -> Zone:
    _known(table, "action", "box", "start", "stop")
    action = _one_of(table["action"], ZoneAction)
    return Zone(action, _box(table["box"]), int(table["start"]), int(table["stop"]))


def _box(numbers: Any) -> Box:  # noqa: ANN401 - from a file
    x0, y0, x1, y1 = (float(number) for number in numbers)
    if not max(abs(x0), abs(y0), abs(x1), abs(y1)) <= FARTHEST:
        raise ValueError(f"box {x0:g}, {y0:g}, {x1:g}, {y1:g} reaches beyond {FARTHEST:g} pixels")
    return x0, y0, x1, y1


def _array(numbers: Any) -> NDArray[np.float32] | None:  # noqa: ANN401 - from a file
    return None if numbers is None else np.array(numbers, np.float32)


def _numbers(values: Any) -> list[int]:  # noqa: ANN401 - from a file
    return [int(value) for value in values]


def _one_of(value: Any, kind: Any) -> Any:  # noqa: ANN401 - one of the strings of a Literal
    if value not in get_args(kind):
        raise ValueError(f"{value!r} is not one of {', '.join(get_args(kind))}")
    return value


@contextmanager
def _telling(path: Path, part: str) -> Iterator[None]:
    """Say which part of the file makes no sense."""
    try:
        yield
    except JobError:
        raise
    except KeyError as error:
        raise UnreadablePlan(path, f"{part} lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise UnreadablePlan(path, f"{part}: {error}") from error
