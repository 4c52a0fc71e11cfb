"""Builds the ONNX graph of one member: 8-bit weights, and a key/value cache that the caller owns.

The contract ("two-part"; the runtime in `src/lm` is written against it):

inputs
  input_ids       int64   [1, k]
  position_ids    int64   [1, k]
  past_mask       float32 [k, capacity]  added to the scores: 0 = attend, -80 or less = not
  new_mask        float32 [k, k]         likewise, among the k new rows: causal, tree and fork batches
  logit_rows      int64   [r]            which of the k rows get logits
  past.N.key      float32 [1, keyValueHeads, capacity, headSize]   keys after rotation
  past.N.value    float32 [1, keyValueHeads, capacity, headSize]
outputs
  logits          float32 [r, vocabulary]
  present         float32 [2 * layers, keyValueHeads, k, headSize]  the new rows only:
                  layer 0 key, layer 0 value, layer 1 key, …

The scores against the cache and against the new rows are computed apart, so the graph never copies
the cache: one softmax runs over both parts.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from recipe.model import Shape, rotary_tables

CONTRIB = "com.microsoft"
N_POSITIONS = 2048
BLOCK = 32  # weights that share one scale


def quantize(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric 8-bit blocks along the last axis, zero point 128.
    weight: [rows, columns] → values uint8 [rows, columns / 32, 32], scales float32 [rows, columns / 32]."""
    rows, columns = weight.shape
    if columns % BLOCK:
        raise ValueError(f"{columns} columns are no multiple of {BLOCK}")
    blocks = weight.reshape(rows, columns // BLOCK, BLOCK).astype(np.float32)
    scales = np.maximum(np.abs(blocks).max(axis=-1) / 127, 1e-8)
    values = np.clip(np.round(blocks / scales[..., None]) + 128, 0, 255).astype(np.uint8)
    return values, scales.astype(np.float32)


def dequantize(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """What `quantize` has left: float32 [rows, columns]."""
    return ((values.astype(np.float32) - 128) * scales[..., None]).reshape(len(values), -1)


@dataclass
class GraphWriter:
    """Collects nodes and initializers. Invariant: every name is written once."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes) -> str:
        return self.nodes_out(operator, inputs, [output], domain, **attributes)[0]

    def nodes_out(self, operator: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes):
        name = next(output for output in outputs if output)
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs

    def quantized_weight(self, name: str, weight: np.ndarray) -> tuple[str, str]:
        values, scales = quantize(weight)
        return self.constant(f"{name}.values", values), self.constant(f"{name}.scales", scales)

    def matmul(self, x: str, weight: tuple[str, str], sizes: tuple[int, int], output: str) -> str:
        """x [rows, columns] times a quantised [outputs, columns] matrix; sizes = (outputs, columns)."""
        return self.node(
            "MatMulNBits", [x, *weight], output, CONTRIB,
            N=sizes[0], K=sizes[1], bits=8, block_size=BLOCK, accuracy_level=4,
        )  # fmt: skip


def build_graph(shape: Shape, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """`weights` are named as in model.Decoder's state dict."""
    writer = GraphWriter()
    embedding = writer.quantized_weight("embedding", weights["embedding.weight"])
    state = token_embeddings(writer, shape, embedding)
    shared = write_shared_inputs(writer, shape)

    pending, present = None, []  # `pending`: what the last block wants added to the stream
    for layer in range(shape.layers):
        prefix = f"blocks.{layer}."
        state, normed = add_and_normalize(
            writer, state, pending, weights[prefix + "attention_norm.weight"], f"{prefix}attention"
        )
        attended, key, value = write_attention(writer, shape, weights, layer, normed, shared)
        present += [key, value]
        state, normed = add_and_normalize(
            writer, state, attended, weights[prefix + "hidden_norm.weight"], f"{prefix}hidden"
        )
        pending = write_feed_forward(writer, shape, weights, layer, normed)

    _, normed = add_and_normalize(writer, state, pending, weights["final_norm.weight"], "final")
    rows = writer.node("Reshape", [normed, writer.constant("to_rows", np.int64([-1, shape.width]))], "final.all_rows")
    chosen = writer.node("Gather", [rows, "logit_rows"], "final.rows", axis=0)
    writer.matmul(chosen, embedding, (shape.vocabulary, shape.width), "logits")
    if shape.key_value_heads == 1:
        joined = writer.node("Concat", present, "present.joined", axis=0)
        writer.node("Unsqueeze", [joined, "second_axis"], "present")
    else:
        writer.node("Concat", present, "present", axis=0)
    return assemble(writer, shape)


def token_embeddings(writer: GraphWriter, shape: Shape, embedding: tuple[str, str]) -> str:
    """Rows of the matrix that also gives the logits, so it is stored once. → [1, k, width]"""
    values = writer.node("Gather", [embedding[0], "input_ids"], "tokens.values", axis=0)  # [1, k, blocks, 32]
    scales = writer.node("Gather", [embedding[1], "input_ids"], "tokens.scales", axis=0)  # [1, k, blocks]
    real = writer.node("Cast", [values], "tokens.real", to=TensorProto.FLOAT)
    centred = writer.node("Sub", [real, writer.constant("zero_point", np.float32([128]))], "tokens.centred")
    last = writer.constant("last_axis", np.int64([-1]))
    scaled = writer.node("Mul", [centred, writer.node("Unsqueeze", [scales, last], "tokens.scales4")], "tokens.scaled")
    return writer.node("Reshape", [scaled, writer.constant("flat", np.int64([1, -1, shape.width]))], "tokens")


@dataclass(frozen=True)
class Shared:
    """Names of what every block uses."""

    mask: str  # [k * queries per key head, capacity + k]
    part_sizes: str  # [capacity, k]
    cosine: str
    sine: str


def write_shared_inputs(writer: GraphWriter, shape: Shape) -> Shared:
    mask = writer.node("Concat", ["past_mask", "new_mask"], "mask.row", axis=1)
    second_axis = writer.constant("second_axis", np.int64([1]))
    n_groups = shape.heads // shape.key_value_heads
    if n_groups > 1:  # each row n times
        apart = writer.node("Unsqueeze", [mask, second_axis], "mask.apart")
        repeated = writer.node("Concat", [apart] * n_groups, "mask.repeated", axis=1)
        width = writer.node("Shape", [mask], "mask.width", start=1, end=2)
        sizes = [writer.constant("any", np.int64([-1])), width]
        mask = writer.node("Reshape", [repeated, writer.node("Concat", sizes, "mask.sizes", axis=0)], "mask")
    sizes = [writer.node("Shape", [name], f"{name}.width", start=1, end=2) for name in ("past_mask", "new_mask")]
    part_sizes = writer.node("Concat", sizes, "part_sizes", axis=0)
    cosine, sine = (table.numpy().astype(np.float32) for table in rotary_tables(shape, N_POSITIONS))
    head, key_value = shape.head_size, shape.key_value_heads
    writer.constant("to_groups", np.int64([1, key_value, -1, head]))
    writer.constant("rotated_and_value", np.int64([(shape.heads + key_value) * head, key_value * head]))
    writer.constant("query_and_key", np.int64([shape.heads * head, key_value * head]))
    if key_value > 1:
        writer.constant("to_key_value_heads", np.int64([0, 0, key_value, -1]))
        writer.constant("to_rows_of_groups", np.int64([1, key_value, -1, n_groups * head]))
    return Shared(mask, part_sizes, writer.constant("cosine", cosine), writer.constant("sine", sine))


def add_and_normalize(
    writer: GraphWriter, state: str, added: str | None, weight: np.ndarray, name: str
) -> tuple[str, str]:
    """→ (the stream with `added`, its norm), both [1, k, width]."""
    scale = writer.constant(f"{name}.norm_weight", weight)
    if added is None:
        return state, writer.node(
            "SimplifiedLayerNormalization", [state, scale], f"{name}.normed", axis=-1, epsilon=1e-5
        )
    outputs = [f"{name}.normed", "", "", f"{name}.stream"]
    writer.nodes_out("SkipSimplifiedLayerNormalization", [state, added, scale], outputs, CONTRIB, epsilon=1e-5)
    return outputs[3], outputs[0]


def write_attention(
    writer: GraphWriter, shape: Shape, weights: dict, layer: int, x: str, shared: Shared
) -> tuple[str, str, str]:
    """x [1, k, width] → (output [1, k, width], new keys, new values, each as `heads_first` gives them)."""
    name = f"blocks.{layer}."
    weight = weights[name + "query_key_value.weight"]
    projected = writer.matmul(
        x, writer.quantized_weight(name + "query_key_value", weight), weight.shape, name + "projected"
    )
    unrotated, value = writer.nodes_out(
        "Split", [projected, "rotated_and_value"], [name + "unrotated", name + "value"], axis=2
    )
    rotated = writer.node(
        "RotaryEmbedding",
        [unrotated, "position_ids", shared.cosine, shared.sine],
        name + "rotated",
        CONTRIB,
        interleaved=0,
        num_heads=shape.heads + shape.key_value_heads,
        rotary_embedding_dim=0,
    )
    query, key = writer.nodes_out("Split", [rotated, "query_and_key"], [name + "query", name + "key"], axis=2)
    query, key, value = (heads_first(writer, shape, part) for part in (query, key, value))
    grouped = writer.node("Reshape", [query, "to_groups"], name + "grouped")  # [1, keyValueHeads, k * groups, headSize]

    scale = shape.head_size**-0.5
    scores = [
        writer.node("FusedMatMul", [grouped, keys], name + f"scores_{part}", CONTRIB, transB=1, alpha=scale)
        for part, keys in (("past", f"past.{layer}.key"), ("new", key))
    ]
    scores = writer.node("Concat", scores, name + "scores", axis=3)
    scores = writer.node("Add", [scores, shared.mask], name + "masked")
    shares = writer.node("Softmax", [scores], name + "shares", axis=-1)
    parts = writer.nodes_out("Split", [shares, shared.part_sizes], [name + "shares_past", name + "shares_new"], axis=3)
    past = writer.node("MatMul", [parts[0], f"past.{layer}.value"], name + "attended_past")
    new = writer.node("MatMul", [parts[1], value], name + "attended_new")
    attended = writer.node("Add", [past, new], name + "attended")

    if shape.key_value_heads > 1:
        attended = writer.node("Reshape", [attended, "to_rows_of_groups"], name + "attended_groups")
        attended = writer.node("Transpose", [attended], name + "attended_rows", perm=[0, 2, 1, 3])
    attended = writer.node("Reshape", [attended, "flat"], name + "attended_flat")
    weight = weights[name + "attention_out.weight"]
    output = writer.matmul(
        attended, writer.quantized_weight(name + "attention_out", weight), weight.shape, name + "attention_out"
    )
    return output, key, value


def heads_first(writer: GraphWriter, shape: Shape, x: str) -> str:
    """x [1, k, keyValueHeads * columns] → [1, keyValueHeads, k, columns]; where there is one head, x as it is."""
    if shape.key_value_heads == 1:
        return x
    apart = writer.node("Reshape", [x, "to_key_value_heads"], f"{x}.apart")
    return writer.node("Transpose", [apart], f"{x}.heads_first", perm=[0, 2, 1, 3])


def write_feed_forward(writer: GraphWriter, shape: Shape, weights: dict, layer: int, x: str) -> str:
    """SwiGLU. QuickGelu with alpha 1 is SiLU."""
    name = f"blocks.{layer}."
    gate, up = np.split(weights[name + "gate_up.weight"], 2)
    gate = writer.matmul(x, writer.quantized_weight(name + "gate", gate), gate.shape, name + "gated")
    up = writer.matmul(x, writer.quantized_weight(name + "up", up), up.shape, name + "upped")
    gate = writer.node("QuickGelu", [gate], name + "activated", CONTRIB, alpha=1.0)
    hidden = writer.node("Mul", [gate, up], name + "hidden_values")
    down = weights[name + "down.weight"]
    return writer.matmul(hidden, writer.quantized_weight(name + "down", down), down.shape, name + "feed_forward")


def assemble(writer: GraphWriter, shape: Shape) -> onnx.ModelProto:
    real, integer = TensorProto.FLOAT, TensorProto.INT64
    info = helper.make_tensor_value_info
    cache = [1, shape.key_value_heads, "capacity", shape.head_size]
    inputs = [
        info("input_ids", integer, [1, "k"]),
        info("position_ids", integer, [1, "k"]),
        info("past_mask", real, ["k", "capacity"]),
        info("new_mask", real, ["k", "k"]),
        info("logit_rows", integer, ["r"]),
    ]
    for layer in range(shape.layers):
        inputs += [info(f"past.{layer}.{part}", real, cache) for part in ("key", "value")]
    outputs = [
        info("logits", real, ["r", shape.vocabulary]),
        info("present", real, [2 * shape.layers, shape.key_value_heads, "k", shape.head_size]),
    ]
    graph = helper.make_graph(writer.nodes, "consort", inputs, outputs, writer.initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="consort-recipe")
