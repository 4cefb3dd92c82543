"""The learned head: a linear map from an identity code and an expression to a small mesh."""

import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from anonymizer.errors import MissingWeights

FORMAT: Final = "veilframe-head-1"
"""Value of the key `format` in the file's metadata."""
PART_SKIN: Final = 0
PART_MOUTH: Final = 1
PART_TEETH: Final = 2
NOSE_SHARE: Final = 0.42
"""Where detectors mark the nose, from the tip (0) to its base at the lip (1)."""

_FLOATS: Final = {
    "mean": 2,
    "identity": 3,
    "expression": 3,
    "texture": 2,
    "occlusion": 1,
    "eye_centres": 2,
    "eye_radius": 1,
    "eye_identity": 3,
    "code_from_weights": 2,
}
_INTEGERS: Final = {"triangles": 2, "parts": 1, "landmarks": 2, "nose_base": 1}


@dataclass(frozen=True, slots=True, eq=False)
class HeadModel:
    """A head of N vertices, M triangles, K identity numbers and E expressions.

    Head space: centimetre-like units, x to the right of the picture, y up, z towards the viewer.
    """

    mean: NDArray[np.float32]
    """(N, 3) vertices of the mean neutral head; the skin first, then mouth, then teeth."""
    identity: NDArray[np.float32]
    """(K, N, 3) offset of each code number; codes have unit spread in the population."""
    expression: NDArray[np.float32]
    """(E, N, 3) offset of each expression at weight 1."""
    expression_names: tuple[str, ...]
    """(E,) ARKit-like names; L is the person's left, the viewer's right."""
    triangles: NDArray[np.int32]
    """(M, 3) counter-clockwise seen from outside with y up."""
    parts: NDArray[np.uint8]
    """(N,) PART_SKIN, PART_MOUTH or PART_TEETH."""
    texture: NDArray[np.float32]
    """(N, 2) place on the skin texture, `anonymizer.head.layout.texture_coordinates`."""
    occlusion: NDArray[np.float32]
    """(N,) share of the sky each vertex sees on the mean head, 0 to 1."""
    landmark_vertices: NDArray[np.int32]
    """(5, 6) vertices whose mean is each landmark."""
    nose_base: NDArray[np.int32]
    """(1,) vertex where the nose meets the upper lip."""
    eye_centres: NDArray[np.float32]
    """(2, 3) centres of the eyeballs of the mean head, smaller x first."""
    eye_radius: float
    """Radius of the eyeballs, head units."""
    eye_identity: NDArray[np.float32]
    """(K, 2, 3) motion of the centres with the code."""
    weights_to_code: NDArray[np.float32]
    """(K, W) from identity weights of the model this head was learnt from (training only)."""

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a head, by default the one in the package.

        Raises:
            MissingWeights: if the file is absent, damaged, or of another format.
        """
        if path is not None:
            return cls._read(path)
        with as_file(files("anonymizer") / "weights" / "head.safetensors") as packaged:
            return cls._read(packaged)

    @classmethod
    def _read(cls, path: Path) -> Self:
        if not path.is_file():
            raise MissingWeights(path, "the head model is absent; reinstall the package")
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError) as error:
            raise MissingWeights(
                path, "the head model is damaged; reinstall the package"
            ) from error
        _check(path, metadata, arrays)
        floats = {name: arrays[name].astype(np.float32) for name in _FLOATS}
        return cls(
            floats["mean"],
            floats["identity"],
            floats["expression"],
            tuple(json.loads(metadata["expressions"])),
            arrays["triangles"].astype(np.int32),
            arrays["parts"].astype(np.uint8),
            floats["texture"],
            floats["occlusion"],
            arrays["landmarks"].astype(np.int32),
            arrays["nose_base"].astype(np.int32),
            floats["eye_centres"],
            float(floats["eye_radius"][0]),
            floats["eye_identity"],
            floats["code_from_weights"],
        )

    @property
    def code_length(self) -> int:
        """K, the numbers of an identity code."""
        return len(self.identity)

    def vertices(
        self, identity: NDArray[np.floating], expression: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Vertices (N, 3) of a head with code (K,) making a face (E,); no face is neutral."""
        moved = np.asarray(identity, np.float32) @ self.identity.reshape(self.code_length, -1)
        if expression is not None:
            face = np.asarray(expression, np.float32)
            moved = moved + face @ self.expression.reshape(len(self.expression), -1)
        return self.mean + moved.reshape(self.mean.shape)

    def landmarks(self, vertices: NDArray[np.floating]) -> NDArray[np.float32]:
        """The five anatomical landmarks (5, 3) of a head given by its vertices."""
        return np.asarray(vertices[self.landmark_vertices].mean(1), np.float32)

    def marked_landmarks(self, vertices: NDArray[np.floating]) -> NDArray[np.float32]:
        """The five landmarks (5, 3) as face detectors mark them.

        They put the nose tip lower than the most protruding point: on 16 real faces by 3.6 (YuNet)
        and 3.8 (CenterFace) pixels of a 128-pixel crop. Pose a detected face with these landmarks:
        with the true tip every face seems to look down by about 15 degrees.
        """
        marked = self.landmarks(vertices)
        base = np.asarray(vertices[self.nose_base[0]], np.float32)
        marked[2] += NOSE_SHARE * (base - marked[2])
        return marked

    def eyes(self, identity: NDArray[np.floating]) -> NDArray[np.float32]:
        """Centres (2, 3) of the eyeballs of a head with code (K,)."""
        moved = np.tensordot(np.asarray(identity, np.float32), self.eye_identity, 1)
        return np.asarray(self.eye_centres + moved, np.float32)

    def face(self, weights: dict[str, float]) -> NDArray[np.float32]:
        """Expression vector (E,) from weights by name.

        Raises:
            ValueError: if a name is unknown.
        """
        if unknown := set(weights) - set(self.expression_names):
            known = ", ".join(self.expression_names)
            raise ValueError(f"unknown expressions {sorted(unknown)}; known: {known}")
        values = [weights.get(name, 0.0) for name in self.expression_names]
        return np.array(values, np.float32)

    def code_from_weights(self, weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """Code (K,) nearest to a head of the source model with identity weights (W,) or fewer."""
        used = np.asarray(weights, np.float32)
        return np.asarray(self.weights_to_code[:, : len(used)] @ used, np.float32)


def _check(path: Path, metadata: dict[str, str], arrays: dict[str, NDArray[np.generic]]) -> None:
    """Refuse a file that is not a head of this format."""
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise MissingWeights(path, f"format {found!r} is not {FORMAT!r}; reinstall the package")
    wanted = _FLOATS | _INTEGERS
    wrong = [n for n, rank in wanted.items() if n not in arrays or arrays[n].ndim != rank]
    if wrong:
        raise MissingWeights(
            path, f"tensors {wrong} are absent or misshapen; reinstall the package"
        )
    if int(arrays["triangles"].max()) >= len(arrays["mean"]):
        raise MissingWeights(
            path, "triangles name vertices that do not exist; reinstall the package"
        )


def vertex_normals(
    vertices: NDArray[np.floating], triangles: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Unit normals (N, 3), outward, as the area-weighted mean of the triangles around."""
    corners = np.asarray(vertices, np.float32)[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat = triangles.ravel()
    sums = [np.bincount(flat, np.repeat(facing[:, k], 3), len(vertices)) for k in range(3)]
    total = np.stack(sums, 1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-9), np.float32)
