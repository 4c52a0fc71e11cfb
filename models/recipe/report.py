"""python -m recipe.report [--per-package N]: the quality, parity, speed and size of every bundled member,
and what each adds to the mixture → models/recipe/report.json. `recipe.card` turns it into the model cards."""

import argparse
import json
import math
from dataclasses import asdict

import numpy as np
import torch

from recipe import paths
from recipe.corpora import LANGUAGES
from recipe.parity import compare
from recipe.quality import (
    NGRAM,
    Windows,
    bits_per_byte,
    bytes_per_token,
    fixed_share,
    fixed_weights,
    held_out_windows,
    linear,
    load_member,
    member_log_probabilities,
    ngram_log_probabilities,
)

REPORT_FILE = paths.RECIPE / "report.json"
BOOTSTRAP_ROUNDS = 2000


def read_all(windows: list[Windows], members: list[str]) -> np.ndarray:
    """ln p of every member, then of the n-gram: [members + 1, n, 512] over all windows of one language."""
    rows = np.concatenate([one.rows for one in windows])
    neural = [
        member_log_probabilities(load_member(paths.CHECKPOINTS / member / "final.pt"), rows) for member in members
    ]
    ngram = np.concatenate([ngram_log_probabilities(one, len(bytes_per_token())) for one in windows])
    return np.stack([*neural, ngram])


class Scorer:
    """Bits per byte over a language's windows, with an interval from resampling packages."""

    def __init__(self, windows: list[Windows]):
        sizes = bytes_per_token()
        self.windows, self.sizes = windows, sizes
        self.rows = np.concatenate([one.rows for one in windows])
        self.package_of = np.repeat(np.arange(len(windows)), [len(one.rows) for one in windows])
        self.bytes_at = sizes[self.rows[:, 1:]]

    def bits(self, log_probabilities: np.ndarray) -> float:
        return bits_per_byte(log_probabilities, self.rows, self.sizes)

    def by_package(self, log_probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits and bytes of each package."""
        bits = np.where(self.bytes_at > 0, -log_probabilities / math.log(2), 0).sum(1)
        count = len(self.windows)
        return np.bincount(self.package_of, bits, count), np.bincount(self.package_of, self.bytes_at.sum(1), count)

    def gain(self, better: np.ndarray, than: np.ndarray) -> dict[str, float]:
        """1 − bits(better) / bits(than), and its 95 % interval: a paired bootstrap over packages."""
        ours, _ = self.by_package(better)
        theirs, _ = self.by_package(than)
        drawn = np.random.default_rng(0).integers(0, len(ours), (BOOTSTRAP_ROUNDS, len(ours)))
        low, high = np.percentile(1 - ours[drawn].sum(1) / theirs[drawn].sum(1), [2.5, 97.5])
        return {"gain": round(1 - ours.sum() / theirs.sum(), 4), "low": round(low, 4), "high": round(high, 4)}


def mixtures(scores: Scorer, values: np.ndarray, tuned: np.ndarray) -> dict[str, np.ndarray]:
    """`tuned`: the same members' log probabilities on policyDev, which the fixed weights are fitted to."""
    n_members = len(values)
    return {
        "uniform": linear(values, np.full(n_members, 1 / n_members)),
        "fixed": linear(values, fixed_weights(tuned.reshape(n_members, -1))),
        "fixedShare": linear(values, fixed_share(values)),
    }


def report_language(language: str, members: list[str], per_package: int) -> dict:
    development, test = (held_out_windows([split], language, per_package) for split in ("policyDev", "test"))
    tuned, values, scores = read_all(development, members), read_all(test, members), Scorer(test)
    names = [*members, NGRAM]
    single = {name: round(scores.bits(values[index]), 4) for index, name in enumerate(names)}
    mixed = mixtures(scores, values, tuned)
    neural = mixtures(scores, values[:-1], tuned[:-1])
    without = {}
    for index, name in enumerate(members):
        rest = [other for other in range(len(names)) if other != index]
        less = mixtures(scores, values[rest], tuned[rest])["fixed"]
        without[name] = {"bitsPerByte": round(scores.bits(less), 4), **scores.gain(mixed["fixed"], less)}
    return {
        "packages": {one.package: len(one.rows) for one in test},
        "bytes": int(scores.bytes_at.sum()),
        "single": single,
        "neuralOnly": {name: round(scores.bits(value), 4) for name, value in neural.items()},
        "withNgram": {name: round(scores.bits(value), 4) for name, value in mixed.items()},
        "fixedAgainstNgram": scores.gain(mixed["fixed"], values[-1]),
        "fixedWithout": without,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-package", type=int, default=4, help="windows of 512 tokens of each held-out package")
    parser.add_argument("--member", action="append", help="default: every member in members.json")
    arguments = parser.parse_args()
    members = arguments.member or json.loads(paths.MEMBERS_FILE.read_text())["bundled"]
    torch.set_num_threads(1)
    report: dict = {"members": {}, "languages": {}}
    for language in LANGUAGES:
        report["languages"][language] = report_language(language, members, arguments.per_package)
        print(language, json.dumps(report["languages"][language]), flush=True)
    for member in members:
        folder = paths.MODELS / member
        megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        report["members"][member] = {
            "megabytes": round(megabytes, 2),
            **asdict(compare(paths.CHECKPOINTS / member / "final.pt", folder)),
        }
        print(member, json.dumps(report["members"][member]), flush=True)
    paths.write_atomically(REPORT_FILE, (json.dumps(report, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
