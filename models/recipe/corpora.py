"""bench/corpora.json: the named packages, and the split each belongs to."""

import json
from dataclasses import dataclass
from pathlib import Path

from recipe import paths

SPLITS = ("membersTrain", "policyTrain", "policyDev", "test")
LANGUAGES = ("typescript", "javascript", "python")


@dataclass(frozen=True)
class Package:
    registry: str  # npm or debian
    name: str
    version: str
    language: str
    license: str  # an SPDX expression
    author: str
    split: str

    @property
    def key(self) -> str:
        """Names the exact package in checksums and messages."""
        return f"{self.registry}:{self.name}@{self.version}"

    @property
    def folder_name(self) -> str:
        return self.name.removeprefix("@").replace("/", "__")


def load_packages(file: Path = paths.CORPORA_FILE) -> list[Package]:
    document = json.loads(file.read_text())
    if document["version"] != 1:
        raise ValueError(f"{file}: unknown version {document['version']}")
    packages = [Package(**entry) for entry in document["packages"]]
    names = set()
    for package in packages:
        if package.split not in SPLITS or package.language not in LANGUAGES:
            raise ValueError(f"{package.key}: unknown split or language")
        if (package.registry, package.name) in names:
            raise ValueError(f"{package.key}: listed twice, so it could be in two splits")
        names.add((package.registry, package.name))
    return packages
