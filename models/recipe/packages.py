"""python -m recipe.packages [--split test …]: downloads, checks and unpacks the packages of corpora.json
into WORK/packages/<split>/<language>/<package>/.

A package that is gone, whose archive differs from the recorded checksum, or whose licence is not clearly
permissive stops the stage with its name. `--record` writes the checksums of packages that have none yet.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recipe import paths
from recipe.corpora import SPLITS, Package, load_packages
from recipe.licenses import UnclearLicense, check_expression, copyleft_patterns, debian_license, is_excluded
from recipe.sources import source_paths

CHECKSUMS_FILE = paths.RECIPE / "checksums.json"


class PackageProblem(Exception):
    """The message starts with the package's name."""


def download(package: Package) -> Path:
    """The archive, from the cache or through the registry's own client."""
    folder = paths.DOWNLOADS / package.registry
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        found = archive_in(folder, package)
        if found:
            return found
        command = {
            "npm": ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
            "debian": ["apt-get", "download", f"{package.name}={package.version}"],
        }[package.registry]
        with tempfile.TemporaryDirectory(dir=folder) as arriving:
            result = subprocess.run(command, cwd=arriving, capture_output=True, text=True)
            for file in Path(arriving).iterdir():
                file.replace(folder / file.name)
    raise PackageProblem(f"{package.key} is gone: {result.stderr.strip()[-300:]}")


def archive_in(folder: Path, package: Package) -> Path | None:
    if package.registry == "npm":
        file = folder / f"{package.folder_name.replace('__', '-')}-{package.version}.tgz"
        return file if file.exists() else None
    return next(iter(folder.glob(f"{package.name}_{package.version.replace(':', '%3a')}_*.deb")), None)


def check_sum(package: Package, archive: Path, checksums: dict[str, str]) -> str:
    actual = hashlib.sha256(archive.read_bytes()).hexdigest()
    expected = checksums.get(package.key)
    if expected is not None and expected != actual:
        raise PackageProblem(f"{package.key} changed: sha256 {actual}, recorded {expected}")
    return actual


def read_sources(package: Package, archive: Path) -> dict[str, str]:
    """Path → text of the package's source files, after the licence check."""
    try:
        return read_npm(package, archive) if package.registry == "npm" else read_debian(package, archive)
    except UnclearLicense as error:
        raise PackageProblem(str(error)) from error


def read_npm(package: Package, archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as tar:
        members = {member.name.split("/", 1)[-1]: member for member in tar.getmembers() if member.isfile()}
        manifest = json.load(tar.extractfile(members["package.json"]))
        check_license(package, manifest.get("license"))
        return {
            path: tar.extractfile(members[path]).read().decode("utf8", "replace").replace("\r\n", "\n")
            for path in source_paths(package.language, members)
        }


def read_debian(package: Package, archive: Path) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
        root = Path(folder)
        statement = root / "usr/share/doc" / package.name / "copyright"
        if not statement.is_file():
            raise UnclearLicense(f"{package.key}: no copyright file")
        statement = statement.read_text(errors="replace")
        check_license(package, debian_license(package.key, statement))
        forbidden = copyleft_patterns(statement)
        names = [
            file.relative_to(root).as_posix() for file in root.rglob("*.py") if file.is_file() and not file.is_symlink()
        ]
        return {
            path: (root / path).read_text(errors="replace").replace("\r\n", "\n")
            for path in source_paths(package.language, names)
            if not is_excluded(path, forbidden)
        }


def check_license(package: Package, found: object) -> None:
    check_expression(package.key, found)
    if found != package.license:
        raise UnclearLicense(f"{package.key}: licence changed from {package.license} to {found}")


def unpack(package: Package, files: dict[str, str]) -> Path:
    """All or nothing: a folder that exists is complete."""
    target = paths.PACKAGES / package.split / package.language / package.folder_name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    for name, text in files.items():
        file = partial / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target


def prepare(package: Package, checksums: dict[str, str]) -> tuple[Package, str, dict[str, str]]:
    archive = download(package)
    checksum = check_sum(package, archive, checksums)
    files = read_sources(package, archive)
    if not files:
        raise PackageProblem(f"{package.key} holds no {package.language} source")
    return package, checksum, files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", action="append", choices=SPLITS, help="default: all")
    parser.add_argument("--record", action="store_true", help="write checksums of packages that have none")
    arguments = parser.parse_args()
    checksums = json.loads(CHECKSUMS_FILE.read_text()) if CHECKSUMS_FILE.exists() else {}
    wanted = [package for package in load_packages() if package.split in (arguments.split or SPLITS)]
    with ThreadPoolExecutor(4) as pool:
        for package, checksum, files in pool.map(lambda package: prepare(package, checksums), wanted):
            if package.key not in checksums and not arguments.record:
                raise PackageProblem(f"{package.key} has no recorded checksum (see --record)")
            checksums[package.key] = checksum
            unpack(package, files)
            print(
                f"{package.split} {package.language} {package.key}: {len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB",
                flush=True,
            )
    if arguments.record:
        paths.write_atomically(CHECKSUMS_FILE, (json.dumps(dict(sorted(checksums.items())), indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
