from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from anonymizer.diffusion import memory
from anonymizer.networks import Networks

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Room:
    """A function that has memory for so many rows at once, as an accelerator would."""

    def __init__(self, rows: int) -> None:
        self.rows, self.calls = rows, list[int]()

    def __call__(self, part: slice) -> Tensor:
        values = torch.arange(10.0)[part]
        self.calls.append(len(values))
        if len(values) > self.rows:
            raise torch.OutOfMemoryError("no room")
        return values * 2


def test_batches_shrink_until_they_fit_and_stay_so() -> None:
    room, batches = Room(3), memory.Batches(8)
    assert torch.equal(batches.run(room, 10), torch.arange(10.0) * 2)
    assert room.calls == [8, 4, 2, 2, 2, 2, 2]
    room.calls.clear()
    batches.run(room, 10)
    assert room.calls == [2] * 5


def test_what_has_to_stay_together_does() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        memory.Batches(8, least=8).run(Room(4), 10)
    assert len(memory.Batches(10, least=4).run(room := Room(5), 10)) == 10
    assert room.calls == [10, 5, 5]
    memory.Batches(6, least=4).run(room := Room(4), 10)
    assert room.calls == [6, 4, 4, 2]


def test_no_room_for_one_row_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        memory.Batches(8).run(Room(0), 10)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_parts_side_by_side_are_computed_at_the_same_time_and_joined_in_order() -> None:
    meeting, threads = threading.Barrier(2, timeout=20), set[tuple[str, int, bool]]()

    def answer(part: slice) -> Tensor:
        meeting.wait()  # breaks if the parts follow one another
        threads.add((threading.current_thread().name, torch.get_num_threads(), gradients()))
        return torch.arange(8.0)[part] * 2

    def gradients() -> bool:
        return torch.is_grad_enabled()

    with torch.no_grad():
        joined = memory.Batches(4, side_by_side=True).run(answer, 8)
    assert torch.equal(joined, torch.arange(8.0) * 2)
    assert {each[1:] for each in threads} == {(1, False)}
    assert len(threads) == 2
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_of_one_part_is_raised_and_threads_are_given_back() -> None:
    def answer(part: slice) -> Tensor:
        if part.start:
            raise FloatingPointError("not finite")
        return torch.zeros(1)

    with pytest.raises(FloatingPointError):
        memory.Batches(4, side_by_side=True).run(answer, 12)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_things_asked_at_once_are_answered_in_order_by_one_thread_each() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def answer(item: int) -> tuple[int, int]:
        meeting.wait()  # breaks if one follows the other
        return item, torch.get_num_threads()

    assert memory.at_once(answer, range(6)) == [(item, 1) for item in range(6)]
    assert memory.at_once(answer, []) == []
    assert torch.get_num_threads() == 2


def test_first_batches_are_a_chunk_on_a_gpu_and_few_elsewhere() -> None:
    assert memory.first_batch(Networks(), CUDA) == 16
    assert memory.first_batch(Networks(), CPU) == 4
    assert memory.first_batch(Networks(batch=7), CUDA) == 7


def test_precision_is_that_asked_for_and_full_on_a_cpu() -> None:
    assert memory.precision("fp16", CPU) == torch.float16
    assert memory.precision("bf16", CPU) == torch.bfloat16
    assert memory.precision("auto", CPU) == torch.float32


def test_lent_weights_are_away_only_while_their_layer_computes() -> None:
    class Looking(nn.Linear):
        places: list[int]

        def forward(self, x: Tensor) -> Tensor:
            self.places = [self.weight.data_ptr(), self.bias.data_ptr()]
            return super().forward(x)

    layer, x = Looking(3, 2), torch.randn(4, 3)
    home, wanted = [layer.weight.data_ptr(), layer.bias.data_ptr()], layer(x)
    memory.lend(nn.Sequential(layer, nn.ReLU()), CPU)
    assert torch.equal(layer(x), wanted)
    assert not set(layer.places) & set(home)
    assert [layer.weight.data_ptr(), layer.bias.data_ptr()] == home


def test_lent_weights_come_home_after_an_error() -> None:
    class Failing(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("on the way")

    layer = Failing(3, 2)
    home = layer.weight.data_ptr()
    memory.lend(layer, CPU)
    with pytest.raises(RuntimeError, match="on the way"):
        layer(torch.zeros(1, 3))
    assert layer.weight.data_ptr() == home
