"""Which packages may be used: those whose licence is clearly permissive, and unchanged since it was checked."""

import fnmatch
import re

PERMISSIVE = {
    "MIT", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "Unlicense", "Zlib", "PSF-2.0", "CC0-1.0", "BlueOak-1.0.0",
}  # fmt: skip

# Debian's copyright files use names of their own. The longest match wins.
DEBIAN_NAMES = {
    r"expat|mit(-expat|\b.*)?": "MIT",
    r"apache([- ]?2(\.0)?)?|asl-?2(\.0)?|apache license.*2\.0": "Apache-2.0",
    r"bsd-?2-?clauses?|bsd-2|freebsd|simplified[- ]bsd": "BSD-2-Clause",
    r"bsd-?3-?clauses?|bsd-3|bsd|(new|modified|revised)[- ]bsd|bsd-style": "BSD-3-Clause",
    r"isc": "ISC",
    r"unlicense|public-domain": "Unlicense",
    r"psf-?2?(\.0)?|python-2(\.0)?": "PSF-2.0",
}
COPYLEFT = re.compile(r"\b(A|L)?GPL|\bMPL|\bCDDL|\bEPL|\bSSPL|\bBUSL|non-?commercial|\bCC-BY-(NC|SA)", re.I)
LICENSE_FIELD = re.compile(r"^License:\s*(.*)$", re.M)


class UnclearLicense(Exception):
    """The message starts with the package's name."""


def check_expression(package: str, expression: object) -> str:
    """An SPDX expression of permissive licences; of alternatives, one permissive is enough."""
    if not isinstance(expression, str) or not expression.strip():
        raise UnclearLicense(f"{package}: no clear licence ({expression!r})")
    for alternative in re.split(r"\s+OR\s+", expression.strip("() ")):
        if all(part.strip("() ") in PERMISSIVE for part in alternative.split(" AND ")):
            return expression
    raise UnclearLicense(f"{package}: {expression!r} is not clearly permissive")


def debian_license(package: str, copyright_text: str) -> str:
    """The SPDX name for `Files: *` (or of the first stanza) of a Debian copyright file."""
    stanzas = re.split(r"\n\s*\n", copyright_text)
    stanzas = [stanza for stanza in stanzas if stanza.startswith("Files:") and LICENSE_FIELD.search(stanza)]
    upstream = [stanza for stanza in stanzas if not stanza.startswith("Files: debian/")]
    main = [stanza for stanza in upstream if re.match(r"Files:\s*(\*|\./\*)", stanza)] or upstream
    if not main:
        raise UnclearLicense(f"{package}: no machine-readable copyright file")
    return spdx_name(package, LICENSE_FIELD.search(main[0]).group(1).strip())


def spdx_name(package: str, name: str) -> str:
    alternatives = [part.strip() for part in re.split(r"\s+or\s+", name, flags=re.I)]
    found = [
        spdx for part in alternatives for pattern, spdx in DEBIAN_NAMES.items() if re.fullmatch(pattern, part, re.I)
    ]
    if not found:
        raise UnclearLicense(f"{package}: {name!r} is not clearly permissive")
    return " OR ".join(dict.fromkeys(found))


def copyleft_patterns(copyright_text: str) -> list[str]:
    """File patterns of the stanzas under a licence that is not permissive: those files are left out."""
    patterns = []
    for stanza in re.split(r"\n\s*\n", copyright_text):
        files, license_name = (
            re.match(r"Files:((?:.*\n?(?:\s+.*\n?)*?))(?=\S+:|\Z)", stanza),
            LICENSE_FIELD.search(stanza),
        )
        if files and license_name and COPYLEFT.search(license_name.group(1)):
            patterns += [
                pattern for pattern in files.group(1).split() if pattern != "*" and not pattern.startswith("debian")
            ]
    return patterns


def is_excluded(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(path, f"*/{pattern.removeprefix('./')}") for pattern in patterns)
