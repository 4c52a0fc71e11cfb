"""Which rows the next step trains on; a pure function of a small state that checkpoints store."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recipe.rows import WIDTH


@dataclass
class Sampler:
    """Draws each row's language by `weights`, then that language's rows in a shuffled order, all of them
    once before any comes again. State: `step`, and how many rows of each language were used."""

    folder: Path
    weights: dict[str, float]
    seed: int = 0
    step: int = 0
    used: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self.data = {
            language: np.memmap(self.folder / f"{language}.bin", np.uint16, "r").reshape(-1, WIDTH)
            for language in self.weights
        }
        self.orders: dict[tuple[str, int], np.ndarray] = {}

    def next_batch(self, n_rows: int) -> np.ndarray:
        """int64 [n_rows, 513]"""
        languages = sorted(self.weights)
        shares = np.array([self.weights[language] for language in languages])
        drawn = np.random.default_rng([self.seed, self.step]).choice(len(languages), n_rows, p=shares / shares.sum())
        self.step += 1
        return np.stack([self.next_row(languages[index]) for index in drawn]).astype(np.int64)

    def next_row(self, language: str) -> np.ndarray:
        rows, used = self.data[language], self.used.get(language, 0)
        self.used[language] = used + 1
        return rows[self.order(language, used // len(rows))[used % len(rows)]]

    def order(self, language: str, epoch: int) -> np.ndarray:
        key = (language, epoch)
        if key not in self.orders:
            salt = sum(language.encode())
            self.orders = {other: order for other, order in self.orders.items() if other[0] != language}
            self.orders[key] = np.random.default_rng([self.seed, salt, epoch]).permutation(len(self.data[language]))
        return self.orders[key]

    def state(self) -> dict:
        return {"step": self.step, "used": dict(self.used)}

    def load_state(self, state: dict) -> None:
        self.step, self.used = state["step"], dict(state["used"])
