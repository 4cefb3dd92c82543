"""Read networks, and start onnxruntime on the device that was asked for, or say why not."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import MissingWeights, UsageError
from detectors._candidates import insist_on_numbers

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

_log = logging.getLogger("veilframe")


class Session:
    """An onnxruntime session that never answers with NaN or infinity."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the session has
        return getattr(self._session, name)

    @property
    def provider(self) -> str:
        """What it runs on, as onnxruntime calls it."""
        return str(self._session.get_providers()[0])

    @property
    def accelerated(self) -> bool:
        """Whether it runs on something other than the CPU."""
        return self.provider != "CPUExecutionProvider"

    def run(
        self, names: Sequence[str], inputs: Mapping[str, NDArray[np.generic]]
    ) -> list[NDArray[np.float32]]:
        """The named outputs.

        Raises:
            FloatingPointError: if a number is not finite.
        """
        outputs: list[NDArray[np.float32]] = self._session.run(names, inputs)
        insist_on_numbers(*outputs)
        return outputs


def read(path: Path, advice: str) -> ModelProto:
    """Load an ONNX file, its weights made constant and its picture sizes and batch made free.

    Args:
        path: The file.
        advice: What to do when it is absent or damaged, for messages.

    Raises:
        MissingWeights: if it cannot be read or is something else.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise MissingWeights(path, f"cannot be read; {advice}") from error
    except DecodeError as error:
        raise MissingWeights(path, f"is not an ONNX file; {advice}") from error
    weights = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for item in model.graph.input:
        _free(item.type.tensor_type.shape.dim, (0, 2, 3))
    for item in model.graph.output:
        shape = item.type.tensor_type.shape.dim
        _free(shape, (0, 2, 3) if len(shape) == 4 else (0, 1))
    return model


def _free(shape: Sequence[Any], axes: Sequence[int]) -> None:
    for axis in axes:
        if axis < len(shape):
            shape[axis].Clear()


def opened(network: bytes, path: Path, device: str, *, part: str, advice: str) -> Session:
    """A session for a network, on the named device.

    Args:
        network: Serialized ONNX.
        path: Where it came from, for messages.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` (which means the CPU) or ``auto``.
        part: Name of the detector, for messages.
        advice: What to do when the network does not load, for messages.

    Raises:
        UsageError: if a named device is not there. A slower one is never taken silently.
        MissingWeights: if the network cannot be loaded.
    """
    import onnxruntime

    providers = _providers(device, onnxruntime.get_available_providers(), part)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _cores()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(network, options, providers=providers)
    except Exception as error:
        raise MissingWeights(path, f"onnxruntime cannot load it; {advice}") from error
    _insist_on_device(device, providers[0][0], session.get_providers()[0])
    return Session(session)


def _insist_on_device(device: str, wanted: str, got: str) -> None:
    """Say when a network runs on something slower than it could."""
    if got == wanted:
        return
    if device != "auto":
        raise UsageError(f"device {device!r} failed to start in onnxruntime; use device cpu")
    _log.warning("onnxruntime offers %s but it failed to start; faces are found by %s", wanted, got)


def _providers(device: str, present: Sequence[str], part: str) -> list[tuple[str, dict[str, str]]]:
    """What onnxruntime shall run on, best first."""
    kind, _, number = device.partition(":")
    check_kind(device)
    cpu: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
    there = "CUDAExecutionProvider" in present
    if kind == "cuda" and not there:
        raise UsageError(
            f"device {device!r}: onnxruntime has no CUDA here; install onnxruntime-gpu, or set "
            f'device = "cpu" in the table [options.{part}]'
        )
    if there and kind in ("auto", "cuda"):
        return [("CUDAExecutionProvider", {"device_id": number or "0"}), cpu]
    return [cpu]


def check_kind(device: str) -> None:
    """Refuse what is no device.

    Raises:
        UsageError: listing the legal ones.
    """
    if device.partition(":")[0] not in ("auto", "cpu", "cuda", "mps"):
        raise UsageError(f"device {device!r} is not auto, cpu, cuda, cuda:N or mps")


def on_cpu_only(device: str, *, part: str) -> None:
    """Refuse a GPU for a runtime that has none here.

    Raises:
        UsageError: if ``device`` names one, or is no device.
    """
    check_kind(device)
    if device.startswith("cuda"):
        raise UsageError(
            f"device {device!r}: {part} runs on the CPU only; set "
            f'device = "cpu" in the table [options.{part}]'
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
