"""python -m recipe.notices: models/NOTICES.md, one entry for every package the members learned from, with
the copyright lines of its licence file."""

import re
import subprocess
import tarfile
from pathlib import Path

from recipe import paths
from recipe.corpora import Package, load_packages
from recipe.packages import download

HEADING = """# Notices

The bundled members were trained on source code of the packages below, each under a permissive licence that
was checked when the corpus was made (`models/recipe/licenses.py`). No source text of them is part of Consort.
Made by `python -m recipe.notices`.

| package | version | registry | licence | author | copyright |
|---|---|---|---|---|---|
"""
MAX_LINES = 3


def copyright_lines(package: Package, archive: Path) -> list[str]:
    text = npm_license(archive) if package.registry == "npm" else debian_statement(package, archive)
    lines = [
        re.sub(r"^[\s*#/]+|[\s*]+$", "", line)
        for line in text.split("\n")
        if re.search(r"copyright.{0,4}(\(c\)|©|:|\d{4})", line, re.I)
    ]
    return list(dict.fromkeys(line for line in lines if re.search(r"\w{4}", line)))[:MAX_LINES]


def npm_license(archive: Path) -> str:
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if member.isfile() and re.fullmatch(
                r"[^/]+/(licen[sc]e|copying|copyright|notice)(\.\w+|-\w+)?", member.name, re.I
            ):
                return tar.extractfile(member).read().decode("utf8", "replace")
    return ""


def debian_statement(package: Package, archive: Path) -> str:
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], check=True, capture_output=True).stdout
    name = f"./usr/share/doc/{package.name}/copyright"
    return subprocess.run(["tar", "-xOf", "-", name], input=content, capture_output=True).stdout.decode(
        "utf8", "replace"
    )


def main() -> None:
    rows = []
    for package in load_packages():
        if package.split == "membersTrain":
            found = "; ".join(copyright_lines(package, download(package))) or f"{package.author} and contributors"
            cells = [package.name, package.version, package.registry, package.license, package.author, found]
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    paths.write_atomically(paths.MODELS / "NOTICES.md", (HEADING + "".join(rows)).encode())


if __name__ == "__main__":
    main()
