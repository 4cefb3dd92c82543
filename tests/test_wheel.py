"""The wheel holds what it should and works where nothing else of the project is."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_top_level_is_the_four_promised_names(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    info = {top for top in tops if top.endswith(".dist-info")}
    assert tops - info == {"anonymizer", "detectors", "mediators", "cli.py"}
    subprocess.run([sys.executable, "-m", "check_wheel_contents", str(wheel)], check=True, cwd=ROOT)


def test_the_weights_are_in_it_and_are_safetensors(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    weights = [name for name in names if name.startswith("anonymizer/weights/")]
    kinds = {Path(name).suffix for name in weights if "LICENSE" not in name}
    assert ".safetensors" in kinds
    assert kinds <= {".safetensors", ".json"}


def test_what_reports_are_made_by_is_in_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"anonymizer/report.schema.json", "anonymizer/report.css"} <= set(names)
    assert "anonymizer/translation.schema.json" in names


def test_it_runs_where_only_it_is_installed(wheel, tmp_path):
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    code = "import cli, sys; sys.argv = ['anonymize', '--version']; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("veilframe ")
