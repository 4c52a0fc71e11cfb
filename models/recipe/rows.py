"""python -m recipe.rows: the corpus → rows of token ids, WORK/rows/<language>.bin (uint16 [rows, 513]).

Half of the training rows are whole files one after another, each begun by <|endoftext|>. The other half
are fill-in-the-middle with the suffix first ("SPM"):

    <|fim_prefix|><|fim_suffix|> suffix <|fim_middle|> prefix+middle <|endoftext|>

Prefix and middle are tokenised together, as at the cursor, where the prefix grows by what is typed. The
middle is mostly the rest of a line. Some sequences have no suffix, some begin where a file begins.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from tokenizers import Tokenizer

from recipe import corpus, paths
from recipe.corpora import LANGUAGES
from recipe.tokenizer import END, MIDDLE, PREFIX, SUFFIX, encode, load_tokenizer

WIDTH = 513  # 512 inputs and the target of the last


@dataclass(frozen=True)
class FimSettings:
    """Every share is of all fill-in-the-middle sequences."""

    rest_of_line: float = 0.55
    several_lines: float = 0.2  # else up to `max_free_characters` from anywhere to anywhere
    max_free_characters: int = 400
    no_suffix: float = 0.15
    document_start: float = 0.2
    fills_row: float = 0.7  # else the sequence's length is drawn evenly
    max_suffix_share: float = 0.4  # of a sequence's tokens
    min_tokens: int = 80


FIM = FimSettings()


@dataclass(frozen=True)
class Cut:
    """A text cut at the end of its middle. `before` holds prefix and middle."""

    before: str
    after: str


def middle_end(text: str, cursor: int, rng: random.Random, settings: FimSettings = FIM) -> int:
    """Where the middle that starts at `cursor` ends."""
    kind = rng.random()
    if kind < settings.rest_of_line:
        return line_end(text, cursor)
    if kind < settings.rest_of_line + settings.several_lines:
        end = cursor
        for _ in range(rng.randint(1, 5)):
            end = min(line_end(text, end) + 1, len(text))
        return end
    return min(len(text), cursor + rng.randrange(settings.max_free_characters))


def line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def cut(text: str, rng: random.Random, settings: FimSettings = FIM) -> Cut:
    reach = WIDTH * 4  # characters that surely fill a row
    at_start = rng.random() < settings.document_start
    cursor = rng.randrange(min(len(text), reach) if at_start else len(text))
    end = middle_end(text, cursor, rng, settings)
    after = "" if rng.random() < settings.no_suffix else text[end : end + reach // 2]
    return Cut(before=text[max(0, end - reach) : end], after=after)


def fim_sequence(
    before: list[int], after: list[int], room: int, rng: random.Random, settings: FimSettings = FIM
) -> list[int]:
    """At most `room` tokens; the far ends of prefix and suffix are trimmed."""
    if not after:
        return [PREFIX, *before[-(room - 2) :], END]
    n_after = min(len(after), int(rng.random() * settings.max_suffix_share * room))
    return [PREFIX, SUFFIX, *after[:n_after], MIDDLE, *before[-(room - 4 - n_after) :], END]


def fim_rows(
    texts: list[str], n_rows: int, tokenizer: Tokenizer, rng: random.Random, settings: FimSettings = FIM
) -> Iterator[list[int]]:
    sequences = encoded_cuts(texts, tokenizer, rng)
    for _ in range(n_rows):
        row: list[int] = []
        while WIDTH - len(row) >= settings.min_tokens:
            room = WIDTH - len(row)
            if rng.random() >= settings.fills_row:
                room = rng.randint(settings.min_tokens, room)
            before, after = next(sequences)
            row += fim_sequence(before, after, room, rng, settings)
        yield row + [END] * (WIDTH - len(row))


def encoded_cuts(
    texts: list[str], tokenizer: Tokenizer, rng: random.Random, batch: int = 2000
) -> Iterator[tuple[list[int], list[int]]]:
    """Endless; a file is drawn in proportion to its length."""
    weights = list(accumulate(map(len, texts)))
    while True:
        cuts = [cut(text, rng) for text in rng.choices(texts, cum_weights=weights, k=batch)]
        ids = encode(tokenizer, [piece for one in cuts for piece in (one.before, one.after)])
        yield from zip(ids[0::2], ids[1::2])


def document_rows(texts: list[str], tokenizer: Tokenizer, batch: int = 1000) -> Iterator[list[int]]:
    """Files one after another; each row repeats the last token of the row before."""
    buffer: list[int] = []
    for start in range(0, len(texts), batch):
        for ids in encode(tokenizer, texts[start : start + batch]):
            buffer += [END, *ids]
            while len(buffer) >= WIDTH:
                yield buffer[:WIDTH]
                buffer = buffer[WIDTH - 1 :]


def main() -> None:
    tokenizer = load_tokenizer()
    rng = random.Random(corpus.SEED)
    training, facts = corpus.read("training"), {}
    for language in LANGUAGES:
        texts = [file.text for file in training if file.language == language]
        documents = np.array(list(document_rows(texts, tokenizer)), np.uint16)
        middles = np.array(list(fim_rows(texts, len(documents), tokenizer, rng)), np.uint16)
        rows = np.concatenate([documents, middles])
        np.random.default_rng(corpus.SEED).shuffle(rows)
        paths.write_atomically(paths.ROWS / f"{language}.bin", rows.tobytes())
        facts[language] = {"rows": len(rows), "tokens": int(rows.size)}
        print(language, facts[language], flush=True)
    paths.write_atomically(paths.ROWS / "summary.json", json.dumps(facts, indent=1).encode())


if __name__ == "__main__":
    main()
