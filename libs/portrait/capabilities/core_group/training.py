"""Training of the deep view by jax and optax, which are imported only here, and only when something is trained."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait.capabilities.core_group.idec import LAYERS, Matrix, Weights
from portrait.capabilities.core_group.policy import DeepPolicy
from portrait.errors import PortraitError

# One thread: the order of XLA's sums depends on how many there are.
_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
_TINY = 1e-9  # keeps logarithms finite


def import_jax() -> tuple[Any, Any]:
    """The modules jax and optax, on one thread of the CPU. Raises PortraitError when they are not installed.

    The settings count only where this process has not used jax before. A process that has imported jax should not fork;
    Spark's workers are forked from a process of their own.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAGS}".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # else it looks for other devices, and warns
    try:
        import jax
        import optax
    except ImportError as error:
        raise PortraitError(
            f"the deep view is trained by jax and optax; the package {error.name or 'jax'} is not installed",
            where="portrait.capabilities.core_group.deep",
            remedy="install the extra `deep`: pip install 'portrait[deep]' (make setup does); or use PCA and k-means",
        ) from error
    return jax, optax


@cache
def _compiled(rate: float) -> tuple[Any, Any]:
    """Adam, and one epoch as a function of weights, state, order, targets, gamma and the rows.

    What it is compiled for depends on shapes alone, so that refits of one shape are compiled once a process.
    """
    jax, optax = import_jax()
    jnp = jax.numpy
    adam = optax.adam(rate)

    def perceptron(side: str, params: Any, h: Any) -> Any:
        for layer in range(LAYERS):
            h = h @ params[f"{side}{layer}_w"] + params[f"{side}{layer}_b"]
            if layer < LAYERS - 1:
                h = jax.nn.relu(h)
        return h

    def loss(params: Any, batch: Any, target: Any, gamma: float, mean: Any, pca: Any) -> Any:
        z = (batch - mean) @ pca + perceptron("e", params, batch)
        again = z @ pca.T + mean + perceptron("d", params, z)
        reconstruction = jnp.mean((again - batch) ** 2)
        if not gamma:
            return reconstruction
        kernel = 1 / (1 + jnp.sum((z[:, None, :] - params["mu"][None, :, :]) ** 2, axis=2))
        q = kernel / jnp.sum(kernel, axis=1, keepdims=True)
        clustering = jnp.mean(jnp.sum(target * jnp.log((target + _TINY) / (q + _TINY)), axis=1))
        return reconstruction + gamma * clustering

    def epoch(params: Any, state: Any, order: Any, targets: Any, gamma: float, rows: Any, mean: Any, pca: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            params, state = carry
            # The target is an input, so no gradient flows through it.
            value, slope = jax.value_and_grad(loss)(params, rows[batch], targets[batch], gamma, mean, pca)
            change, state = adam.update(slope, state, params)
            return (optax.apply_updates(params, change), state), value

        (params, state), values = jax.lax.scan(step, (params, state), order)
        return params, state, jnp.mean(values)

    return adam, jax.jit(epoch, static_argnums=4)


class Trainer:
    """The weights, Adam's state and the rows that they are trained on."""

    def __init__(self, x: Matrix, m: Matrix, directions: Matrix, weights: Weights, policy: DeepPolicy) -> None:
        jnp = import_jax()[0].numpy
        self._as_array: Callable[[Any], Any] = lambda array: jnp.asarray(array, dtype=jnp.float32)
        self._fixed = tuple(self._as_array(array) for array in (x, m, directions))
        self._adam, self._epoch = _compiled(policy.rate)
        self._no_target = jnp.zeros((len(x), 1), dtype=jnp.float32)
        self.replace(weights)

    def replace(self, weights: Weights) -> None:
        """Go on from these weights, with a new state of Adam."""
        self._params = {name: self._as_array(value) for name, value in weights.items()}
        self._state = self._adam.init(self._params)

    def run(self, order: NDArray[np.int64], *, targets: Matrix | None = None, gamma: float = 0.0) -> float:
        """One epoch: a step per row of `order`, which holds the rows of a batch. The mean loss over the batches."""
        goal = self._no_target if targets is None else self._as_array(targets)
        self._params, self._state, value = self._epoch(self._params, self._state, order, goal, gamma, *self._fixed)
        return float(value)

    @property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights as they are now."""
        return {name: np.asarray(value) for name, value in self._params.items()}
