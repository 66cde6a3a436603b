"""One process or many: replicate the model (DDP) or shard it (FSDP2), and speak with the other processes.

Accelerate finds the device, starts the process group under `torchrun` and `accelerate launch`, and replicates.
Sharding calls torch's `fully_shard` itself, because accelerate's own does not run on CPUs, where the tests show that
it gives the losses of one process, and would cast the few parameters of an activation to bf16 with the rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NoReturn

import torch
from accelerate import Accelerator
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from learnact.training.config import Config
from learnact.training.errors import BadConfig
from learnact.training.model.models import blocks
from learnact.training.model.swap import Swapped


def connect(config: Config, *, cpu: bool = False) -> Accelerator:
    """Join the other processes, if there are any. Raises BadConfig where the batch cannot be divided among them."""
    accelerator = Accelerator(mixed_precision="bf16" if config.precision == "bf16" else "no", cpu=cpu)
    world = accelerator.num_processes
    if config.micro_batches % world:
        raise BadConfig(
            f"a batch of {config.batch} is {config.micro_batches} micro-batches of {config.micro_batch}, which "
            f"{world} processes cannot share equally; choose another --micro-batch"
        )
    if config.shard and world == 1:
        raise BadConfig("--shard divides a model among processes, found one; start several with torchrun")
    return accelerator


def end(code: int) -> NoReturn:
    """End this process; at once if it is one of several, whose threads may abort an interpreter that is torn down."""
    if distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def distribute(model: nn.Module, activations: Sequence[Swapped], config: Config, accelerator: Accelerator) -> nn.Module:
    """Return what training calls; `model` itself stays what is saved, its parameters sharded in place or not."""
    model.to(accelerator.device)
    if config.shard:
        _shard(model, activations, config, accelerator)
        if config.compile:
            for block in blocks(model):
                block.compile()
        return model
    if config.compile:
        model.compile()
    return accelerator.prepare_model(model) if accelerator.num_processes > 1 else model


def unsynchronized(wrapped: nn.Module, *, last: bool) -> AbstractContextManager[None]:
    """Keep gradients to this process until the last micro-batch of a step."""
    if last:
        return nullcontext()
    if isinstance(wrapped, FSDPModule):
        return _unsynchronized_shards(wrapped)
    if isinstance(wrapped, nn.parallel.DistributedDataParallel):
        return wrapped.no_sync()
    return nullcontext()


def reshard(model: nn.Module) -> None:
    """Let go of the parameters that a pass without a backward pass left joined."""
    if isinstance(model, FSDPModule):
        model.reshard()


def whole(tensor: Tensor) -> Tensor:
    """The tensor of all shards; every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(value: Tensor, pattern: Tensor) -> Tensor:
    """A whole tensor on the device and in the shards of another."""
    value = value.to(device=pattern.device, dtype=pattern.dtype)
    return distribute_tensor(value, pattern.device_mesh, pattern.placements) if isinstance(pattern, DTensor) else value


def gather_rows(rows: Sequence[Sequence[float]], accelerator: Accelerator) -> list[list[float]]:
    """Rows of all processes, which give equally many: the first of every process, then the second of every one."""
    mine = torch.tensor(rows, dtype=torch.float64, device=accelerator.device)
    every = accelerator.gather(mine).reshape(accelerator.num_processes, *mine.shape)
    gathered: list[list[float]] = every.transpose(0, 1).flatten(0, 1).tolist()
    return gathered


def _shard(model: nn.Module, activations: Sequence[Swapped], config: Config, accelerator: Accelerator) -> None:
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    plain = MixedPrecisionPolicy()
    half = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    policy = half if config.precision == "bf16" else plain
    for module in dict.fromkeys(s.new for s in activations):
        if any(True for _ in module.parameters()):
            fully_shard(module, mesh=mesh, mp_policy=plain)  # a shape is few numbers and needs all their digits
    for block in blocks(model):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


@contextmanager
def _unsynchronized_shards(model: FSDPModule) -> Iterator[None]:
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)
