"""In which order pieces of a film are handed out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anonymizer.agenda import Agenda
from anonymizer.finding import Found
from anonymizer.mirror import Entry
from anonymizer.plan import Plan
from anonymizer.planfile import PlanFile
from anonymizer.tasks import Divided, Painting, Planned, Planning, Search, Searched, Unit
from tests import factories


def test_what_holds_most_faces_is_painted_first(tmp_path):
    entry = Entry("a.mp4", Path("a.mp4"), "video", "a.mp4")
    unit = Unit(entry, None, begun=False, again=False)
    agenda = Agenda(iter([unit]), tmp_path / "work")
    agenda.after(next(agenda), Divided((range(30),)))
    search = next(agenda)
    assert isinstance(search, Search)
    none = Found(0, (64, 48), np.arange(30), np.zeros((30, 240), np.float32), ((),) * 30)
    agenda.after(search, Searched(none))
    planning = next(agenda)
    assert isinstance(planning, Planning)
    crowd = [factories.track(10, id=number, start=20) for number in range(3)]
    tracks = (factories.track(4, id=8, start=8), factories.track(10, id=9, start=10), *crowd)
    plan = PlanFile(Plan(np.arange(30), (0, 10, 20), tracks), "sha", {})
    agenda.after(planning, Planned(plan, (range(10), range(10, 20), range(20, 30))))
    handed = [next(agenda) for _ in range(3)]
    assert all(isinstance(task, Painting) for task in handed)
    order = [task.which.start for task in handed if isinstance(task, Painting)]
    assert order == [20, 10, 0]
