"""python -m recipe.card: models/<id>/README.md of every bundled member, from report.json, members.json,
checksums.json and the loss curves. Run `recipe.report`, `recipe.plot` and `recipe.notices` first."""

import json
import math

from recipe import paths
from recipe.corpora import LANGUAGES, load_packages
from recipe.plot import curve_points
from recipe.quality import NGRAM
from recipe.report import REPORT_FILE
from recipe.train import Run, load_run

LANGUAGE_NAMES = {"typescript": "TypeScript", "javascript": "JavaScript", "python": "Python"}


def table(heading: list[str], rows: list[list[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def percent(gain: dict[str, float]) -> str:
    return f"{100 * gain['gain']:.1f} % [{100 * gain['low']:.1f}, {100 * gain['high']:.1f}]"


def quality_section(report: dict) -> str:
    members = list(report["members"])
    rows = []
    for name in [*members, NGRAM]:
        rows.append([name, *(f"{report['languages'][language]['single'][name]:.3f}" for language in LANGUAGES)])
    for kind in ("uniform", "fixed", "fixedShare"):
        for field, label in (("neuralOnly", "members only"), ("withNgram", "members and n-gram")):
            values = [f"{report['languages'][language][field][kind]:.3f}" for language in LANGUAGES]
            rows.append([f"mixture, {kind}, {label}", *values])
    gains = [percent(report["languages"][language]["fixedAgainstNgram"]) for language in LANGUAGES]
    rows.append(["bits saved by the fixed mixture against the n-gram alone", *gains])
    for member in members:
        losses = [percent(report["languages"][language]["fixedWithout"][member]) for language in LANGUAGES]
        rows.append([f"bits saved by {member} (fixed mixture with it against without it)", *losses])
    sizes = ", ".join(
        f"{len(report['languages'][language]['packages'])} {LANGUAGE_NAMES[language]}" for language in LANGUAGES
    )
    return (
        "## Quality\n\n"
        f"Bits per byte of whole held-out files ({sizes} packages of the split `test` in `bench/corpora.json`), canonical "
        "tokenisation, fresh contexts of 512 tokens, 32-bit weights; mixtures are linear, per token; the fixed weights are "
        "fitted on `policyDev`. The n-gram here is a token n-gram over the package's other files, a simple stand-in for "
        "the product's. In brackets the 95 % interval, a paired bootstrap over packages. Completions (exact line, first "
        "lexeme) are measured by the evaluation protocol with the whole engine. The line-up was chosen on these figures.\n\n"
        + table(["", *(LANGUAGE_NAMES[language] for language in LANGUAGES)], rows)
    )


def export_section(report: dict) -> str:
    rows = [
        [
            name,
            f"{facts['megabytes']:.2f}",
            f"{facts['prefill_milliseconds']:.0f}",
            f"{facts['token_milliseconds']:.2f}",
            f"{facts['mean_divergence']:.1e}",
            f"{100 * facts['same_argmax']:.1f} %",
            f"{facts['fork_difference']:.0e}",
        ]
        for name, facts in report["members"].items()
    ]
    heading = [
        "member",
        "MB",
        "ms for 256 tokens",
        "ms per token after 256",
        "KL(32 bit, 8 bit), nats",
        "same first choice",
        "fork batch, largest logit difference",
    ]
    note = "\nONNX Runtime, one thread, the fastest of several runs on the machine that made them (AVX2); see `recipe/parity.py`.\n"
    return (
        "## Export\n\nEight-bit weights in blocks of 32, symmetric; the contract is in `recipe/graph.py`.\n\n"
        + table(heading, rows)
        + note
    )


def training_section(member: str) -> str:
    runs = json.loads(paths.MEMBERS_FILE.read_text())["runs"]
    text, name = "## Training\n\n", member
    while name in runs:
        run = load_run(name)
        shares = ", ".join(
            f"{100 * share:.0f} % {LANGUAGE_NAMES[language]}" for language, share in run.languages.items()
        )
        text += (
            f"- `{name}`: {run_facts(name)}; rows: {shares}; from {run.start_from or 'random weights'}{kept(run)}.\n"
        )
        name = (run.start_from or "").split("/")[0]
    return (
        text
        + "\nThe loss curves are in `models/recipe/curves`. Muon and AdamW, warm-up, stable, linear decay; 512 tokens a row, half of the rows fill-in-the-middle, suffix first.\n"
    )


def kept(run: Run) -> str:
    return f", averaged with {100 * run.keep_start:.0f} % of those weights at the end" if run.keep_start else ""


def run_facts(name: str) -> str:
    points = curve_points(name)
    last = points[-1]
    bits = sum(point["natsPerToken"] for point in points[-5:]) / len(points[-5:]) / math.log(2)
    return (
        f"{last['tokens'] / 1e6:.1f}M tokens in {last['seconds'] / 60:.0f} minutes, last loss {bits:.3f} bits per token"
    )


def notice_section() -> str:
    notices = (paths.MODELS / "NOTICES.md").read_text().split("\n", 2)[2].strip()
    return f"## Licence notices\n\nThe weights are under the MIT licence. {notices}\n"


def main() -> None:
    report = json.loads(REPORT_FILE.read_text())
    n_training = sum(package.split == "membersTrain" for package in load_packages())
    for member in json.loads(paths.MEMBERS_FILE.read_text())["bundled"]:
        config = json.loads((paths.MODELS / member / "config.json").read_text())
        shape = (
            f"A llama-style decoder: width {config['hidden_size']}, {config['num_hidden_layers']} layers, "
            f"{config['num_attention_heads']} heads ({config['num_key_value_heads']} for keys and values), feed-forward "
            f"{config['intermediate_size']}, {config['vocab_size']} byte-level tokens, trained on {config['max_position_embeddings']} tokens. "
            f"It learned from source code of {n_training} npm and Debian packages under permissive licences.\n"
        )
        sections = [
            f"# {member}\n\n{shape}",
            quality_section(report),
            export_section(report),
            training_section(member),
            notice_section(),
        ]
        paths.write_atomically(paths.MODELS / member / "README.md", "\n".join(sections).encode())


if __name__ == "__main__":
    main()
