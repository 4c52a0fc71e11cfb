"""The cross-entropy of tied embeddings without ever holding all logits."""

import torch
import torch.nn.functional as F

CHUNK = 1024  # positions whose logits fit the processor's cache together


class TiedCrossEntropy(torch.autograd.Function):
    """Mean over positions of −ln softmax(states · embeddingᵀ)[target], in nats. The forward pass also
    computes both gradients, chunk by chunk: the logits are used while they are in the cache."""

    @staticmethod
    def forward(context, states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """states float32 [positions, width]; embedding float32 [vocabulary, width]; targets int64 [positions]."""
        state_gradient, embedding_gradient = torch.empty_like(states), torch.zeros_like(embedding)
        total = states.new_zeros(())
        for start in range(0, len(states), CHUNK):
            part, target = states[start : start + CHUNK], targets[start : start + CHUNK]
            logits = part @ embedding.T
            logits.sub_(logits.amax(-1, keepdim=True))
            right = logits.gather(1, target[:, None]).sum()
            sums = logits.exp_().sum(-1, keepdim=True)
            total += sums.log().sum() - right
            logits.div_(sums)  # now probabilities
            logits[torch.arange(len(target)), target] -= 1
            torch.mm(logits, embedding, out=state_gradient[start : start + CHUNK])
            embedding_gradient.addmm_(logits.T, part)
        context.save_for_backward(state_gradient, embedding_gradient)
        return total / len(states)

    @staticmethod
    def backward(context, gradient: torch.Tensor):
        state_gradient, embedding_gradient = context.saved_tensors
        scale = gradient / len(state_gradient)
        return state_gradient * scale, embedding_gradient * scale, None


def mean_loss(states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """states [batch, time, width], targets [batch, time] → nats per token."""
    states, targets = states.flatten(0, 1), targets.flatten()
    if states.device.type == "cpu":
        return TiedCrossEntropy.apply(states.float(), embedding, targets)
    return F.cross_entropy(F.linear(states, embedding).float(), targets)
