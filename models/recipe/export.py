"""python -m recipe.export [--member ID …]: the last checkpoint of a member → models/<id>/."""

import argparse
import json
import shutil
from pathlib import Path

import torch

from recipe import paths
from recipe.graph import build_graph
from recipe.model import Shape


def export_member(checkpoint: Path, tokenizer: Path, folder: Path) -> None:
    """Writes model.onnx, config.json and tokenizer.json."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    shape = Shape(**saved["shape"])
    weights = {name: weight.float().numpy() for name, weight in saved["model"].items()}
    graph = build_graph(shape, weights)
    paths.write_atomically(folder / "model.onnx", graph.SerializeToString())
    paths.write_atomically(folder / "config.json", (json.dumps(hub_config(shape), indent=2) + "\n").encode())
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"{folder.name}: {len(graph.graph.node)} nodes, {size:.2f} MB")


def hub_config(shape: Shape) -> dict:
    """Hugging Face's names, plus the kind of our export."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head_size,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.context,  # as trained; the rotary tables reach further
        "rope_theta": shape.rope_base,
        "rms_norm_eps": shape.norm_epsilon,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "consort_export": "two-part",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--member", action="append", help="default: every member in members.json")
    parser.add_argument("--checkpoint", type=Path, help="default: the member's final checkpoint")
    parser.add_argument("--tokenizer", type=Path, default=paths.TOKENIZER_FILE)
    arguments = parser.parse_args()
    members = arguments.member or json.loads(paths.MEMBERS_FILE.read_text())["bundled"]
    for member in members:
        checkpoint = arguments.checkpoint or paths.CHECKPOINTS / member / "final.pt"
        folder = paths.MODELS / member
        folder.mkdir(parents=True, exist_ok=True)
        export_member(checkpoint, arguments.tokenizer, folder)


if __name__ == "__main__":
    main()
