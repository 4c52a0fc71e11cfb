"""python -m pytest models/recipe/tests: fast, without downloads. The last test runs where a corpus was made."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recipe import corpus, graph, licenses, paths, rows, sampling, train
from recipe.duplicates import HELD_OUT_LIMIT, SourceFile, shared_part, telling_lines, without_exact, without_leaks
from recipe.loss import TiedCrossEntropy
from recipe.model import Decoder, Shape, attend_by_blocks, deepen
from recipe.tokenizer import END, MIDDLE, PREFIX, SUFFIX, encode, train_tokenizer

SMALL = {"vocabulary": 4096, "width": 32, "layers": 2, "heads": 2, "key_value_heads": 1, "hidden": 64}


def code(name: str, n_lines: int = 40) -> list[str]:
    return [f"const {name}{line} = computeSomething({line}, '{name}');" for line in range(n_lines)]


def source(name: str, lines: list[str], split: str) -> SourceFile:
    return SourceFile("typescript", name, split, f"{name}.ts", "\n".join(lines))


def test_near_duplicates_leave_training():
    held_out = [source("held", code("held"), "test")]
    copy = source("copy", code("held")[:20] + code("copy")[:20], "membersTrain")
    other = source("other", code("other"), "membersTrain")
    training, kept = without_leaks([copy, other], held_out)
    assert training == [other] and kept == held_out


def test_held_out_file_made_of_pieces_of_training_leaves():
    pieces = [
        source(f"piece{n}", code("held", 80)[n * 8 : n * 8 + 8] + code(f"piece{n}"), "membersTrain") for n in range(8)
    ]
    held_out = [source("held", code("held", 80), "test")]
    training, kept = without_leaks(pieces, held_out)
    assert len(training) == 8 and kept == []


def test_exact_duplicates_ignore_white_space():
    files = [source("one", code("a"), "test"), source("two", ["  " + line for line in code("a")], "membersTrain")]
    assert without_exact(files) == files[:1]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["\n".join(code(name)) for name in ("alpha", "beta")] + ["def f(x):\n    return x + 123\n"])


def test_fim_sequence_round_trip(tokenizer):
    text = "\n".join(code("alpha"))
    rng = random.Random(3)
    for _ in range(200):
        piece = rows.cut(text, rng)
        assert piece.before + piece.after == text[text.index(piece.before) :][: len(piece.before + piece.after)]
        before, after = encode(tokenizer, [piece.before, piece.after])
        sequence = rows.fim_sequence(before, after, 5000, rng)
        assert sequence[0] == PREFIX and sequence[-1] == END
        body = sequence[sequence.index(MIDDLE) + 1 : -1] if SUFFIX in sequence else sequence[1:-1]
        assert tokenizer.decode(body) == piece.before
        if SUFFIX in sequence:
            assert piece.after.startswith(tokenizer.decode(sequence[2 : sequence.index(MIDDLE)]))


def test_rows_are_full(tokenizer):
    texts = ["\n".join(code(name, 400)) for name in ("alpha", "beta")]
    for row in [*rows.fim_rows(texts, 20, tokenizer, random.Random(1)), *rows.document_rows(texts, tokenizer)]:
        assert len(row) == rows.WIDTH


def test_digits_are_split(tokenizer):
    assert len(tokenizer.encode("12345", add_special_tokens=False).ids) == 5


@pytest.fixture
def small_rows(tmp_path):
    generator = np.random.default_rng(0)
    for language in ("typescript", "python"):
        generator.integers(8, 4096, (7, rows.WIDTH)).astype(np.uint16).tofile(tmp_path / f"{language}.bin")
    return tmp_path


def test_sampler_uses_every_row_once_before_any_again(small_rows):
    sampler = sampling.Sampler(small_rows, {"python": 1.0})
    first = sampler.next_batch(7)
    assert len(np.unique(first, axis=0)) == 7


def test_training_goes_on_after_a_kill(small_rows, tmp_path):
    run = train.Run(SMALL, {"typescript": 0.6, "python": 0.4}, 10**6, rows_per_step=2)
    whole = train.Trainer(run, tmp_path / "whole", small_rows)
    for _ in range(2):
        whole.train_step(0)
    whole.save("latest.pt")
    expected = [whole.train_step(0) for _ in range(3)]

    resumed = train.Trainer(run, tmp_path / "resumed", small_rows)
    resumed.load_state(torch.load(tmp_path / "whole" / "latest.pt", weights_only=True))
    assert [resumed.train_step(0) for _ in range(3)] == expected
    assert np.array_equal(whole.sampler.next_batch(4), resumed.sampler.next_batch(4))


def test_killed_process_goes_on(small_rows, tmp_path):
    """The whole command, ended by SIGKILL after its first checkpoint, then run again."""
    members = {
        "runs": {"small": {"shape": SMALL, "languages": {"python": 1.0}, "tokens": 60 * 512, "rows_per_step": 1}}
    }
    (tmp_path / "members.json").write_text(json.dumps(members))
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from pathlib import Path
from recipe import paths, train
paths.MEMBERS_FILE, paths.CHECKPOINTS = Path({str(tmp_path / "members.json")!r}), Path({str(tmp_path)!r})
train.Trainer.__init__.__defaults__ = (Path({str(small_rows)!r}),)
train.CHECKPOINT_SECONDS = 0
train.train("small", None, 1)
"""
    latest = tmp_path / "small" / "latest.pt"
    first = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    while not latest.exists() and first.poll() is None:
        time.sleep(0.01)
    first.kill()
    first.wait()
    stopped_at = torch.load(latest, weights_only=True)["tokens"]
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
    final = torch.load(tmp_path / "small" / "final.pt", weights_only=True)
    assert 0 < stopped_at <= final["facts"]["tokens"] == 60 * 512
    points = [json.loads(line) for line in (tmp_path / "small" / "curve.jsonl").read_text().splitlines()]
    assert [point["tokens"] for point in points] == sorted({point["tokens"] for point in points})


def test_half_written_checkpoint_is_not_seen(tmp_path):
    paths.write_atomically(tmp_path / "latest.pt", b"whole")
    (tmp_path / "latest.pt.partial").write_bytes(b"ha")
    assert (tmp_path / "latest.pt").read_bytes() == b"whole"


def test_schedule_warms_up_stays_and_decays():
    run = train.Run(SMALL, {"python": 1.0}, 100, warm_up_steps=10, decay_share=0.5)
    assert train.rate_at(0, 0, run) == pytest.approx(0.1)
    assert train.rate_at(0.49, 99, run) == 1
    assert train.rate_at(0.75, 99, run) == pytest.approx(0.5)


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_loss_and_gradients_equal_the_plain_ones(precision, tolerance):
    torch.manual_seed(0)
    states, embedding = torch.randn(50, 16, requires_grad=True), torch.randn(30, 16, requires_grad=True)
    targets = torch.randint(0, 30, (50,))
    plain = torch.nn.functional.cross_entropy(states @ embedding.T, targets)
    expected = torch.autograd.grad(plain, (states, embedding))
    ours = TiedCrossEntropy.apply(states, embedding, targets, precision)
    actual = torch.autograd.grad(ours, (states, embedding))
    torch.testing.assert_close(ours, plain, rtol=tolerance, atol=0)
    for left, right in zip(actual, expected):
        assert (left - right).norm() < tolerance * right.norm()


def test_attention_by_blocks_equals_plain_attention():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, heads, 256, 16) for heads in (4, 2, 2))
    plain = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    torch.testing.assert_close(attend_by_blocks(query, key, value), plain)


def test_deeper_model_computes_the_same():
    model = Decoder(Shape(**SMALL))
    ids = torch.randint(0, 4096, (1, 20))
    torch.testing.assert_close(deepen(model, 5)(ids), model(ids))


def test_model_is_causal():
    model = Decoder(Shape(**SMALL))
    ids = torch.randint(0, 4096, (1, 20))
    changed = ids.clone()
    changed[0, 15:] = 9
    torch.testing.assert_close(model(ids)[:, :15], model(changed)[:, :15])


def test_quantized_weights_stay_close():
    weight = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    values, scales = graph.quantize(weight)
    restored = graph.dequantize(values, scales)
    assert np.abs(restored - weight).max() <= scales.max() / 2 + 1e-6


def test_training_goes_on_from_a_shipped_member(tmp_path, monkeypatch):
    torch.manual_seed(0)
    member = Decoder(Shape(**SMALL))
    for parameter in member.parameters():
        torch.nn.init.normal_(parameter, 1 if parameter.dim() == 1 else 0, 0.1)
    (tmp_path / "member").mkdir()
    weights = {name: weight.numpy() for name, weight in member.state_dict().items()}
    (tmp_path / "member" / "model.onnx").write_bytes(graph.build_graph(member.shape, weights).SerializeToString())
    monkeypatch.setattr(paths, "MODELS", tmp_path)
    start = train.starting_model(train.Run(SMALL, {"python": 1.0}, 1, start_from="member")).state_dict()
    for name, weight in member.state_dict().items():
        assert (start[name] - weight).norm() < 0.01 * weight.norm(), name


@pytest.mark.parametrize("expression", ["MIT", "Apache-2.0 AND MIT", "(MIT OR GPL-3.0)", "MIT OR Apache-2.0"])
def test_permissive_licenses_pass(expression):
    assert licenses.check_expression("some-package", expression) == expression


@pytest.mark.parametrize(
    "expression", [None, "", "GPL-3.0", "SEE LICENSE IN LICENSE", "MIT AND MPL-2.0", {"type": "MIT"}]
)
def test_other_licenses_stop_with_the_name(expression):
    with pytest.raises(licenses.UnclearLicense, match="some-package"):
        licenses.check_expression("some-package", expression)


def test_debian_licenses():
    assert licenses.debian_license("p", "Format: x\n\nFiles: *\nCopyright: me\nLicense: Expat\n") == "MIT"
    with pytest.raises(licenses.UnclearLicense, match="p: "):
        licenses.debian_license("p", "Format: x\n\nFiles: *\nCopyright: me\nLicense: GPL-2+\n")


@pytest.mark.skipif(not (paths.CORPUS / "training.jsonl").exists(), reason="no corpus was made here")
def test_no_held_out_file_shares_its_lines_with_training():
    seen: set[int] = set()
    for file in corpus.read("training"):
        seen |= telling_lines(file.text)
    assert all(shared_part(telling_lines(file.text), seen) <= HELD_OUT_LIMIT for file in corpus.read("heldOut"))
