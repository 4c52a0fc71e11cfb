"""python -m recipe.tokenizer: trains the shared byte-level BPE on the training corpus → WORK/tokenizer/tokenizer.json.

Digits are split one by one. The special tokens come first, then the 256 bytes, then the merges. With
`--adopt FILE` an existing tokenizer is taken instead, after a check that it has the same form: members
that continue from older weights must keep their vocabulary."""

import argparse
import json
import random
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from recipe import corpus, paths

VOCABULARY = 4096
SPECIAL = (
    "<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
    "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|pad|>",
)  # fmt: skip
END, PREFIX, MIDDLE, SUFFIX = range(4)
CHARACTERS = 20_000_000  # of each language that the merges are learned from


def train_tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_tokenizer(file: Path = paths.TOKENIZER_FILE) -> Tokenizer:
    """Refuses a tokenizer whose special tokens or size are not the recipe's."""
    tokenizer = Tokenizer.from_file(str(file))
    found = tuple(tokenizer.id_to_token(index) for index in range(len(SPECIAL)))
    if found != SPECIAL or tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"{file}: special tokens {found}, {tokenizer.get_vocab_size()} entries")
    return tokenizer


def encode(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def token_bytes(tokenizer: Tokenizer) -> list[int]:
    """How many bytes each token stands for; 0 for the special ones."""
    tokens = [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())]
    return [0 if index < len(SPECIAL) else len(token) for index, token in enumerate(tokens)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adopt", type=Path)
    arguments = parser.parse_args()
    if arguments.adopt:
        load_tokenizer(arguments.adopt)
        paths.write_atomically(paths.TOKENIZER_FILE, arguments.adopt.read_bytes())
        return
    files = corpus.read("training")
    random.Random(corpus.SEED).shuffle(files)
    texts, taken = [], {}
    for file in files:
        taken[file.language] = taken.get(file.language, 0) + len(file.text)
        if taken[file.language] < CHARACTERS:
            texts.append(file.text)
    tokenizer = train_tokenizer(texts)
    paths.write_atomically(paths.TOKENIZER_FILE, tokenizer.to_str().encode())
    sample = "".join(texts[:50])
    n_tokens = len(tokenizer.encode(sample, add_special_tokens=False).ids)
    print(
        json.dumps(
            {"vocabulary": tokenizer.get_vocab_size(), "bytesPerToken": round(len(sample.encode()) / n_tokens, 3)}
        )
    )


if __name__ == "__main__":
    main()
