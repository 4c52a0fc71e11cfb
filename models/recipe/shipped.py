"""The weights of a member as it is shipped, to go on training from: what 8 bits have left of them."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from recipe.graph import dequantize
from recipe.model import Decoder


def load_shipped(decoder: Decoder, model: Path) -> None:
    """Sets all weights of `decoder`, whose shape is the member's, from a graph that `graph.build_graph` has built."""
    constants = {one.name: numpy_helper.to_array(one) for one in onnx.load(model).graph.initializer}

    def matrix(name: str) -> np.ndarray:
        return dequantize(constants[f"{name}.values"], constants[f"{name}.scales"])

    state = {}
    for name in decoder.state_dict():
        stem = name.removesuffix(".weight")
        if stem.endswith("norm"):
            state[name] = constants[f"{stem.removesuffix('_norm')}.norm_weight"]
        elif stem.endswith("gate_up"):
            block = stem.removesuffix("gate_up")
            state[name] = np.concatenate([matrix(f"{block}gate"), matrix(f"{block}up")])
        else:
            state[name] = matrix(stem)
    decoder.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
