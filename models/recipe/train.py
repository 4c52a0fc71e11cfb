"""python -m recipe.train --run NAME [--minutes M]: trains one run of members.json, or goes on with it.

A run may be killed at any moment: WORK/checkpoints/NAME/latest.pt holds weights, optimizer, position in
the data and generator state, and is replaced whole. Warm-up, stable, decay: `trunk.pt` is kept from the
moment before the decay, so that a later run can go on from there at the full rate (`"startFrom"`).

With `--minutes` the schedule follows the time spent training instead of the tokens; both are recorded.
"""

import argparse
import io
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

# Without these the allocator gives every large tensor back to the system: half the speed is lost.
if __name__ == "__main__" and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
    os.environ.update(MALLOC_MMAP_THRESHOLD_="8000000000", MALLOC_TRIM_THRESHOLD_="8000000000")
    os.execv(sys.executable, [sys.executable, "-m", "recipe.train", *sys.argv[1:]])

import torch

from recipe import paths
from recipe.loss import has_fast_bfloat16, mean_loss
from recipe.model import Decoder, Shape, deepen
from recipe.optimizer import Optimizer, OptimizerSettings
from recipe.sampling import Sampler
from recipe.shipped import load_shipped

CHECKPOINT_SECONDS = 180
LOG_STEPS = 20


@dataclass(frozen=True)
class Run:
    """One entry of members.json. `optimizer` overrides fields of OptimizerSettings."""

    shape: dict
    languages: dict[str, float]  # share of the rows
    tokens: int
    start_from: str | None = None  # below WORK/checkpoints, or a member in models/; nothing: random weights
    rows_per_step: int = 8
    warm_up_steps: int = 100
    decay_share: float = 0.45  # of the budget; 0 for a trunk that never decays
    keep_start: float = 0.0  # share of the starting weights in the final ones (WiSE-FT, Wortsman and others 2022)
    seed: int = 0
    optimizer: dict = field(default_factory=dict)


def load_run(name: str) -> Run:
    return Run(**json.loads(paths.MEMBERS_FILE.read_text())["runs"][name])


def rate_at(progress: float, step: int, run: Run) -> float:
    """Warm-up, stable, then a straight line to 0. `progress` in [0, 1]."""
    warm = min(1.0, (step + 1) / run.warm_up_steps)
    if run.decay_share == 0 or progress < 1 - run.decay_share:
        return warm
    return warm * max(0.0, (1 - progress) / run.decay_share)


class Trainer:
    """Invariant: `state()` after step n, loaded into a new Trainer, makes step n + 1 the same."""

    def __init__(self, run: Run, folder: Path, rows: Path = paths.ROWS):
        self.run, self.folder = run, folder
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(run.seed)
        self.model = starting_model(run).to(self.device)
        self.optimizer = Optimizer(self.model, OptimizerSettings(**run.optimizer))
        self.sampler = Sampler(rows, run.languages, run.seed)
        self.tokens, self.seconds = 0, 0.0
        self.precision = torch.bfloat16 if self.device == "cuda" or has_fast_bfloat16() else None
        self.states = torch.compile(self.model.hidden_states)

    def train_step(self, progress: float) -> float:
        """→ the loss before the step, nats per token."""
        batch = torch.from_numpy(self.sampler.next_batch(self.run.rows_per_step)).to(self.device)
        with torch.autocast(self.device, dtype=self.precision, enabled=self.precision is not None):
            states = self.states(batch[:, :-1])
        loss = mean_loss(states, self.model.embedding.weight, batch[:, 1:])
        loss.backward()
        self.optimizer.step(rate_at(progress, self.sampler.step - 1, self.run))
        self.tokens += batch[:, 1:].numel()
        return loss.item()

    def state(self) -> dict:
        return {
            "shape": self.model.shape.as_dict(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state(),
            "sampler": self.sampler.state(),
            "generator": torch.get_rng_state(),
            "tokens": self.tokens,
            "seconds": self.seconds,
        }

    def load_state(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state(state["optimizer"])
        self.sampler.load_state(state["sampler"])
        torch.set_rng_state(state["generator"])
        self.tokens, self.seconds = state["tokens"], state["seconds"]

    def save(self, name: str) -> None:
        save_checkpoint(self.folder / name, self.state())


def starting_model(run: Run) -> Decoder:
    shape = Shape(**run.shape)
    if run.start_from is None:
        return Decoder(shape)
    shipped = paths.MODELS / run.start_from / "model.onnx"
    if shipped.exists():
        model = Decoder(shape)
        load_shipped(model, shipped)
        return model
    saved = torch.load(paths.CHECKPOINTS / run.start_from, map_location="cpu", weights_only=True)
    model = Decoder(Shape(**saved["shape"]))
    model.load_state_dict(saved["model"])
    return deepen(model, shape.layers) if shape.layers > model.shape.layers else model


def save_checkpoint(file: Path, state: dict) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    paths.write_atomically(file, buffer.getvalue())


def train(name: str, minutes: float | None, threads: int) -> None:
    torch.set_num_threads(threads)
    run, folder = load_run(name), paths.CHECKPOINTS / name
    trainer = Trainer(run, folder)
    latest = folder / "latest.pt"
    if latest.exists():
        trainer.load_state(torch.load(latest, map_location="cpu", weights_only=True))
    folder.mkdir(parents=True, exist_ok=True)
    curve = CurveWriter(folder / "curve.jsonl", trainer.tokens)
    saved_at = clock = time.monotonic()
    recent: list[float] = []
    progress = 0.0
    while True:
        previous = progress
        progress = trainer.seconds / (minutes * 60) if minutes else trainer.tokens / run.tokens
        if progress >= 1:
            break
        if run.decay_share and previous < 1 - run.decay_share <= progress:
            trainer.save("trunk.pt")
        recent.append(trainer.train_step(progress))
        now = time.monotonic()
        trainer.seconds += now - clock
        clock = now
        if len(recent) == LOG_STEPS:
            curve.add(trainer, sum(recent) / len(recent), rate_at(progress, trainer.sampler.step, run))
            recent = []
        if now - saved_at > CHECKPOINT_SECONDS:
            trainer.save("latest.pt")
            saved_at = now
    trainer.save("latest.pt")
    facts = {"run": name, "tokens": trainer.tokens, "seconds": round(trainer.seconds), "startFrom": run.start_from}
    final = {"shape": trainer.model.shape.as_dict(), "model": final_weights(trainer), "facts": facts}
    save_checkpoint(folder / "final.pt", final)
    print("finished", json.dumps(facts), flush=True)


def final_weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    """A short run forgets some of what it started from; the average of both ends is better than either."""
    trained, keep = trainer.model.state_dict(), trainer.run.keep_start
    if keep == 0:
        return trained
    start = starting_model(trainer.run).to(trainer.device).state_dict()
    return {name: keep * start[name] + (1 - keep) * weight for name, weight in trained.items()}


class CurveWriter:
    """JSON lines. Points after the checkpoint that a killed run goes on from are dropped first."""

    def __init__(self, file: Path, tokens: int):
        self.file = file
        lines = file.read_text().splitlines() if file.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["tokens"] <= tokens]
        paths.write_atomically(file, "".join(line + "\n" for line in kept).encode())

    def add(self, trainer: Trainer, loss: float, rate: float) -> None:
        point = {
            "step": trainer.sampler.step,
            "tokens": trainer.tokens,
            "seconds": round(trainer.seconds, 1),
            "natsPerToken": round(loss, 4),
            "rate": round(rate, 4),
        }
        with open(self.file, "a") as curve:
            curve.write(json.dumps(point) + "\n")
        print(json.dumps(point), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--threads", type=int, default=1, help="more than one needs as many idle cores")
    arguments = parser.parse_args()
    train(arguments.run, arguments.minutes, arguments.threads)


if __name__ == "__main__":
    main()
