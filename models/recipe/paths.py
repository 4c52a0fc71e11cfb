"""Where the recipe reads and writes. Everything large stays outside the repository."""

import os
from pathlib import Path

RECIPE = Path(__file__).resolve().parent
MODELS = RECIPE.parent
REPOSITORY = MODELS.parent
CORPORA_FILE = REPOSITORY / "bench" / "corpora.json"
MEMBERS_FILE = RECIPE / "members.json"

WORK = Path(os.environ.get("CONSORT_RECIPE_WORK", Path.home() / ".cache" / "consort" / "recipe"))
DOWNLOADS = WORK / "downloads"
PACKAGES = WORK / "packages"
CORPUS = WORK / "corpus"
TOKENIZER_FILE = WORK / "tokenizer" / "tokenizer.json"
ROWS = WORK / "rows"
CHECKPOINTS = WORK / "checkpoints"
REPORT = WORK / "report"


def write_atomically(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, never half of it, whenever the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
