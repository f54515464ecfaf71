"""The deep view: formulas by hand, PCA before training, the same result for a seed, and pendigits."""

from __future__ import annotations

import builtins
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from tests.conftest import SHARED_DATA

from portrait.capabilities.core_group.deep import DeepView, deep_view
from portrait.capabilities.core_group.idec import (
    embedded,
    first_weights,
    principal_directions,
    scale_of,
    soft_assignment,
    target_distribution,
)
from portrait.capabilities.core_group.policy import DeepPolicy, load_core_group_policy
from portrait.errors import InputRefused, PortraitError

SHORT = DeepPolicy(latent=3, hidden=16, reconstruction_epochs=3, clustering_epochs=3, starts=2)


def blobs(seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], 200)
    return draws.normal(size=(3, 6))[truth] * 4 + draws.normal(size=(600, 6)), truth


@pytest.fixture(scope="module")
def view() -> DeepView:
    return deep_view(blobs()[0], k=3, policy=SHORT)


def test_p_by_hand() -> None:
    q = np.array([[0.8, 0.2], [0.5, 0.5], [0.2, 0.8]])
    # f = 1.5, 1.5: the division cancels; p = .64/.68, .25/.5, .04/.68
    assert target_distribution(q)[:, 0] == pytest.approx([0.64 / 0.68, 0.5, 0.04 / 0.68])
    q = np.array([[0.8, 0.2], [0.6, 0.4], [0.6, 0.4]])
    # f = 2, 1: rows .32 and .04; .18 and .16
    assert target_distribution(q)[:, 0] == pytest.approx([0.32 / 0.36, 0.18 / 0.34, 0.18 / 0.34])


def test_q_by_hand() -> None:
    # Squared distances 0 and 4: kernels 1 and 1/5.
    assert soft_assignment(np.array([[0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 2.0]]))[0] == pytest.approx(
        [5 / 6, 1 / 6]
    )


def test_before_training_the_embedding_is_pca() -> None:
    x = blobs()[0]
    mean, directions = principal_directions(x, p=3)
    z = embedded(x, mean, directions, first_weights(6, 3, hidden=16, draws=np.random.default_rng(1)))
    expected = PCA(3).fit_transform(x)
    assert np.abs(z) == pytest.approx(np.abs(expected), abs=1e-8)
    assert (directions[np.abs(directions).argmax(axis=0), range(3)] > 0).all()


def test_planted_groups_are_found_and_other_rows_assigned(view: DeepView) -> None:
    x, truth = blobs()
    assert adjusted_rand_score(truth, view.labels) > 0.99
    assert view.embedding.shape == (600, 3)
    assert np.isfinite(view.history).all()
    assert not view.collapsed
    assert (view.assign(x) == view.labels).all()


def test_the_centres_are_trained() -> None:
    x, _ = blobs()
    still = deep_view(x, k=3, policy=SHORT.model_copy(update={"clustering_epochs": 0}))
    moved = deep_view(x, k=3, policy=SHORT)
    assert np.abs(still.weights["mu"] - moved.weights["mu"]).max() > 1e-4
    assert len(still.history) == 3


def test_the_same_seed_gives_the_same_view(view: DeepView) -> None:
    again, other = (deep_view(blobs()[0], k=3, seed=seed, policy=SHORT) for seed in (1, 2))
    assert (again.labels == view.labels).all()
    assert (again.embedding == view.embedding).all()
    assert (again.history == view.history).all()
    assert not (other.history == view.history).all()


def test_units_of_columns_do_not_matter(view: DeepView) -> None:
    x, truth = blobs()
    # All in another unit: the same network; each in another: columns of one spread.
    assert (deep_view(x * 100 + 7, k=3, policy=SHORT).labels == view.labels).all()
    scale = scale_of(x * np.logspace(0, 6, 6), DeepPolicy())
    assert scale.apply(x * np.logspace(0, 6, 6)).std(axis=0) == pytest.approx(np.full(6, 0.3))
    apart = deep_view(np.column_stack([x * np.logspace(0, 6, 6), np.full(600, 5.0)]), k=3, policy=SHORT)
    assert adjusted_rand_score(truth, apart.labels) > 0.99


def test_few_rows_and_one_column() -> None:
    found = deep_view(np.array([[1.0], [1.1], [9.0], [9.2]]), k=2, policy=SHORT)
    assert adjusted_rand_score([0, 0, 1, 1], found.labels) == 1
    with pytest.raises(InputRefused, match="1 of 2 rows"):
        deep_view([[1.0], [np.nan]], k=2)
    with pytest.raises(InputRefused, match="trained on 1 columns"):
        found.assign([[1.0, 2.0]])


def test_without_jax_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def refusing(name: str, *args: object, **kwargs: object) -> object:
        if name == "jax":
            raise ImportError("No module named 'jax'", name="jax")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(PortraitError, match=r"portrait\[deep\]"):
        deep_view(blobs()[0], k=3, policy=SHORT)


def test_importing_the_room_does_not_import_jax() -> None:
    code = "import sys, portrait.capabilities.core_group.deep; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_shipped_file_has_the_defaults(conf_dir: Path) -> None:
    assert load_core_group_policy(conf_dir).deep == DeepPolicy()


@pytest.mark.scale
def test_pendigits_by_five_seeds() -> None:
    path = SHARED_DATA / "pendigits" / "pendigits.csv"
    if not path.is_file():
        pytest.skip("real data is absent: pendigits (set PORTRAIT_TEST_DATA to the folder that holds it)")
    frame = pd.read_csv(path, index_col=0)
    truth, matrix = frame.pop("class").to_numpy(), frame.to_numpy(float)
    found = [deep_view(matrix, k=10, seed=seed).labels for seed in range(1, 6)]
    accuracy, information = [], []
    for labels in found:
        cells = np.zeros((10, 10))
        np.add.at(cells, (labels, truth), 1)
        accuracy.append(cells[linear_sum_assignment(-cells)].sum() / len(truth))
        information.append(normalized_mutual_info_score(truth, labels))
    agreement = np.mean([adjusted_rand_score(one, other) for one, other in combinations(found, 2)])
    print(f"ACC {np.mean(accuracy):.3f}, NMI {np.mean(information):.3f}, pairwise ARI {agreement:.3f}")
    assert np.mean(accuracy) >= 0.69
    assert np.mean(information) >= 0.70
    assert agreement >= 0.90
