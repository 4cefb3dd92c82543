import os
import stat
from pathlib import Path

import pytest

from anonymizer.errors import UnwritableOutput
from anonymizer.video.publish import atomic_output
from anonymizer.video.temporary import PREFIX


def publish(destination: Path, content: str = "new", **options: bool) -> None:
    with atomic_output(destination, **options) as temporary:
        temporary.write_text(content)


def fail(destination: Path, error: BaseException, **options: bool) -> None:
    with atomic_output(destination, **options) as temporary:
        temporary.write_text("half")
        raise error


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_file_appears_whole_and_alone(tmp_path):
    publish(tmp_path / "b.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]
    assert (tmp_path / "b.mp4").read_text() == "new"


def test_while_writing_only_a_hidden_private_file_is_there_p4(tmp_path):
    destination = tmp_path / "b.mp4"
    with atomic_output(destination) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(PREFIX)
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".mp4"
        assert mode(temporary) == 0o600
        assert not destination.exists()


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
@pytest.mark.parametrize("overwrite", [False, True])
def test_published_file_has_the_mode_that_the_umask_gives(tmp_path, umask, expected, overwrite):
    old = os.umask(umask)
    try:
        publish(tmp_path / "b.mp4", overwrite=overwrite)
        assert os.umask(umask) == umask
    finally:
        os.umask(old)
    assert mode(tmp_path / "b.mp4") == expected


@pytest.mark.parametrize("error", [KeyError(), KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_nothing_is_left_after_any_exception_p3(tmp_path, error):
    with pytest.raises(type(error)):
        fail(tmp_path / "b.mp4", error)
    assert list(tmp_path.iterdir()) == []


def test_old_file_survives_a_failed_overwrite(tmp_path):
    destination = tmp_path / "b.mp4"
    destination.write_text("old")
    with pytest.raises(KeyError):
        fail(destination, KeyError(), overwrite=True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_existing_file_is_not_touched_unless_asked(tmp_path):
    destination = tmp_path / "b.mp4"
    destination.write_text("old")
    with pytest.raises(UnwritableOutput, match=r"b\.mp4: exists; pass --overwrite"):
        publish(destination)
    assert destination.read_text() == "old"
    publish(destination, overwrite=True)
    assert destination.read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_dangling_link_counts_as_existing(tmp_path):
    (tmp_path / "b.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    with pytest.raises(UnwritableOutput, match="exists"):
        fail(tmp_path / "b.mp4", AssertionError("began to write"))
    assert not (tmp_path / "elsewhere.mp4").exists()


def test_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    destination = tmp_path / "b.mp4"
    with pytest.raises(UnwritableOutput, match="exists; pass --overwrite"):
        race(destination)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]


def race(destination: Path) -> None:
    with atomic_output(destination) as temporary:
        temporary.write_text("ours")
        destination.write_text("theirs")


def unlinkable(*_: object) -> None:
    raise PermissionError(1, "no hard links here")


def test_file_systems_without_hard_links(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", unlinkable)  # as exFAT and some network shares answer
    publish(tmp_path / "b.mp4")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]
    with pytest.raises(UnwritableOutput, match="exists"):
        race(tmp_path / "c.mp4")
    assert (tmp_path / "c.mp4").read_text() == "theirs"


def test_error_about_the_temporary_file_names_the_destination(tmp_path):
    destination = tmp_path / "b.mp4"
    with pytest.raises(UnwritableOutput) as caught, atomic_output(destination) as temporary:
        raise UnwritableOutput(temporary, "the disk is full")
    assert str(caught.value) == f"{destination}: the disk is full"
    assert list(tmp_path.iterdir()) == []


def test_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(UnwritableOutput, match=r"other\.mp4: full"), atomic_output(tmp_path / "b"):
        raise UnwritableOutput(tmp_path / "other.mp4", "full")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/b.mp4", "the folder does not exist; create it or choose another with -o"),
        ("file/b.mp4", "the folder is not a folder; choose another with -o"),
        ("folder", "is a folder; expected a file name"),
        ("b" * 255 + ".mp4", "cannot be written: file name too long"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_destination_that_cannot_be_is_refused_before_any_work(tmp_path, name, reason, overwrite):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnwritableOutput) as caught:
        publish(tmp_path / name, overwrite=overwrite)
    assert str(caught.value) == f"{tmp_path / name}: {reason}"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_folder_that_cannot_be_written_is_named():
    with pytest.raises(UnwritableOutput, match=r"/proc/b\.mp4: "):  # refuses even root
        publish(Path("/proc/b.mp4"))
