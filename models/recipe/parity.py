"""python -m recipe.parity [--member ID …]: does the exported graph compute what the torch model does?

Compares the 8-bit graph with the 32-bit model on text, read in four ways: token by token, in chunks,
as a whole, and as two forks of one prefix scored in a single batch. Also times it.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer

from recipe import paths
from recipe.model import Decoder, Shape

NOT_ATTENDED = np.float32(-80)  # as the runtime has it
SAMPLE = """import { readFile } from "node:fs/promises";

/** Reads a JSON document and checks that it holds an object. */
export async function readDocument(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, "utf8");
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`Expected an object in ${path}`);
  }
  return value as Record<string, unknown>;
}

class Counter:
    def __init__(self, start=0):
        self.value = start

    def increment(self, step=1):
        self.value += step
        return self.value
"""


class Session:
    """One ONNX Runtime session and the cache the caller owns. `length` rows of the cache are filled."""

    def __init__(self, model: Path, capacity: int = 512):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        keys = [tensor for tensor in self.session.get_inputs() if tensor.name.startswith("past.")]
        _, heads, _, size = keys[0].shape
        self.cache = {tensor.name: np.zeros((1, heads, capacity, size), np.float32) for tensor in keys}
        self.capacity, self.length = capacity, 0

    def run(self, ids, new_mask=None, positions=None, logit_rows=None) -> tuple[np.ndarray, np.ndarray]:
        """Logits of the new rows [k or fewer, vocabulary] and `present`; the cache stays as it was."""
        k = len(ids)
        if new_mask is None:
            new_mask = np.triu(np.full((k, k), NOT_ATTENDED), 1)
        if positions is None:
            positions = self.length + np.arange(k)
        past = np.where(np.arange(self.capacity) < self.length, np.float32(0), NOT_ATTENDED)
        inputs = {
            "input_ids": np.int64([ids]),
            "position_ids": np.int64(positions)[None],
            "past_mask": np.tile(past, (k, 1)),
            "new_mask": new_mask.astype(np.float32),
            "logit_rows": np.arange(k) if logit_rows is None else np.int64(logit_rows),
            **self.cache,
        }
        logits, present = self.session.run(["logits", "present"], inputs)
        return logits, present

    def read(self, ids) -> np.ndarray:
        """Runs `ids` and keeps their keys and values."""
        logits, present = self.run(ids)
        for index, rows in enumerate(present):
            part = "value" if index % 2 else "key"
            self.cache[f"past.{index // 2}.{part}"][0, :, self.length : self.length + len(ids)] = rows
        self.length += len(ids)
        return logits


@dataclass(frozen=True)
class Parity:
    largest_divergence: float  # KL(torch ‖ graph), nats, over positions
    mean_divergence: float
    same_argmax: float  # share of positions
    chunked_difference: float  # largest logit difference, read in chunks or singly against as a whole
    fork_difference: float  # largest logit difference, two forks in one batch against apart
    prefill_milliseconds: float  # 256 tokens
    token_milliseconds: float  # one token after 256


def compare(checkpoint: Path, folder: Path) -> Parity:
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    decoder = Decoder(Shape(**saved["shape"])).eval()
    decoder.load_state_dict({name: weight.float() for name, weight in saved["model"].items()})
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(SAMPLE, add_special_tokens=False).ids
    with torch.no_grad():
        expected = decoder(torch.tensor([ids]))[0].log_softmax(-1).numpy()
    model = folder / "model.onnx"
    whole = Session(model).read(ids)
    actual = torch.from_numpy(whole).log_softmax(-1).numpy()
    divergence = (np.exp(expected) * (expected - actual)).sum(-1)

    chunked, single = Session(model, capacity=len(ids)), Session(model, capacity=len(ids) + 1)
    chunks = np.concatenate([chunked.read(ids[start : start + 17]) for start in range(0, len(ids), 17)])
    singles = np.concatenate([single.read([token]) for token in ids])
    prefill, token = time_session(model, ids)
    return Parity(
        largest_divergence=float(divergence.max()),
        mean_divergence=float(divergence.mean()),
        same_argmax=float((expected.argmax(-1) == actual.argmax(-1)).mean()),
        chunked_difference=float(max(np.abs(chunks - whole).max(), np.abs(singles - whole).max())),
        fork_difference=fork_difference(model, ids),
        prefill_milliseconds=prefill,
        token_milliseconds=token,
    )


def fork_difference(model: Path, ids: list[int]) -> float:
    """Two continuations of 40 tokens, in one batch that keeps them apart by `new_mask`, and one by one."""
    forks = [ids[40:44], ids[60:64]]
    session = Session(model)
    session.read(ids[:40])
    apart = np.concatenate([session.run(fork)[0] for fork in forks])
    causal = np.triu(np.full((4, 4), NOT_ATTENDED), 1)
    mask = np.full((8, 8), NOT_ATTENDED)
    mask[:4, :4] = mask[4:, 4:] = causal
    positions = np.tile(40 + np.arange(4), 2)
    together, _ = session.run(forks[0] + forks[1], new_mask=mask, positions=positions)
    return float(np.abs(together - apart).max())


def time_session(model: Path, ids: list[int]) -> tuple[float, float]:
    """Milliseconds on one thread, the fastest of several (other work may share the processor): 256 tokens
    at once into an empty cache, and one token after them."""
    text = (ids * 4)[:256]
    empty, filled = Session(model, capacity=1), Session(model)
    filled.read(text)
    prefill = fastest_milliseconds(lambda: empty.run(text, logit_rows=[255]), 12)
    return prefill, fastest_milliseconds(lambda: filled.run(ids[:1]), 400)


def fastest_milliseconds(action: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--member", action="append", help="default: every member in members.json")
    arguments = parser.parse_args()
    for member in arguments.member or json.loads(paths.MEMBERS_FILE.read_text())["bundled"]:
        print(member, compare(paths.CHECKPOINTS / member / "final.pt", paths.MODELS / member), flush=True)


if __name__ == "__main__":
    main()
