"""What is installed fits together, and is enough."""

import subprocess
import sys
from importlib import metadata

import cv2
import numpy as np


def test_opencv_is_whole_and_of_one_version():
    """mediapipe brings opencv-contrib-python, which shares cv2/ with opencv-python."""
    versions = {metadata.version(name) for name in ("opencv-python", "opencv-contrib-python")}
    assert len(versions) == 1
    grey = np.zeros((16, 16), np.uint8)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    assert flow.calc(grey, grey, None).shape == (16, 16, 2)
    assert cv2.warpAffine(grey, np.eye(2, 3), (8, 8)).shape == (8, 8)
    assert hasattr(cv2, "FaceDetectorYN")


def test_av_still_uses_fractions():
    """PyAV 19 replaces them by a type of its own; see the pin in pyproject.toml."""
    assert int(metadata.version("av").split(".")[0]) < 19


EXTRAS = ("transformers", "peft", "numba", "ray", "dlib", "face_recognition_models", "jsonschema")
"""What comes with extras alone."""
DEFAULT = f"""
import sys

for name in {EXTRAS}:
    sys.modules[name] = None  # as if it were not installed
from anonymizer.crew import crew_for
from anonymizer.settings import Settings, Painting

assert crew_for(Settings()).studio.face.replacer.size
assert crew_for(Settings(painting=Painting(mediator="medm+fresco")))
"""


QUIET = """
from anonymizer.diffusion.clip import quietly

with quietly():
    import diffusers.loaders.ip_adapter
"""


def test_libraries_say_nothing_on_our_terminal():
    done = subprocess.run(
        [sys.executable, "-c", QUIET], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_default_parts_need_no_extra():
    """The tests have all extras; who installs the program alone has none."""
    done = subprocess.run(
        [sys.executable, "-c", DEFAULT], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


COVERS = """
import sys
import anonymizer.dataset
from anonymizer.crew import crew_for
from anonymizer.settings import Settings, Painting

crew_for(Settings(painting=Painting(replace="cover", expression="off")))
print(*({"torch", "diffusers", "scipy"} & sys.modules.keys()))
"""


def test_who_only_covers_faces_need_not_wait_for_the_networks_that_paint_them():
    done = subprocess.run(
        [sys.executable, "-c", COVERS], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []
