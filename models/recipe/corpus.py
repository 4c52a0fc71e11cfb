"""python -m recipe.corpus: the unpacked packages → WORK/corpus/{training,heldOut}.jsonl, one file a line,
and a summary. Filters, licence headers off, exact and near duplicates out, a cap per package."""

import json
import random
from collections import Counter, defaultdict

from recipe import paths
from recipe.corpora import Package, load_packages
from recipe.duplicates import SourceFile, without_exact, without_leaks
from recipe.sources import strip_license_header, why_unsuitable

CAP = {"typescript": 1_600_000, "javascript": 1_400_000, "python": 1_600_000}  # characters of one package in training
SEED = 1


def read_package(package: Package, dropped: Counter) -> list[SourceFile]:
    folder = paths.PACKAGES / package.split / package.language / package.folder_name
    if not folder.is_dir():
        raise SystemExit(f"{package.key} is not unpacked: run `python -m recipe.packages` first")
    files = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        text = strip_license_header(file.read_text(errors="replace"))
        reason = why_unsuitable(text)
        if reason:
            dropped[f"{package.language} {reason}"] += 1
            continue
        files.append(
            SourceFile(package.language, package.name, package.split, file.relative_to(folder).as_posix(), text)
        )
    return files


def capped(files: list[SourceFile]) -> list[SourceFile]:
    """A package's first files up to the cap; `files` must be shuffled."""
    taken: Counter = Counter()
    kept = []
    for file in files:
        if taken[file.package] < CAP[file.language]:
            taken[file.package] += len(file.text)
            kept.append(file)
    return kept


def write(name: str, files: list[SourceFile]) -> None:
    content = "".join(json.dumps(vars(file)) + "\n" for file in files)
    paths.write_atomically(paths.CORPUS / f"{name}.jsonl", content.encode())


def read(name: str) -> list[SourceFile]:
    with open(paths.CORPUS / f"{name}.jsonl") as lines:
        return [SourceFile(**json.loads(line)) for line in lines]


def summary(files: list[SourceFile]) -> dict[str, dict[str, float]]:
    totals: dict = defaultdict(lambda: {"files": 0, "characters": 0})
    for file in files:
        totals[f"{file.split} {file.language}"]["files"] += 1
        totals[f"{file.split} {file.language}"]["characters"] += len(file.text)
    return dict(totals)


def main() -> None:
    dropped: Counter = Counter()
    packages = load_packages()
    files = without_exact(
        file
        for package in sorted(packages, key=lambda package: package.split == "membersTrain")
        for file in read_package(package, dropped)
    )
    held_out = [file for file in files if file.split != "membersTrain"]
    training = [file for file in files if file.split == "membersTrain"]
    random.Random(SEED).shuffle(training)
    training, kept = without_leaks(capped(training), held_out)
    write("training", training)
    write("heldOut", kept)
    facts = {
        "kept": summary(training) | summary(kept),
        "dropped": dict(dropped),
        "heldOutNearDuplicates": len(held_out) - len(kept),
    }
    paths.write_atomically(paths.CORPUS / "summary.json", json.dumps(facts, indent=1).encode())
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
