"""A piecewise linear unit as it is written by hand: by an index into its heights, and as a sum of hinges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REACH = 3.0


class Indexed(nn.Module):
    """The line through the heights at n + 1 even nodes: torch.bucketize finds the cell, autograd the gradients."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.register_buffer("nodes", torch.linspace(-REACH, REACH, cells + 1))
        self.heights = nn.Parameter(torch.relu(torch.linspace(-REACH, REACH, cells + 1)))
        self.left, self.right = nn.Parameter(torch.zeros(())), nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        width = 2 * REACH / (len(self.heights) - 1)
        inside = x.clamp(-REACH, REACH)
        cell = (torch.bucketize(inside, self.nodes) - 1).clamp(0, len(self.heights) - 2)
        low = self.heights[cell]
        line = low + (self.heights[cell + 1] - low) * ((inside - self.nodes[cell]) / width)
        return line + self.left * (x + REACH).clamp(max=0.0) + self.right * (x - REACH).clamp(min=0.0)


class Hinges(nn.Module):
    """The same as level + left x + a hinge at every node: a maximum a node."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.nodes = torch.linspace(-REACH, REACH, cells + 1).tolist()
        self.level, self.left = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.bends = nn.Parameter(torch.tensor([float(node == 0.0) for node in self.nodes]))

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        y = self.level + self.left * x
        for k, node in enumerate(self.nodes):
            y = y + self.bends[k] * torch.relu(x - node)
        return y
