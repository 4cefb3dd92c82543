from __future__ import annotations

import os
import resource
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from anonymizer import downloads
from anonymizer.errors import MissingWeights, UnwritableOutput
from tests.shelf import BODY, Shelf, properly, serving, status

PART, TAG, LOCK = ".eyes.onnx.part", ".eyes.onnx.etag", ".eyes.onnx.lock"


@pytest.fixture
def shelf(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        yield server


def fetched(shelf: Shelf, folder, **changes) -> str:
    return downloads.fetch(shelf.model(**changes), folder, pause_s=0)


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LOCK}


def refused(shelf: Shelf, folder, says: str, **changes) -> None:
    """It fails in one line that says so, and nothing gets the name."""
    with pytest.raises(MissingWeights, match=says) as caught:
        fetched(shelf, folder, **changes)
    assert "\n" not in str(caught.value)
    assert caught.value.path == folder / "eyes.onnx"
    assert "anonymize models check eyes" in caught.value.reason
    assert not (folder / "eyes.onnx").exists()


def test_a_file_is_fetched_once(shelf, tmp_path):
    folder = tmp_path / "not" / "yet"
    assert fetched(shelf, folder) == "fetched"
    assert (folder / "eyes.onnx").read_bytes() == BODY
    assert names(folder) == {"eyes.onnx"}
    assert fetched(shelf, folder) == "there already"
    assert len(shelf.asked) == 1


def test_where_the_file_lies_already_nothing_is_written(shelf, tmp_path):
    (tmp_path / "eyes.onnx").write_bytes(BODY)
    assert fetched(shelf, tmp_path) == "there already"
    assert [path.name for path in tmp_path.iterdir()] == ["eyes.onnx"]


def test_bytes_are_on_the_disk_before_the_name_and_the_name_after(shelf, tmp_path, monkeypatch):
    synced: list[tuple[bool, bool]] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((folder, (tmp_path / "eyes.onnx").exists()))

    monkeypatch.setattr(os, "fsync", noted)
    assert fetched(shelf, tmp_path) == "fetched"
    assert synced == [(False, False), (True, True)]


def test_only_the_finished_file_is_for_others(shelf, tmp_path):
    before = os.umask(0o022)
    modes: set[int] = set()
    counts: list[int] = []

    def progress(count: int) -> None:
        counts.append(count)
        modes.update(stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path))

    try:
        downloads.fetch(shelf.model(), tmp_path, progress=progress)
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "eyes.onnx").stat().st_mode) == 0o644
    assert counts == sorted(set(counts))
    assert counts[-1] == len(BODY)


@pytest.mark.parametrize("reset", [False, True])
def test_after_a_cut_only_the_rest_is_fetched(shelf, tmp_path, reset):
    shelf.script = [properly(cut=200_000, reset=reset)]
    assert fetched(shelf, tmp_path) == "fetched"
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY
    first, second = shelf.asked
    assert "Range" not in first
    if not reset:  # what a reset leaves unread is lost, perhaps all of it
        start = int(second["Range"].removeprefix("bytes=").removesuffix("-"))
        assert 100_000 < start <= 200_000
        assert second["If-Range"] == '"one"'


def interrupted(shelf: Shelf, folder: Path) -> int:
    """A fetch that Ctrl-C ends; how much of the file is at hand then."""

    def stop(count: int) -> None:
        if count > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloads.fetch(shelf.model(), folder, progress=stop)
    assert names(folder) <= {PART, TAG}
    return (folder / PART).stat().st_size


def test_the_next_pull_goes_on_after_an_interruption(shelf, tmp_path):
    size = interrupted(shelf, tmp_path)
    assert fetched(shelf, tmp_path) == "fetched"
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY
    assert names(tmp_path) == {"eyes.onnx"}
    assert shelf.asked[1]["Range"] == f"bytes={size}-"


@pytest.mark.parametrize("tag", [None, 'W/"one"', '"é"'])
def test_without_a_strong_etag_it_starts_again(shelf, tmp_path, tag):
    shelf.tag = tag
    interrupted(shelf, tmp_path)
    assert fetched(shelf, tmp_path) == "fetched"
    assert "Range" not in shelf.asked[1]
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY


def test_a_server_that_ignores_ranges_is_read_from_the_start(shelf, tmp_path):
    shelf.ranges = False
    interrupted(shelf, tmp_path)
    assert fetched(shelf, tmp_path) == "fetched"
    assert "Range" in shelf.asked[1]
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_read_from_the_start(shelf, tmp_path):
    shelf.body, shelf.tag = BODY[::-1], '"old"'
    interrupted(shelf, tmp_path)
    shelf.body, shelf.tag = BODY, '"new"'
    assert fetched(shelf, tmp_path) == "fetched"
    assert shelf.asked[1]["If-Range"] == '"old"'
    assert len(shelf.asked) == 2
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY


def test_pieces_of_two_versions_never_get_the_name(shelf, tmp_path):
    shelf.body = BODY[::-1]
    interrupted(shelf, tmp_path)
    shelf.body = BODY  # under the same ETag
    assert fetched(shelf, tmp_path) == "fetched"
    assert ["Range" in asked for asked in shelf.asked] == [False, True, False]
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY


@pytest.mark.parametrize(
    "answer",
    [
        status(206, BODY[5:], Content_Range=f"bytes 5-{len(BODY) - 1}/{len(BODY)}"),
        status(206, BODY),
        status(416),
    ],
    ids=["another start", "no range", "refused"],
)
def test_a_wrong_range_makes_it_start_again(shelf, tmp_path, answer):
    interrupted(shelf, tmp_path)
    shelf.script = [answer]
    assert fetched(shelf, tmp_path) == "fetched"
    assert ["Range" in asked for asked in shelf.asked] == [False, True, False]


def test_a_part_that_was_whole_needs_no_server(shelf, tmp_path):
    (tmp_path / PART).write_bytes(BODY)
    assert fetched(shelf, tmp_path) == "fetched"
    assert shelf.asked == []


def test_a_part_that_is_too_long_or_wrong_is_forgotten(shelf, tmp_path):
    for left in (BODY[::-1], BODY + b"more"):
        (tmp_path / PART).write_bytes(left)
        (tmp_path / TAG).write_text('"one"')
        assert fetched(shelf, tmp_path) == "fetched"
        (tmp_path / "eyes.onnx").unlink()
    assert not any("Range" in asked for asked in shelf.asked)


def test_wrong_bytes_are_thrown_away(shelf, tmp_path):
    shelf.body = BODY[:-1] + bytes([BODY[-1] ^ 1])
    refused(shelf, tmp_path, "is another file now .SHA-256 .*, expected")
    assert names(tmp_path) == set()
    assert len(shelf.asked) == 1


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"x"], ids=["shorter", "longer"])
def test_a_wrong_length_is_refused_before_it_is_read(shelf, tmp_path, body):
    shelf.body = body
    refused(shelf, tmp_path, rf"{len(body)} bytes, expected {len(BODY)}")
    assert len(shelf.asked) == 1
    assert names(tmp_path) == set()


def test_no_more_than_the_registered_size_is_written(shelf, tmp_path):
    sizes: list[int] = []
    shelf.body = BODY + BODY
    shelf.script = [properly(length=False)]
    with pytest.raises(MissingWeights, match="is longer than the registered 300000 bytes"):
        downloads.fetch(shelf.model(), tmp_path, progress=sizes.append)
    assert max(sizes) <= len(BODY)
    assert names(tmp_path) == set()


def test_a_body_without_length_that_ends_early_is_a_cut(shelf, tmp_path):
    shelf.script = [properly(length=False, cut=10_000)]
    assert fetched(shelf, tmp_path) == "fetched"
    assert shelf.asked[1]["Range"] == "bytes=10000-"


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_what_passes_is_tried_again_with_longer_and_longer_pauses(
    shelf, tmp_path, code, monkeypatch
):
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    shelf.script = [status(code)] * 4
    assert downloads.fetch(shelf.model(), tmp_path) == "fetched"
    assert pauses == [1, 2, 4, 8]


def test_it_gives_up_in_the_end(shelf, tmp_path):
    shelf.script = [status(503)] * 9
    refused(shelf, tmp_path, "answers 503 Service Unavailable, 5 times; try later")
    assert len(shelf.asked) == 5


@pytest.mark.parametrize("code", [403, 404, 204])
def test_what_does_not_pass_is_tried_once(shelf, tmp_path, code):
    shelf.script = [status(code)] * 2
    refused(shelf, tmp_path, f"answers {code}")
    assert len(shelf.asked) == 1


def test_nobody_there(shelf, tmp_path):
    refused(shelf, tmp_path, "cannot be reached", url="http://127.0.0.1:9/eyes.onnx")


def test_a_server_that_falls_silent(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT_S", (5, 0.2))
    over = Event()
    shelf.script = [lambda _: over.wait(30)] * 5
    try:
        refused(shelf, tmp_path, "does not answer in time, 5 times")
    finally:
        over.set()


def test_a_certificate_that_cannot_be_had_is_not_asked_for_twice(shelf, tmp_path):
    refused(
        shelf, tmp_path, "is not trusted here; or", url=shelf.address.replace("http:", "https:")
    )
    refused(shelf, tmp_path, "cannot be asked for .InvalidURL.", url="https:///eyes.onnx")


@pytest.mark.parametrize("url", ["http://example.org/e", "ftp://127.0.0.1/e", "file:///e"])
def test_only_https_is_spoken(shelf, tmp_path, url):
    refused(shelf, tmp_path, "not https", url=url)
    shelf.script = [status(302, Location=url)]
    refused(shelf, tmp_path, "not https")
    assert len(shelf.asked) == 1


def test_redirections_are_followed_a_few_times(shelf, tmp_path):
    shelf.script = [status(301, Location="/elsewhere"), status(302, Location="there")]
    assert fetched(shelf, tmp_path) == "fetched"
    assert shelf.paths == ["/weights.onnx", "/elsewhere", "/there"]
    (tmp_path / "eyes.onnx").unlink()
    shelf.script = [status(302, Location="/round")] * 9
    refused(shelf, tmp_path, "redirected more than 5 times")


def test_the_usual_variables_name_a_proxy(shelf, tmp_path, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", shelf.address)
    assert fetched(shelf, tmp_path, url="http://127.0.0.1:9/eyes.onnx") == "fetched"
    assert shelf.paths == ["http://127.0.0.1:9/eyes.onnx"]


def test_a_bad_file_is_replaced_when_the_right_one_is_there_and_not_before(shelf, tmp_path):
    (tmp_path / "eyes.onnx").write_bytes(b"mine")
    shelf.script = [status(404)]
    with pytest.raises(MissingWeights):
        fetched(shelf, tmp_path)
    assert (tmp_path / "eyes.onnx").read_bytes() == b"mine"
    assert fetched(shelf, tmp_path) == "replaced"
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY


def test_a_folder_that_is_none(shelf, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(UnwritableOutput, match=r"not a folder.*VEILFRAME_MODELS"):
            fetched(shelf, folder)
    (tmp_path / "eyes.onnx").mkdir()
    with pytest.raises(UnwritableOutput, match="Is a directory"):
        fetched(shelf, tmp_path)


def test_no_room(shelf, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
    try:
        with pytest.raises(UnwritableOutput, match=r"size limit here; put that right"):
            fetched(shelf, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "eyes.onnx").exists()
    assert fetched(shelf, tmp_path) == "fetched"
    assert (tmp_path / "eyes.onnx").read_bytes() == BODY


def test_nothing_is_written_through_a_link(shelf, tmp_path):
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / TAG).write_text('"one"')
    (tmp_path / PART).symlink_to("other")
    with pytest.raises(UnwritableOutput, match="there is a link"):
        fetched(shelf, tmp_path)
    assert (tmp_path / "other").read_bytes() == b"other"


def test_of_two_pulls_at_once_one_fetches_and_the_other_waits(shelf, tmp_path):
    asked, waits, go = Event(), Event(), Event()

    def slowly(clerk) -> None:
        asked.set()
        go.wait(30)
        properly()(clerk)

    shelf.script = [slowly]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(downloads.fetch, shelf.model(), tmp_path)
        assert asked.wait(30)
        second = pool.submit(downloads.fetch, shelf.model(), tmp_path, waiting=waits.set)
        assert waits.wait(30)
        go.set()
        assert (first.result(30), second.result(30)) == ("fetched", "there already")
    assert len(shelf.asked) == 1
    assert names(tmp_path) == {"eyes.onnx"}


def test_an_empty_handed_second_pull_fetches_what_the_first_could_not(shelf, tmp_path):
    asked, waits, go = Event(), Event(), Event()

    def late(clerk) -> None:
        asked.set()
        go.wait(30)
        status(404)(clerk)

    shelf.script = [late]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(downloads.fetch, shelf.model(), tmp_path)
        assert asked.wait(30)
        second = pool.submit(downloads.fetch, shelf.model(), tmp_path, waiting=waits.set)
        assert waits.wait(30)
        go.set()
        assert isinstance(first.exception(30), MissingWeights)
        assert second.result(30) == "fetched"
