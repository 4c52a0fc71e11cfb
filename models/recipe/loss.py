"""The cross-entropy of tied embeddings without ever holding all logits."""

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F

CHUNK = 1024  # positions whose logits fit the processor's cache together


class TiedCrossEntropy(torch.autograd.Function):
    """Mean over positions of −ln softmax(states · embeddingᵀ)[target], in nats. The forward pass also
    computes both gradients, chunk by chunk: the logits are used while they are in the cache."""

    @staticmethod
    def forward(
        context, states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor, precision: torch.dtype
    ) -> torch.Tensor:
        """states float32 [positions, width]; embedding float32 [vocabulary, width]; targets int64 [positions];
        precision: of the products; sums and the softmax are in float32."""
        state_gradient, embedding_gradient = torch.empty_like(states), torch.zeros_like(embedding)
        total = states.new_zeros(())
        states, embedding = states.to(precision), embedding.to(precision)
        for start in range(0, len(states), CHUNK):
            part, target = states[start : start + CHUNK], targets[start : start + CHUNK]
            loss, error = cross_entropy(part @ embedding.T, target)
            total += loss
            state_gradient[start : start + CHUNK] = error @ embedding
            embedding_gradient += error.T @ part
        context.save_for_backward(state_gradient, embedding_gradient)
        return total / len(states)

    @staticmethod
    def backward(context, gradient: torch.Tensor):
        state_gradient, embedding_gradient = context.saved_tensors
        scale = gradient / len(state_gradient)
        return state_gradient * scale, embedding_gradient * scale, None, None


def eager_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """→ the sum over positions of −ln softmax(logits)[target], and its gradient in the logits' precision."""
    exact = logits.float()
    exact = exact - exact.amax(-1, keepdim=True)
    right = exact.gather(1, targets[:, None])
    powers = exact.exp()
    sums = powers.sum(-1, keepdim=True)
    chosen = torch.arange(logits.shape[-1], device=logits.device) == targets[:, None]
    error = powers / sums - chosen.float()
    return (sums.log() - right).sum(), error.to(logits.dtype)


@cache
def has_fast_bfloat16() -> bool:
    """On processors without bfloat16 instructions it is ten times slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


cross_entropy = torch.compile(eager_cross_entropy)


def mean_loss(states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """states [batch, time, width], targets [batch, time] → nats per token."""
    states, targets = states.flatten(0, 1), targets.flatten()
    if states.device.type == "cpu":
        precision = torch.bfloat16 if has_fast_bfloat16() else torch.float32
        return TiedCrossEntropy.apply(states.float(), embedding, targets, precision)
    return F.cross_entropy(F.linear(states, embedding).float(), targets)
