"""What FRESCO costs: closed forms against autograd, and each mechanism against plain denoising.

    python -m tests.benchmarks.bench_fresco [--rounds 3] [--side 32] [--device cpu]

CPU seconds on one thread and peak memory above what was held before, on a GPU seconds and the
allocator's peak. The network has the shape of Stable Diffusion's at an eighth of its width and
random weights, which no ratio of times depends on; `--side` is that of its latents.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from diffusers import DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.data import Clip, Correspondence
from mediators import fresco
from mediators._difference import Differences
from mediators._flow import places
from mediators._likeness import Likeness
from mediators._links import Links

FRAMES: Final = 8
GRIDS: Final = ((16, 1280), (32, 640))
"""(side of the grid, channels) of the features whose likeness is measured."""
MECHANISMS: Final = (
    "cross_frame",
    "temporal_attention",
    "spatial_attention",
    "temporal_loss",
    "spatial_loss",
)


def panned(clip: Clip, target: int, source: int) -> Correspondence:
    """A pan by (3, -2) pixels a frame."""
    a, b = clip.indices[target], clip.indices[source]
    grid = places(*clip.shape) + np.array([3.0, -2.0], np.float32) * (b - a)
    inside = ((grid >= 0) & (grid <= (clip.shape[1] - 1, clip.shape[0] - 1))).all(-1)
    return Correspondence(b, a, grid.astype(np.float32), np.asarray(inside))


def clip_of(side: int) -> Clip:
    """Frames of noise, all of which is painted."""
    shape = (FRAMES, 8 * side, 8 * side)
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    return Clip(
        track=0,
        indices=tuple(range(FRAMES)),
        pixels=pixels,
        context=pixels,
        hidden=np.zeros(shape, np.bool_),
        mask=np.ones(shape, np.float32),
        frame_from_crop=np.repeat(np.eye(3)[None], FRAMES, 0),
        landmarks=np.zeros((FRAMES, 5, 2)),
    )


# Time and memory of one call.


def seconds(call: Callable[[], Any], device: torch.device) -> float:
    """CPU seconds of a call, or seconds on a GPU."""
    if device.type == "cpu":
        start = time.process_time()
        call()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def _resident(field: str) -> int:
    """A size of this process in MiB, as Linux tells it."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) // 1024


def _peak(call: Callable[[], Any], answer: Any) -> None:
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    call()
    answer.send(_resident("VmHWM") - before)


def memory(call: Callable[[], Any], device: torch.device) -> int:
    """Peak MiB above what was held before; on a CPU in a process of its own."""
    if device.type != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return (torch.cuda.max_memory_allocated() - before) >> 20
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_peak, args=(call, there))
    child.start()
    peak = int(here.recv())
    child.join()
    return peak


# Closed forms.


def likeness_by_autograd(z: Tensor, reference: Tensor) -> Tensor:
    """The gradient as one writes it first: the whole matrix, and the target kept."""
    leaf = z.clone().requires_grad_()
    unit, wanted = F.normalize(leaf, dim=2), F.normalize(reference, dim=2)
    target = wanted @ wanted.transpose(1, 2)
    (unit @ unit.transpose(1, 2) - target).abs().mean().backward()
    assert leaf.grad is not None
    return leaf.grad


def difference_by_autograd(z: Tensor, grids: Tensor, masks: Tensor, side: int) -> Tensor:
    """The same of differences along flow, by `grid_sample`."""
    leaf = z.clone().requires_grad_()
    picture = leaf.view(FRAMES, side, side, -1).permute(0, 3, 1, 2)
    loss = z.new_zeros(())
    for way, shift in enumerate((1, -1)):
        other = picture.roll(shift, 0)
        moved = F.grid_sample(other, grids[way], align_corners=True)
        loss = loss + ((picture - moved) * masks[way]).abs().mean()
    loss.backward()
    assert leaf.grad is not None
    return leaf.grad


def gradient(form: Likeness | Differences, z: Tensor) -> Tensor:
    return form.loss(z)[1]


def sampled_grids(links: Links, side: int) -> tuple[Tensor, Tensor]:
    """Normalized grids (2, N, h, w, 2) and masks (2, N, 1, h, w) of both ways round the ring."""
    backward: list[Any] = [None] * FRAMES
    forward: list[Any] = [None] * FRAMES
    for pair in links.pairs:
        backward[pair.second], forward[pair.first] = pair.back, pair.ahead
    empty = links.pairs[0].back.blind()
    views = [[view or empty for view in way] for way in (backward, forward)]
    base = places(side)
    grids = [[(base + v.flow_at((side, side))) * 2 / (side - 1) - 1 for v in way] for way in views]
    masks = [[~v.touched((side, side))[None] for v in way] for way in views]
    return torch.from_numpy(np.array(grids)), torch.from_numpy(np.array(masks)).float()


def compare_forms(rounds: int, device: torch.device) -> None:
    print(f"{'gradient':<26}{'autograd':>10}{'closed':>10}{'ratio':>8}{'MiB':>8}{'MiB':>8}")
    for side, channels in GRIDS:
        generator = torch.Generator().manual_seed(0)
        z, reference = torch.randn(2, FRAMES, side**2, channels, generator=generator).to(device)
        every = torch.ones(FRAMES, side**2, dtype=torch.bool, device=device)
        likeness = Likeness(reference, every, every)
        one_form(
            f"likeness {FRAMES}x{side}x{side}x{channels}",
            partial(likeness_by_autograd, z, reference),
            partial(gradient, likeness, z),
            rounds,
            device,
        )
        links = Links.of(clip_of(side), panned)
        grids, masks = (part.to(device) for part in sampled_grids(links, side))
        found = Differences.of(links, (side, side))
        assert found is not None
        along, stack = found.to(device), z.flatten(0, 1)
        one_form(
            f"along flow {FRAMES}x{side}x{side}x{channels}",
            partial(difference_by_autograd, stack, grids, masks, side),
            partial(gradient, along, stack),
            rounds,
            device,
        )


def one_form(
    name: str,
    theirs: Callable[[], Tensor],
    ours: Callable[[], Tensor],
    rounds: int,
    device: torch.device,
) -> None:
    """Print times and memory of both, and see that they agree."""
    one, two = theirs().flatten(), ours().flatten()
    agree = float(F.cosine_similarity(one, two, dim=0))
    assert agree > 0.99, agree
    pairs = [(seconds(theirs, device), seconds(ours, device)) for _ in range(rounds)]
    slow, fast = (median(column) for column in zip(*pairs, strict=True))
    sizes = memory(theirs, device), memory(ours, device)
    print(f"{name:<26}{slow:>10.3f}{fast:>10.3f}{slow / fast:>7.1f}x{sizes[0]:>8}{sizes[1]:>8}")


# Mechanisms.


@dataclass(frozen=True)
class Reference:
    """The network before the latents that are to be denoised."""

    look: Callable[[], Any]
    levels: NDArray[np.float64]
    drawn: bool = True


def network(device: torch.device) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return (
        UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(40, 80, 160, 160),
            cross_attention_dim=96,
            attention_head_dim=8,
            norm_num_groups=8,
        )
        .eval()
        .to(device)
    )


def compare_mechanisms(rounds: int, side: int, device: torch.device) -> None:
    """Print the cost of one step at t = 701, the first, with each mechanism."""
    model = network(device)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2 * FRAMES, 4, side, side, generator=generator).to(device)
    text = torch.randn(2 * FRAMES, 16, 96, generator=generator).to(device)
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    alphas = DDIMScheduler(**betas).alphas_cumprod.double()
    clip = clip_of(side)

    def call(time: int) -> None:
        model(x, time, encoder_hidden_states=text)

    reference = Reference(lambda: call(1), ((1 - alphas) / alphas).sqrt().numpy())

    def timed(names: Sequence[str], **options: Any) -> float:
        switches: dict[str, Any] = {name: name in names for name in MECHANISMS}
        mediator = fresco.build(correspond=panned, **(switches | options))
        mediation = mediator.prepare(clip, None)
        with torch.no_grad(), mediation.attach(model, reference):
            call(701)  # what a level needs is found once
            return seconds(lambda: call(701), device)

    rows: list[tuple[str, Sequence[str], dict[str, Any]]] = [
        *((name, (name,), {}) for name in MECHANISMS),
        ("both losses", MECHANISMS[3:], {}),
        ("both losses, coarse", MECHANISMS[3:], {"finest": side**2 // 4}),
        ("everything", MECHANISMS, {}),
        ("everything, coarse", MECHANISMS, {"finest": side**2 // 4}),
    ]
    shape = f"{FRAMES} frames, latents {side}x{side}, 2 conditions"
    print(f"\none step, ratio to plain denoising ({shape}, {rounds} rounds)")
    ratios: dict[str, list[float]] = {name: [] for name, _, _ in rows}
    for _ in range(rounds):
        plain = timed(())
        for name, names, options in rows:
            ratios[name].append(timed(names, **options) / plain)
    for name, values in ratios.items():
        print(f"{name:<26}{median(values):>8.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="what FRESCO costs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    wanted = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    device = torch.device(wanted.device)
    compare_forms(wanted.rounds, device)
    compare_mechanisms(wanted.rounds, wanted.side, device)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
