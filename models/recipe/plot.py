"""python -m recipe.plot: the loss curves of the bundled members' runs → models/recipe/curves/<run>.{jsonl,svg}."""

import json
import math

from recipe import paths


def curve_points(run: str) -> list[dict]:
    return [json.loads(line) for line in (paths.CHECKPOINTS / run / "curve.jsonl").read_text().splitlines()]


def smoothed(values: list[float], keep: float = 0.8) -> list[float]:
    """Exponential moving average, corrected for its start."""
    result, average, weight = [], 0.0, 0.0
    for value in values:
        average, weight = keep * average + (1 - keep) * value, keep * weight + (1 - keep)
        result.append(average / weight)
    return result


def draw(run: str, points: list[dict]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = run
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    millions = [point["tokens"] / 1e6 for point in points]
    bits = [point["natsPerToken"] / math.log(2) for point in points]
    axes.plot(millions, bits, color="0.8", linewidth=0.8)
    axes.plot(millions, smoothed(bits), color="tab:blue", label="training loss")
    axes.set(xlabel="million tokens in this run", ylabel="bits per token", title=run)
    rate = axes.twinx()
    rate.plot(
        millions,
        [point["rate"] for point in points],
        color="tab:orange",
        linewidth=0.8,
        linestyle="--",
        label="learning rate (relative)",
    )
    rate.set_ylim(0, 1.05)
    figure.legend(loc="upper right", bbox_to_anchor=(0.88, 0.86), frameon=False)
    figure.tight_layout()
    target = paths.RECIPE / "curves" / f"{run}.svg"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, metadata={"Date": None})


def main() -> None:
    for run in json.loads(paths.MEMBERS_FILE.read_text())["runs"]:
        if (paths.CHECKPOINTS / run / "curve.jsonl").exists():
            points = curve_points(run)
            draw(run, points)
            content = "".join(json.dumps(point) + "\n" for point in points)
            paths.write_atomically(paths.RECIPE / "curves" / f"{run}.jsonl", content.encode())


if __name__ == "__main__":
    main()
