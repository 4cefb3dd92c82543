"""Names, links and places that a command line meets."""

from __future__ import annotations

import io
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from anonymizer.commands import console
from anonymizer.commands.progress import watching
from tests import photos
from tests.films import make_video
from tests.test_cli import COVER, ROOT, anonymize

NAMES = [
    "-x.mp4",
    "a\nb.mp4",
    "carriage\rreturn.mp4",
    "\x1b[31mred.mp4",
    "quo\"t'e`s$HOME.mp4",
    "😀 👨‍👩‍👧 :smile:.mp4",
    "[red]marked[bold].mp4",
    "%s {0} {task}.mp4",
    " spaces .mp4",
    os.fsdecode(b"no utf-8 \xff.mp4"),
    "ünïcödé ‮evil.mp4",
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("tiny") / "a.mp4", frames=2)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_only_a_name(tmp_path, monkeypatch, tiny, name):
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny, tmp_path / name)
    code, out, err = anonymize("run", "--replace", "cover", "--", name)
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert all(char.isprintable() or char == "\u200d" for char in out.strip("\n"))
    stem = Path(name).stem
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [name, *(f"{stem}_anonymized.{kind}" for kind in ("mp4", "report.html", "report.json"))]
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_error_is_one_line_whatever_the_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("no film")
    code, out, err = anonymize("run", "--replace", "cover", "--", name)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    code, out, err = anonymize("run", "--dry-run", "--", name)
    assert (code, len(out.splitlines()), err) == (0, 1, "")


def test_a_line_is_written_in_what_the_terminal_knows():
    assert console.one_line("a\nb\u2028\udcff é", "ascii") == "a\\nb\\u2028\\udcff \\xe9"
    assert console.one_line("👨‍👩‍👧 é") == "👨‍👩‍👧 é"


def test_a_log_message_is_one_line(capsys):
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers.clear()
    try:
        console.log(verbose=False)
        logging.getLogger("veilframe").warning("%s: odd", "a\nb.mp4")
    finally:
        root.handlers[:] = before
    assert capsys.readouterr().err == "WARNING veilframe: a\\nb.mp4: odd\n"


def test_progress_shows_a_name_as_it_is(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    file = io.StringIO()
    terminal = console.Lines()
    terminal.file, terminal._force_terminal, terminal.is_interactive = file, True, True
    with watching(terminal, Path("[bold]\n.mp4"), quiet=False) as progress:
        assert progress is not None
        progress("find", 1, 0)
        for bars in terminal._live_stack:
            bars.refresh()
    assert "[bold]\\n.mp4" in file.getvalue()


def test_a_loop_of_links_is_one_bad_input(tmp_path, tiny):
    loop, good = tmp_path / "loop.mp4", shutil.copy(tiny, tmp_path / "good.mp4")
    loop.symlink_to(loop)
    code, _, err = anonymize("run", loop, good, "-o", tmp_path / "out", *COVER)
    assert (code, err) == (1, f"error: {loop}: too many levels of symbolic links\n")
    assert (tmp_path / "out" / "good_anonymized.mp4").exists()
    code, _, err = anonymize("run", good, "-o", loop, *COVER)
    assert (code, len(err.splitlines())) == (1, 1)
    assert loop.is_symlink()


def test_a_link_is_followed_to_the_source(tmp_path, tiny):
    (tmp_path / "link.mp4").symlink_to(tiny)
    assert anonymize("run", tmp_path / "link.mp4", *COVER)[0] == 0
    assert (tmp_path / "link_anonymized.mp4").is_file()


def linked(folder: Path, tiny: Path) -> tuple[Path, Path, Path]:
    """A film, someone's file, and a link to that where the result is to go."""
    theirs, link = folder / "theirs.mp4", folder / "out.mp4"
    theirs.write_bytes(b"theirs")
    link.symlink_to(theirs)
    return Path(shutil.copy(tiny, folder / "in.mp4")), theirs, link


def test_a_link_at_the_destination_is_not_written_through(tmp_path, tiny):
    source, theirs, link = linked(tmp_path, tiny)
    code, _, err = anonymize("run", source, "-o", link, *COVER)
    assert (code, err) == (1, f"error: {link}: exists; pass --overwrite to replace it\n")
    assert link.readlink() == theirs
    assert anonymize("run", source, "-o", link, *COVER, "--overwrite")[0] == 0
    assert not link.is_symlink()
    assert link.stat().st_size > 100
    assert theirs.read_bytes() == b"theirs"


def test_a_link_at_the_place_of_the_report_is_not_written_through(tmp_path, tiny):
    source, theirs, link = linked(tmp_path, tiny)
    report = tmp_path / "in_anonymized.report.json"
    link.rename(report)
    code, _, err = anonymize("run", source, *COVER)
    assert (code, err) == (1, f"error: {report}: exists; pass --overwrite to replace it\n")
    assert anonymize("run", source, *COVER, "--overwrite")[0] == 0
    assert not report.is_symlink()
    assert theirs.read_bytes() == b"theirs"


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_a_source_is_never_replaced(tmp_path, tiny, make):
    source, other = Path(shutil.copy(tiny, tmp_path / "in.mp4")), tmp_path / "out.mp4"
    make(other, source)
    code, _, err = anonymize("run", source, "-o", other, *COVER, "--overwrite")
    if make is Path.symlink_to:
        assert (code, err) == (2, f"error: {other}: is an input; choose another --output\n")
    assert source.read_bytes() == tiny.read_bytes()
    assert not source.is_symlink()


def test_a_link_to_a_folder_is_that_folder(tmp_path, tiny):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert anonymize("run", tiny, "-o", tmp_path / "link", *COVER)[0] == 0
    assert (tmp_path / "real" / "a_anonymized.mp4").is_file()


def test_a_folder_that_cannot_be_written_is_said_before_any_work(tmp_path, tiny):
    place = tmp_path / "closed"
    place.mkdir(mode=0o500)
    if os.access(place, os.W_OK):  # nothing stops root, but for this
        place = Path("/proc")
    code, _, err = anonymize("run", tiny, "-o", place / "out.mp4", *COVER)
    assert (code, len(err.splitlines())) == (1, 1)
    assert err.startswith(f"error: {place}/out.")
    assert "choose another" in err


def noise(path: Path) -> Path:
    rng = np.random.default_rng(0)
    size = {"frames": 12, "size": (160, 120)}
    return make_video(path, draw=lambda _: rng.integers(0, 256, (120, 160, 3), np.uint8), **size)


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The system lets no file grow beyond some bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_old_result(tmp_path):
    source, output = noise(tmp_path / "in.mp4"), tmp_path / "in_anonymized.mp4"
    output.write_bytes(b"old")
    with no_file_beyond(20_000):
        code, _, err = anonymize("run", source, *COVER, "--overwrite")
    assert (code, len(err.splitlines())) == (1, 1)
    assert err.startswith(f"error: {output}: the file grows beyond the size limit here; choose")
    assert output.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [source, output]


def test_a_report_for_which_there_is_no_room_is_said(tmp_path, tiny):
    source = Path(shutil.copy(tiny, tmp_path / "in.mp4"))
    with no_file_beyond(7000):  # the page is longer than the film
        code, _, err = anonymize("run", source, *COVER)
    assert (code, len(err.splitlines())) == (1, 1)
    assert "report.html: the file grows beyond the size limit here" in err
    assert (tmp_path / "in_anonymized.mp4").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


SMALL_DISK = """
mkdir disk && mount -t tmpfs -o size=40k none disk || exit 99
"$@" run in.mp4 -o disk/out.mp4 --replace cover; code=$?
ls -A disk
exit $code
"""


def small_disks() -> bool:
    """Whether file systems can be mounted in a namespace of one's own."""
    asked = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(asked, check=False).returncode == 0
    )


def test_a_small_disk_that_is_full_is_said(tmp_path):
    """On a real full disk where one can be made, else on one that the system says is full."""
    source = noise(tmp_path / "in.mp4")
    program = [sys.executable, "-P", "-m", "anonymizer"]
    if small_disks():
        command = ["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", *program]
    else:
        command = ["sh", "-c", 'ulimit -f 40; mkdir disk; "$@"', "sh", *program]
        command += ["run", str(source), "-o", "disk/out.mp4", "--replace", "cover"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "disk/out.mp4: the " in done.stderr
    assert "choose another folder with -o" in done.stderr


@pytest.mark.parametrize("command", ["run", "dataset"])
def test_a_folder_of_pictures_keeps_depth_and_formats(tmp_path, command):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    made = [
        photos.of_opencv("a.png", bits=16)(tmp_path / "in"),
        photos.of_opencv("b.tif", bits=16)(tmp_path / "in" / "deep"),
        photos.of_pillow("c.webp", 4, lossless=True)(tmp_path / "in"),
        photos.of_pillow("d.jpg", quality=90)(tmp_path / "in"),
    ]
    mark = "_anonymized" if command == "run" else ""
    place = ["-o", str(tmp_path / "out")] if command == "run" else [str(tmp_path / "out")]
    words = [command, str(tmp_path / "in"), *place, "--replace", "cover", "--quiet"]
    assert anonymize(*words)[0] == 0
    for source in made:
        inside = source.relative_to(tmp_path / "in")
        result = tmp_path / "out" / inside.with_name(f"{source.stem}{mark}{source.suffix}")
        before, after = photos.samples(source), photos.samples(result)
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
