"""Reports as files: what they hold, where they lie, and when they are written."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path

import jsonschema
import pytest

from anonymizer import reportfile
from anonymizer.errors import Doubtful, JobError, UnwritableOutput
from anonymizer.inputs import IMAGES, VIDEOS
from anonymizer.report import Report
from anonymizer.reportfile import names_of, reported, text_of
from anonymizer.reportschema import of_translations, schema
from tests.reports import doubt, report, track, translation, verification

DOUBTFUL = report(output_sha256=None, verification=verification(doubt(17)))
REPAIRED = report(
    verification=verification(repaired=[doubt(3)]),
    tracks=(track(0, ("repaired", 9), action="cover"), track(1, ("detected", 2), action="keep")),
    warnings=(".mkv holds times in milliseconds only; rounded",),
)
EMPTY = report(
    tracks=(), streams=(), motion=(), verification=verification(second=None, faces=0, leak_bound=1)
)


@pytest.mark.parametrize("made", [report(), DOUBTFUL, REPAIRED, EMPTY])
def test_a_report_is_as_its_schema_says(made):
    table = json.loads(text_of(made))
    jsonschema.validate(table, schema(), jsonschema.Draft202012Validator)
    assert list(table) == list(schema()["properties"])
    assert table["verdict"] == made.verification.verdict


def test_a_report_of_a_translation_is_as_its_own_schema_says():
    table = json.loads(text_of(translation()))
    jsonschema.validate(table, of_translations(), jsonschema.Draft202012Validator)
    assert list(table) == list(of_translations()["properties"])
    assert list(table)[:3] == ["format", "kind", "anonymized"]
    for name, value in (("anonymized", True), ("kind", "report"), ("size", [512])):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(table | {name: value}, of_translations())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(table, schema())


@pytest.mark.parametrize(
    ("name", "value"),
    [("format", "veilframe-report-2"), ("motion", ["faceprint"]), ("frames", "many")],
)
def test_another_thing_is_not_as_the_schema_says(name, value):
    table = json.loads(text_of(report())) | {name: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(table, schema())


@pytest.mark.parametrize("made", [report(), translation()])
def test_p4_a_report_names_no_folder_and_no_seed(made):
    text = text_of(made)
    assert "jane" not in text
    assert '"seed"' not in text
    assert json.loads(text)["destination"] == Path(made.destination).name


def test_names_and_options_of_any_kind_can_be_written(tmp_path):
    strange = report(source="a\udcff\n.mp4", settings={"weights": tmp_path}, warnings=("ü",))
    reportfile.write(strange, tmp_path / "out.mp4")
    written = names_of(tmp_path / "out.mp4")
    assert json.loads(written.text.read_text())["source"] == "a\udcff\n.mp4"
    assert "a?\n.mp4" in written.page.read_text(encoding="utf-8")


def test_no_two_outputs_share_a_report():
    suffixes = [".MP4", *VIDEOS, *IMAGES]
    stems = ["a", "a.b", "a.report", *(f"a{suffix}" for suffix in suffixes)]
    outputs = {Path(f"{stem}{suffix}") for stem in stems for suffix in suffixes}
    assert len({names_of(path) for path in outputs}) == len(outputs)
    assert names_of(Path("x/film.mp4")).text == Path("x/film.report.json")


class Job:
    """Does nothing but count, and end as told."""

    def __init__(self, end: Report | Exception) -> None:
        self.end, self.done = end, 0

    def __call__(self) -> Report:
        self.done += 1
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


def test_a_report_is_written_after_the_job(tmp_path):
    made = reported(Job(report()), tmp_path / "new" / "out.mp4", overwrite=False)
    assert made == report()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "out.report.html",
        "out.report.json",
    ]
    assert (tmp_path / "new" / "out.report.json").read_text() == text_of(report())


def test_a_doubt_is_reported_though_nothing_is_published(tmp_path):
    end = Doubtful(tmp_path / "out.mp4", "not published", DOUBTFUL)
    with pytest.raises(Doubtful):
        reported(Job(end), tmp_path / "new" / "out.mp4", overwrite=False)
    table = json.loads((tmp_path / "new" / "out.report.json").read_text())
    assert (table["verdict"], table["output_sha256"]) == ("doubt", None)
    assert [each["frame"] for each in table["verification"]["doubts"]] == [17]


def test_another_failure_leaves_no_report(tmp_path):
    with pytest.raises(JobError):
        reported(Job(JobError("in.mp4", "is bad")), tmp_path / "out.mp4", overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", [0, 1])
def test_a_foreign_file_of_that_name_stops_the_job_before_it_begins(tmp_path, which):
    taken, job = names_of(tmp_path / "out.mp4")[which], Job(report())
    taken.write_text("mine")
    with pytest.raises(UnwritableOutput, match="exists; pass --overwrite"):
        reported(job, tmp_path / "out.mp4", overwrite=False)
    assert (job.done, taken.read_text(), len(list(tmp_path.iterdir()))) == (0, "mine", 1)
    reported(job, tmp_path / "out.mp4", overwrite=True)
    assert (job.done, len(list(tmp_path.iterdir()))) == (1, 2)


def test_a_folder_of_that_name_stops_the_job_in_any_case(tmp_path):
    names_of(tmp_path / "out.mp4").page.mkdir()
    job = Job(report())
    with pytest.raises(UnwritableOutput, match="is a folder"):
        reported(job, tmp_path / "out.mp4", overwrite=True)
    assert job.done == 0


def test_a_translation_is_reported_in_the_same_way(tmp_path):
    reported(lambda: report(), tmp_path / "out.mp4", overwrite=False)
    reported(lambda: translation(), tmp_path / "out.mp4", overwrite=False)
    assert (tmp_path / "out.report.json").read_text() == text_of(translation())
    assert "Not anonymized" in (tmp_path / "out.report.html").read_text()


def test_an_earlier_report_of_ours_is_replaced(tmp_path):
    reportfile.write(DOUBTFUL, tmp_path / "out.mp4")
    reported(Job(report()), tmp_path / "out.mp4", overwrite=False)
    assert json.loads((tmp_path / "out.report.json").read_text())["verdict"] == "clean"
    assert "Clean" in (tmp_path / "out.report.html").read_text()


def full(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_report_that_cannot_be_written_is_a_failure_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UnwritableOutput, match=r"out\.report\.json: the disk is full"):
        reported(Job(report()), tmp_path / "out.mp4", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_a_doubt_stays_a_doubt_when_its_report_cannot_be_written(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Path, "write_text", full)
    end = Doubtful(tmp_path / "out.mp4", "not published", DOUBTFUL)
    with caplog.at_level(logging.WARNING), pytest.raises(Doubtful):
        reported(Job(end), tmp_path / "out.mp4", overwrite=False)
    assert "no report: " in caplog.text
