"""Exact and near duplicates. Similarity is counted in lines of at least 25 characters, trimmed: shorter
ones (`return null;`, `});`) say nothing about where a file comes from."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

MIN_LINE = 25
HELD_OUT_LIMIT = 0.3  # a held-out file shares at most this part of its lines with training, and the reverse
TRAINING_LIMIT = 0.7  # a training file shares at most this part with the training files before it


@dataclass(frozen=True)
class SourceFile:
    language: str
    package: str
    split: str
    path: str
    text: str


def fingerprint(text: str) -> bytes:
    """Equal for files that differ in white space only."""
    return hashlib.sha1(re.sub(r"\s+", "", text).encode()).digest()


def telling_lines(text: str) -> set[int]:
    return {hash(line) for raw in text.split("\n") if len(line := raw.strip()) >= MIN_LINE}


def shared_part(lines: set[int], others: set[int]) -> float:
    return len(lines & others) / len(lines) if lines else 0.0


def without_exact(files: Iterable[SourceFile]) -> list[SourceFile]:
    """The first of each group of equal files."""
    seen: set[bytes] = set()
    kept = []
    for file in files:
        mark = fingerprint(file.text)
        if mark not in seen:
            seen.add(mark)
            kept.append(file)
    return kept


def without_leaks(training: list[SourceFile], held_out: list[SourceFile]) -> tuple[list[SourceFile], list[SourceFile]]:
    """Training files that repeat held-out code go first; then each held-out file that still shares more
    than the limit with training as a whole."""
    held_out_lines = set().union(*(telling_lines(file.text) for file in held_out))
    seen: set[int] = set()
    kept = []
    for file in training:
        lines = telling_lines(file.text)
        if shared_part(lines, held_out_lines) > HELD_OUT_LIMIT or shared_part(lines, seen) > TRAINING_LIMIT:
            continue
        seen |= lines
        kept.append(file)
    return kept, [file for file in held_out if shared_part(telling_lines(file.text), seen) <= HELD_OUT_LIMIT]
