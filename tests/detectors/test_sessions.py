from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from anonymizer.errors import MissingWeights, UsageError
from detectors import _sessions


def halving(path: Path) -> Path:
    """A network that halves a picture of 4 x 6 pixels; its constant 2 is also an input."""
    shape = [1, 3, 4, 6]
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    inputs = [
        helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("two", TensorProto.FLOAT, [1]),
    ]
    outputs = [helper.make_tensor_value_info("half", TensorProto.FLOAT, shape)]
    node = helper.make_node("Div", ["picture", "two"], ["half"])
    graph = helper.make_graph([node], "halving", inputs, outputs, [two])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def session(path: Path) -> _sessions.Session:
    model = _sessions.read(halving(path), "")
    return _sessions.opened(model.SerializeToString(), path, "cpu", part="halving", advice="")


def test_any_number_and_size_of_pictures_is_taken_and_constants_are_no_inputs(tmp_path):
    pictures = np.full((2, 3, 5, 7), 6, np.float32)
    (half,) = session(tmp_path / "half.onnx").run(["half"], {"picture": pictures})
    assert np.array_equal(half, pictures / 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_is_never_taken(tmp_path, value):
    pictures = np.ones((1, 3, 5, 7), np.float32)
    pictures[0, 1, 2, 3] = value
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        session(tmp_path / "half.onnx").run(["half"], {"picture": pictures})


def test_a_session_says_where_it_runs(tmp_path):
    opened = session(tmp_path / "half.onnx")
    assert not opened.accelerated
    assert opened.get_providers() == ["CPUExecutionProvider"]


def test_missing_and_foreign_files_are_named_with_advice(tmp_path):
    with pytest.raises(MissingWeights, match=r"none\.onnx: cannot be read; get it"):
        _sessions.read(tmp_path / "none.onnx", "get it")
    path = tmp_path / "text.onnx"
    path.write_bytes(b"\xff not a network \xff")
    with pytest.raises(MissingWeights, match="is not an ONNX file; get it"):
        _sessions.read(path, "get it")


def test_a_network_that_does_not_run_is_refused(tmp_path):
    with pytest.raises(MissingWeights, match="onnxruntime cannot load it; get it"):
        _sessions.opened(b"\x08\x04", tmp_path / "broken.onnx", "cpu", part="x", advice="get it")


def test_absent_cuda_is_an_error_with_advice_and_never_the_cpu():
    with pytest.raises(
        UsageError, match=r"no CUDA here; install onnxruntime-gpu.*\[options.eyes\]"
    ):
        _sessions._providers("cuda:1", ["CPUExecutionProvider"], "eyes")


@pytest.mark.parametrize(
    ("device", "first"),
    [
        ("auto", "CUDAExecutionProvider"),
        ("cuda:3", "CUDAExecutionProvider"),
        ("cpu", "CPUExecutionProvider"),
        ("mps", "CPUExecutionProvider"),
    ],
)
def test_the_best_allowed_provider_comes_first(device, first):
    present = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    providers = _sessions._providers(device, present, "eyes")
    assert providers[0][0] == first
    assert providers[0][1].get("device_id", "0") == ("3" if device == "cuda:3" else "0")
    assert providers[-1][0] == "CPUExecutionProvider"


def test_a_device_that_fails_to_start_is_an_error_or_with_auto_a_warning(caplog):
    _sessions._insist_on_device("cuda", "CUDAExecutionProvider", "CUDAExecutionProvider")
    with pytest.raises(UsageError, match="device 'cuda:0' failed to start"):
        _sessions._insist_on_device("cuda:0", "CUDAExecutionProvider", "CPUExecutionProvider")
    assert not caplog.records
    _sessions._insist_on_device("auto", "CUDAExecutionProvider", "CPUExecutionProvider")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "faces are found by CPUExecutionProvider" in caplog.text


@pytest.mark.parametrize("device", ["auto", "cpu", "mps"])
def test_a_runtime_without_a_gpu_takes_what_means_the_cpu(device):
    _sessions.on_cpu_only(device, part="eyes")


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("cuda:1", r"'cuda:1': eyes runs on the CPU only.*\[options.eyes\]"),
        ("tpu", "'tpu' is not auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_a_runtime_without_a_gpu_refuses_the_rest(device, sentence):
    with pytest.raises(UsageError, match=sentence):
        _sessions.on_cpu_only(device, part="eyes")
