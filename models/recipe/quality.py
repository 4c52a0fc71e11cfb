"""Log probabilities of held-out code under each member, and what mixing the members gives.

Whole files, canonical tokenisation, windows of 512 tokens that each start a fresh context. Members share
one tokenizer, so their token distributions can be mixed directly; the workspace n-gram here is a plain
token n-gram (interpolated Witten–Bell) over the package's other files, a stand-in for the product's."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from recipe import corpus
from recipe.duplicates import SourceFile
from recipe.model import Decoder, Shape
from recipe.rows import document_rows
from recipe.tokenizer import encode, load_tokenizer, token_bytes

NGRAM = "n-gram"
MAX_ORDER = 6


@dataclass(frozen=True)
class Windows:
    """Held-out windows of one package. rows: int64 [n, 513]; index: token ids of the package's other files."""

    package: str
    language: str
    rows: np.ndarray
    index: list[list[int]]


def held_out_windows(
    splits: Iterable[str], language: str, per_package: int, indexed_files: int = 24, seed: int = 7
) -> list[Windows]:
    tokenizer, chosen = load_tokenizer(), set(splits)
    by_package: dict[str, list[SourceFile]] = defaultdict(list)
    for file in corpus.read("heldOut"):
        if file.split in chosen and file.language == language:
            by_package[file.package].append(file)
    windows = []
    for package, files in sorted(by_package.items()):
        random.Random(seed).shuffle(files)
        half = max(1, len(files) // 2)
        read = files[:half][: 4 * per_package]  # more would be encoded in vain
        rows = list(document_rows([file.text for file in read], tokenizer))
        chosen_rows = sorted(random.Random(seed).sample(range(len(rows)), min(per_package, len(rows))))
        if chosen_rows:
            indexed = encode(tokenizer, [file.text for file in files[half : half + indexed_files]])
            windows.append(
                Windows(package, language, np.array([rows[index] for index in chosen_rows], np.int64), indexed)
            )
    return windows


def load_member(checkpoint: Path) -> Decoder:
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    decoder = Decoder(Shape(**saved["shape"])).eval()
    decoder.load_state_dict({name: weight.float() for name, weight in saved["model"].items()})
    return decoder


@torch.no_grad()
def member_log_probabilities(decoder: Decoder, rows: np.ndarray, batch: int = 4) -> np.ndarray:
    """ln p of every next token: float64 [n, 512]."""
    parts = []
    for start in range(0, len(rows), batch):
        ids = torch.from_numpy(rows[start : start + batch])
        losses = F.cross_entropy(decoder(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        parts.append(-losses.view(len(ids), -1).double().numpy())
    return np.concatenate(parts)


class NGram:
    """Token counts for contexts of 0 to 6 tokens, interpolated after Witten and Bell (1991)."""

    def __init__(self, n_tokens: int):
        self.n_tokens = n_tokens
        self.counts: dict[tuple[int, ...], dict[int, int]] = {}

    def add(self, ids: list[int], position: int) -> None:
        for order in range(min(MAX_ORDER, position) + 1):
            successors = self.counts.setdefault(tuple(ids[position - order : position]), {})
            successors[ids[position]] = successors.get(ids[position], 0) + 1

    def probability(self, ids: list[int], position: int) -> float:
        chance = 1 / self.n_tokens
        for order in range(min(MAX_ORDER, position) + 1):
            successors = self.counts.get(tuple(ids[position - order : position]))
            if successors is None:
                break
            total, distinct = sum(successors.values()), len(successors)
            chance = (successors.get(ids[position], 0) + distinct * chance) / (total + distinct)
        return chance


def ngram_log_probabilities(windows: Windows, n_tokens: int) -> np.ndarray:
    """Indexes the other files first, then each window's text as it goes. [n, 512]"""
    model = NGram(n_tokens)
    for ids in windows.index:
        for position in range(len(ids)):
            model.add(ids, position)
    result = np.zeros((len(windows.rows), windows.rows.shape[1] - 1))
    for number, row in enumerate(windows.rows.tolist()):
        for position in range(1, len(row)):
            result[number, position - 1] = math.log(model.probability(row, position))
            model.add(row, position)
    return result


def bits_per_byte(log_probabilities: np.ndarray, rows: np.ndarray, bytes_of: np.ndarray) -> float:
    """Special tokens (the start of the next file) count neither as bits nor as bytes."""
    sizes = bytes_of[rows[:, 1:]]
    return float(-log_probabilities[sizes > 0].sum() / sizes.sum() / math.log(2))


def fixed_weights(log_probabilities: np.ndarray, rounds: int = 60) -> np.ndarray:
    """Best constant linear weights by expectation–maximisation. [members, positions] → [members]"""
    weights = np.full(len(log_probabilities), 1 / len(log_probabilities))
    for _ in range(rounds):
        joint = weights[:, None] * np.exp(log_probabilities)
        weights = (joint / joint.sum(0)).mean(1)
    return weights


def linear(log_probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[members, n, time] and [members] or [members, n, time] → ln of the mixture [n, time]."""
    weights = weights.reshape(len(weights), *[1] * (log_probabilities.ndim - 1)) if weights.ndim == 1 else weights
    return np.log((weights * np.exp(log_probabilities)).sum(0) + 1e-300)


def fixed_share(log_probabilities: np.ndarray, share: float = 0.2, rate: float = 0.5) -> np.ndarray:
    """Hedge with fixed share along each window: the weights before each token, [members, n, time]."""
    n_members, n_rows, time = log_probabilities.shape
    weights = np.full((n_members, n_rows), 1 / n_members)
    result = np.zeros_like(log_probabilities)
    for position in range(time):
        result[:, :, position] = weights
        weights = weights * np.exp(
            rate * (log_probabilities[:, :, position] - log_probabilities[:, :, position].max(0))
        )
        weights = (1 - share) * weights / weights.sum(0) + share / n_members
    return result


def bytes_per_token() -> np.ndarray:
    return np.array(token_bytes(load_tokenizer()))
