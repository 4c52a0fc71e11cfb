"""Muon for the matrices inside the blocks, AdamW for the embedding and the norms.

Muon (Jordan and others, 2024, https://kellerjordan.github.io/posts/muon): the momentum of each matrix is
replaced by its nearest semi-orthogonal matrix, by five Newton–Schulz steps."""

from dataclasses import dataclass

import torch

from recipe.loss import has_fast_bfloat16
from recipe.model import Decoder


@dataclass(frozen=True)
class OptimizerSettings:
    muon_rate: float = 0.02
    muon_momentum: float = 0.95
    muon_weight_decay: float = 0.02  # per step: rate * decay
    adam_rate: float = 3e-3
    adam_betas: tuple[float, float] = (0.9, 0.95)
    adam_clip_norm: float = 1.0


def orthogonalized(gradients: torch.Tensor) -> torch.Tensor:
    """gradients [n, rows, columns] → about U Vᵀ of each; exact singular values lie in about [0.7, 1.2]."""
    wide = gradients.shape[1] <= gradients.shape[2]
    x = gradients.bfloat16() if gradients.is_cuda or has_fast_bfloat16() else gradients
    x = x if wide else x.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        squared = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * squared + 2.0315 * squared @ squared) @ x
    return (x if wide else x.transpose(1, 2)).to(gradients.dtype)


class Optimizer:
    """Invariant: one momentum buffer per matrix, in the order of `model.named_parameters()`."""

    def __init__(self, model: Decoder, settings: OptimizerSettings):
        self.settings = settings
        named = list(model.named_parameters())
        self.matrices = [parameter for name, parameter in named if parameter.dim() == 2 and name != "embedding.weight"]
        self.others = [parameter for name, parameter in named if parameter.dim() != 2 or name == "embedding.weight"]
        self.momenta = [torch.zeros_like(matrix) for matrix in self.matrices]
        self.adam = torch.optim.AdamW(self.others, lr=settings.adam_rate, betas=settings.adam_betas, weight_decay=0.0)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """`rate` in [0, 1] scales both learning rates."""
        settings = self.settings
        torch.nn.utils.clip_grad_norm_(self.others, settings.adam_clip_norm)
        for group in self.adam.param_groups:
            group["lr"] = settings.adam_rate * rate
        self.adam.step()
        for indices in self.indices_by_size():
            for index in indices:
                self.momenta[index].mul_(settings.muon_momentum).add_(self.matrices[index].grad)
            nesterov = [self.matrices[i].grad + settings.muon_momentum * self.momenta[i] for i in indices]
            for index, update in zip(indices, orthogonalized(torch.stack(nesterov))):
                matrix = self.matrices[index]
                stretch = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.mul_(1 - settings.muon_rate * rate * settings.muon_weight_decay)
                matrix.add_(update, alpha=-settings.muon_rate * rate * stretch)
        for parameter in self.matrices + self.others:
            parameter.grad = None

    def indices_by_size(self) -> list[list[int]]:
        """Matrices of one size are orthogonalised together."""
        groups: dict[torch.Size, list[int]] = {}
        for index, matrix in enumerate(self.matrices):
            groups.setdefault(matrix.shape, []).append(index)
        return list(groups.values())

    def state(self) -> dict:
        return {"adam": self.adam.state_dict(), "momenta": self.momenta}

    def load_state(self, state: dict) -> None:
        self.adam.load_state_dict(state["adam"])
        for momentum, saved in zip(self.momenta, state["momenta"]):
            momentum.copy_(saved)
