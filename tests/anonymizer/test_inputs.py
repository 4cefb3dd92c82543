import re
from pathlib import Path

import pytest

from anonymizer.errors import UsageError
from anonymizer.inputs import destinations


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_a_file_goes_beside_itself(tmp_path):
    (film,) = touch(tmp_path, "film.MP4")
    assert destinations([film], None) == [(film, tmp_path / "film_anonymized.MP4")]


def test_a_result_gets_a_suffix_that_can_be_written(tmp_path):
    film, still = touch(tmp_path, "film.avi", "still.png")
    assert destinations([film], None, lambda _: ".mkv")[0][1].name == "film_anonymized.mkv"
    assert destinations([film], tmp_path / "a.avi", lambda _: ".mkv")[0][1].name == "a.avi"
    assert destinations([still], None, lambda _: ".mkv")[0][1].name == "still_anonymized.png"


def test_a_file_goes_where_it_is_told(tmp_path):
    (film,) = touch(tmp_path, "film.mp4")
    assert destinations([film], tmp_path / "out.mkv") == [(film, tmp_path / "out.mkv")]


def test_a_file_goes_into_a_folder(tmp_path):
    (film,) = touch(tmp_path, "film.mp4")
    (tmp_path / "out").mkdir()
    assert destinations([film], tmp_path / "out") == [
        (film, tmp_path / "out" / "film_anonymized.mp4")
    ]


def test_several_files_need_a_folder(tmp_path):
    films = touch(tmp_path, "a.mp4", "b.mp4", "out.mp4")
    with pytest.raises(UsageError, match="several inputs need a folder"):
        destinations(films[:2], films[2])


def test_a_folder_is_mirrored_without_what_is_not_media(tmp_path):
    root = tmp_path / "in"
    touch(root, "a.mp4", "sub/b.JPG", "sub/labels.txt", ".hidden/c.mp4", "a_anonymized.mp4")
    out = tmp_path / "out"
    assert destinations([root], out) == [
        (root / "a.mp4", out / "a_anonymized.mp4"),
        (root / "sub" / "b.JPG", out / "sub" / "b_anonymized.JPG"),
    ]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no video or picture"):
        destinations([tmp_path], None)


def test_two_results_never_go_to_one_file(tmp_path):
    films = touch(tmp_path, "a/film.mp4", "b/film.mp4")
    with pytest.raises(UsageError, match="would both be written to"):
        destinations(films, tmp_path / "out")


def test_an_input_is_never_overwritten(tmp_path):
    (film,) = touch(tmp_path, "film.mp4")
    with pytest.raises(UsageError, match=re.escape("is an input; choose another --output")):
        destinations([film], film)
    link = tmp_path / "link.mp4"
    link.symlink_to(film)
    with pytest.raises(UsageError, match="is an input"):
        destinations([film], link)
