"""Train the built-in model: `python -m anonymizer.training STAGE ...`; see docs/model-card.md.

Stages, in order: head, render, guides, vae, decoder, latents, unet, export, evaluate; motion and
points need render only. Each one continues where it was stopped.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny

from anonymizer.head.model import HeadModel
from anonymizer.training import checkpoint, head, motion, points
from anonymizer.training.acting import sample_speech
from anonymizer.training.dataset import PEOPLE_PER_SHARD, Scene, read_arrays, render_missing
from anonymizer.training.evaluate import evaluate
from anonymizer.training.export import export
from anonymizer.training.guides import guide_missing
from anonymizer.training.headmesh import load_head
from anonymizer.training.latents import join_latents, latent_missing, load_latents
from anonymizer.training.recipe import Recipe, VaeRecipe, read_recipe
from anonymizer.training.render import open_studio
from anonymizer.training.unet import begin_unet, measure, train_unet
from anonymizer.training.vae import begin_decoder, begin_vae, train_vae

_EVERY = 200
Pictures = tuple[torch.Tensor, torch.Tensor]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _meter(every: int = 50) -> Callable[[int, float], None]:
    """A report that prints the mean loss now and then."""
    losses: list[float] = []
    start = time.monotonic()

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step % every == 0:
            recent = float(np.mean(losses[-every:]))
            _say(f"step {step}: loss {recent:.4f}, {time.monotonic() - start:.0f} s")

    return report


def _shards(recipe: Recipe, args: argparse.Namespace) -> range:
    count = -(-recipe.data.people // PEOPLE_PER_SHARD)
    part, parts = (int(number) for number in args.part.split("/"))
    return range(part, min(count, args.count or count), parts)


def _render(recipe: Recipe, args: argparse.Namespace) -> None:
    studio = open_studio(args.facekit)
    seed = recipe.data.seed if args.seed is None else args.seed
    for path in render_missing(studio, args.out / "data", seed=seed, shards=_shards(recipe, args)):
        _say(path.name)


def _guides(_recipe: Recipe, args: argparse.Namespace) -> None:
    names = load_head(args.facekit, modes=1).expression_names
    for path in guide_missing(HeadModel.load(), args.out / "data", args.out / "guides", names):
        _say(path.name)


def _held_out(recipe: Recipe, folder: Path) -> list[Path]:
    """The last shards of a folder, kept for measuring."""
    kept = max(1, recipe.data.held_out // PEOPLE_PER_SHARD)
    return sorted(folder.glob("shard_*.npz"))[-kept:]


def _pictures(recipe: Recipe, args: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and landmarks that may be trained on."""
    held = _held_out(recipe, args.out / "data")
    paths = [p for p in sorted((args.out / "data").glob("shard_*.npz")) if p not in held]
    shards = [read_arrays(path) for path in paths]
    images = torch.from_numpy(np.concatenate([shard["image"] for shard in shards]))
    return images, torch.from_numpy(np.concatenate([shard["landmarks"] for shard in shards]))


def _train_autoencoder(
    run: checkpoint.Run, recipe: VaeRecipe, args: argparse.Namespace, pictures: Pictures, name: str
) -> None:
    checkpoint.resume(run, args.out / name)
    report = _meter()
    while run.step < recipe.steps:
        until = min(recipe.steps, run.step + _EVERY)
        train_vae(run, *pictures, recipe, until=until, report=report)
        checkpoint.save(run, args.out / name)


def _vae(recipe: Recipe, args: argparse.Namespace) -> None:
    pictures = _pictures(recipe, args)
    _train_autoencoder(begin_vae(recipe.vae), recipe.vae, args, pictures, "vae.pt")


def _decoder(recipe: Recipe, args: argparse.Namespace) -> None:
    only = replace(recipe.vae, steps=recipe.vae.decoder_steps, rate=recipe.vae.decoder_rate)
    run = begin_decoder(trained_vae(recipe, args.out, "vae.pt"), only)
    _train_autoencoder(run, only, args, _pictures(recipe, args), "decoder.pt")


def trained_vae(recipe: Recipe, out: Path, name: str) -> AutoencoderTiny:
    """The autoencoder of a run."""
    model = checkpoint.resume(begin_vae(recipe.vae), out / name).average
    assert isinstance(model, AutoencoderTiny)
    return model


def _latents(recipe: Recipe, args: argparse.Namespace) -> None:
    model = trained_vae(recipe, args.out, "vae.pt")
    folders = (args.out / name for name in ("data", "guides", "latents"))
    for path in latent_missing(model, *folders):
        _say(path.name)


def _unet(recipe: Recipe, args: argparse.Namespace) -> None:
    place = args.out / "unet.pt"
    run = checkpoint.resume(begin_unet(recipe.unet), place)
    report = _meter()
    held = _held_out(recipe, args.out / "latents")
    while run.step < recipe.unet.steps:
        data = load_latents(args.out / "latents", without=held)
        until = min(recipe.unet.steps, run.step + _EVERY)
        train_unet(run, data, recipe.unet, until=until, report=report)
        checkpoint.save(run, place)
    _say(str(measure(run.average, join_latents(held[:1]))))


def _export(recipe: Recipe, args: argparse.Namespace) -> None:
    run = checkpoint.resume(begin_unet(recipe.unet), args.out / "unet.pt")
    facts = {"unet_samples": run.step * recipe.unet.batch, "vae_steps": recipe.vae.steps}
    export(
        trained_vae(recipe, args.out, "decoder.pt"), run.average, args.weights,
        strength=recipe.unet.start, steps=recipe.unet.sampling_steps, facts=facts,
    )  # fmt: skip


def _evaluate(recipe: Recipe, args: argparse.Namespace) -> None:
    held = _held_out(recipe, args.out / "data")
    _say(str(evaluate(args.weights, read_arrays(held[0]))))


def _calm(recipe: Recipe, args: argparse.Namespace) -> list[Path]:
    """Shards of the main set that may be trained on."""
    held = _held_out(recipe, args.out / "data")
    return [path for path in sorted((args.out / "data").glob("shard_*.npz")) if path not in held]


def _motion(recipe: Recipe, args: argparse.Namespace) -> None:
    wanted, place = recipe.motion, args.out / "motion.pt"
    speech = _speech(recipe, args)
    kept = wanted.held_out // PEOPLE_PER_SHARD
    anatomy = motion.study(load_head(args.facekit, modes=1))
    data = motion.load_pictures([*_calm(recipe, args), *speech[kept:]], anatomy)
    run = checkpoint.resume(motion.begin_motion(wanted), place)
    report = _meter()
    while run.step < wanted.steps:
        until = min(wanted.steps, run.step + _EVERY)
        motion.train_motion(run, data, anatomy, wanted, until=until, report=report)
        checkpoint.save(run, place)
    found = motion.agreement(run.average, motion.load_pictures(speech[:kept], anatomy))
    _say(str(found))
    facts = {"steps": str(run.step), "pictures": str(len(data.images)), "held out": str(found)}
    motion.export_motion(run, args.weights.parent / "motion.safetensors", facts)


def _points(recipe: Recipe, args: argparse.Namespace) -> None:
    wanted, place = recipe.points, args.out / "points.pt"
    speech = _speech(recipe, args)
    kept = recipe.motion.held_out // PEOPLE_PER_SHARD
    mesh = load_head(args.facekit)
    data = points.load_marked([*_calm(recipe, args), *speech[kept:]], mesh)
    run = checkpoint.resume(points.begin_points(wanted), place)
    report = _meter()
    while run.step < wanted.steps:
        until = min(wanted.steps, run.step + _EVERY)
        points.train_points(run, data, wanted, until=until, report=report)
        checkpoint.save(run, place)
    found = points.errors(run.average, points.load_marked(speech[:kept], mesh))
    _say(str(found))
    facts = {"steps": str(run.step), "pictures": str(len(data.images)), "held out": str(found)}
    points.export_points(run, args.weights.parent / "points.safetensors", facts)


def _speech(recipe: Recipe, args: argparse.Namespace) -> list[Path]:
    """Shards of people who speak; those that lack are drawn."""
    wanted, folder = recipe.motion, args.out / "motion"
    scene, shards = (
        Scene(wanted.frames, sample_speech),
        range(-(-wanted.people // PEOPLE_PER_SHARD)),
    )
    studio = open_studio(args.facekit)
    for path in render_missing(studio, folder, seed=wanted.data_seed, shards=shards, scene=scene):
        _say(path.name)
    return sorted(folder.glob("shard_*.npz"))


_STAGES: dict[str, Callable[[Recipe, argparse.Namespace], None]] = {
    "render": _render,
    "guides": _guides,
    "vae": _vae,
    "decoder": _decoder,
    "latents": _latents,
    "unet": _unet,
    "export": _export,
    "evaluate": _evaluate,
    "motion": _motion,
    "points": _points,
}


def _parse(arguments: list[str]) -> argparse.Namespace:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(prog="python -m anonymizer.training", description=__doc__)
    parser.add_argument("stage", choices=_STAGES, help="'head' has options of its own: head --help")
    parser.add_argument("--recipe", type=Path, default=here / "v1.toml")
    parser.add_argument("--out", type=Path, required=True, help="folder of data and checkpoints")
    parser.add_argument(
        "--facekit", type=Path, help="folder of the ICT head model (render, guides, motion, points)"
    )
    parser.add_argument("--weights", type=Path, default=here.parent / "weights" / "builtin")
    parser.add_argument("--count", type=int, help="draw only this many shards (render)")
    parser.add_argument("--part", default="0/1", help="share of this job, as 0/2 and 1/2 (render)")
    parser.add_argument("--seed", type=int, help="seed of the data set instead of the recipe's")
    args = parser.parse_args(arguments)
    if args.stage in ("render", "guides", "motion", "points") and args.facekit is None:
        parser.error(f"stage {args.stage} needs --facekit DIR")
    return args


def main(arguments: list[str]) -> None:
    """Run one stage."""
    if arguments[:1] == ["head"]:
        return head.main(arguments[1:])
    args = _parse(arguments)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    return _STAGES[args.stage](read_recipe(args.recipe), args)


if __name__ == "__main__":
    main(sys.argv[1:])
