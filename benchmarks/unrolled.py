"""What a careful user writes by hand: the same functions in plain torch, with the backward left to autograd."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Hermite(nn.Module):
    """sum_k a_k He_k(x)/k! by the three-term recurrence."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.coefficients = nn.Parameter(torch.full((degree + 1,), 0.6))

    def forward(self, x: Tensor) -> Tensor:
        a = self.coefficients
        before, basis = torch.ones_like(x), x
        y = a[0] + a[1] * x
        for k in range(2, self.degree + 1):
            before, basis = basis, x * basis - (k - 1) * before
            y = y + a[k] * (basis / math.factorial(k))
        return y


class Fourier(nn.Module):
    """a_0 + sum_k a_k cos(k x - phi_k)/k!, one cosine a term."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.offset = nn.Parameter(torch.tensor(0.5))
        self.coefficients = nn.Parameter(torch.full((degree,), 0.7))
        self.phases = nn.Parameter(torch.full((degree,), math.pi / 4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.offset
        for k in range(1, self.degree + 1):
            y = y + self.coefficients[k - 1] / math.factorial(k) * torch.cos(k * x - self.phases[k - 1])
        return y


class Tropical(nn.Module):
    """scale * max_k(k x + b_k) by pairwise maxima."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.scale = nn.Parameter(torch.tensor(0.3))
        self.offsets = nn.Parameter(-torch.linspace(-1, 1, degree + 1).square())

    def forward(self, x: Tensor) -> Tensor:
        y = self.offsets[0].expand_as(x)
        for k in range(1, self.degree + 1):
            y = torch.maximum(y, k * x + self.offsets[k])
        return self.scale * y


class TanhMix(nn.Module):
    """a tanh(b x) + c x + d."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(1.0))
        self.c, self.d = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * torch.tanh(self.b * x) + self.c * x + self.d


class Swish(nn.Module):
    """a x sigmoid(b x)."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x * torch.sigmoid(self.b * x)


class Bump(nn.Module):
    """a exp(-b x^2) + c x."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.5))
        self.c = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * torch.exp(-self.b * x**2) + self.c * x
