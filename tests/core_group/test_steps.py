"""The steps of the core group by hand and in numpy: cleaning, views, ranking, the rule as an audience, the effect."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from portrait.capabilities.audiences.parsing import Vocabulary, parse_audience
from portrait.capabilities.core_group import views
from portrait.capabilities.core_group.audience import Column, expression, find_audience, label_matrix, usable_labels
from portrait.capabilities.core_group.cleaning import fit_cleaner, with_columns
from portrait.capabilities.core_group.commands import audience_keys
from portrait.capabilities.core_group.deep import deep_view
from portrait.capabilities.core_group.mining import lasting_places, scoring
from portrait.capabilities.core_group.model import CoreModel, read_core_model, write_core_model
from portrait.capabilities.core_group.plans import load_service_plans
from portrait.capabilities.core_group.policy import Cleaning, CoreGroupPolicy, Gates, load_core_group_policy
from portrait.capabilities.core_group.ranking import cohesion, rank_groups
from portrait.capabilities.core_group.serving import Arm, Effect, effect_of
from portrait.capabilities.core_group.views import DEEP, PCA, Clustered, choose_k, cluster, eta_squared, pca_view
from portrait.capabilities.groups.policy import VectorFeature, load_group_policy
from portrait.capabilities.groups.surrogate import Bound
from portrait.errors import ConfigurationError, PortraitError
from portrait.labels.declaration import Label
from portrait.settings import load_yaml

GATES = Gates(share_least=0.02, customers_least=10, lift_least=1.5, jaccard_least=0.75)


@pytest.fixture(scope="module")
def policy() -> CoreGroupPolicy:
    shipped = load_core_group_policy(Path(__file__).resolve().parents[2] / "conf")
    search = {"k": shipped.search.k.model_copy(update={"least": 3, "most": 5}), "sketch": 60, "restarts": 5}
    gate = shipped.deep_gate.model_copy(update={"sample": 0})
    update = {"search": shipped.search.model_copy(update=search), "deep_gate": gate}
    return shipped.model_copy(update=update)


def feature(name: str, kind: str) -> VectorFeature:
    over = {"over": "all"} if kind == "share" else {}
    return VectorFeature(id=name, kind=kind, of=[name], family="f", title="Title", high="High", **over)


# -- cleaning


def test_cleaning_by_hand() -> None:
    raw = {
        "share": np.array([0.0, 0.04, 0.16, 0.36, np.nan]),
        "rare": np.array([np.nan] * 4 + [1.0]),
        "same": np.ones(5),
    }
    rule = Cleaning(coverage_least=0.8, winsorise=0.0, clip=1.0, least_features=2)
    cleaner = fit_cleaner(
        raw, [feature("share", "share"), feature("rare", "level"), feature("same", "level")], policy=rule
    )
    assert cleaner.features == ("share",)
    assert cleaner.dropped == {"rare": "known of 20%, needed 80%", "same": "the same for all but a few customers"}
    # Roots 0, .2, .4, .6: mean .3, standard deviation sqrt(.05); cut at 1; the unknown one is the mean.
    expected = (np.array([0, 0.2, 0.4, 0.6]) - 0.3) / np.sqrt(0.05)
    assert cleaner.apply(with_columns(cleaner, raw))[:, 0] == pytest.approx([*expected.clip(-1, 1), 0.0])


def test_outliers_are_cut_at_the_quantiles() -> None:
    values = np.concatenate([np.arange(100.0), [1e9]])
    rule = Cleaning(coverage_least=0.5, winsorise=0.01, clip=9.0, least_features=2)
    cleaner = fit_cleaner({"a": values}, [feature("a", "level")], policy=rule)
    assert cleaner.high[0] == pytest.approx(np.quantile(values, 0.99))
    assert cleaner.apply(np.array([[1e12]]))[0] == pytest.approx(cleaner.apply(np.array([[cleaner.high[0]]]))[0])


# -- ranking


def test_ranking_by_hand() -> None:
    # 100 customers with 1,000 in all, 10 on average. Group 0: 20 customers, 400: lift 2, share .4.
    found = rank_groups(
        {0: 20, 1: 70, 2: 10},
        {0: 400.0, 1: 280.0, 2: 320.0},
        cohesions=np.array([0.5, 0.5, 0.4]),
        jaccards=np.array([0.8, 0.9, 0.9]),
        gates=GATES,
    )
    assert [(row.lift, row.value_share, row.size_share) for row in found] == [
        (pytest.approx(2.0), 0.4, 0.2),
        (pytest.approx(0.4), 0.28, 0.7),
        (pytest.approx(3.2), 0.32, 0.1),
    ]
    assert found[0].core_score == pytest.approx((2 * 2 * 0.5 * 0.8) ** 0.25)
    assert found[1].failed == "lift 0.40, needed 1.50"
    assert found[2].core_score == pytest.approx((3.2 * 3.2 * 0.4 * 0.9) ** 0.25)
    assert [row.rank for row in found] == [2, None, 1]


@pytest.mark.parametrize(
    ("h", "j", "customers", "value", "failed"),
    [
        (0.5, 0.7, 20, 400.0, "stability 0.70, needed 0.75"),
        (0.0, 0.9, 20, 400.0, "not cohesive"),
        (0.5, 0.9, 5, 400.0, "5 customers, needed 10 and 2%"),
        (0.5, np.nan, 20, 400.0, "stability unknown, needed 0.75"),
        (0.5, 0.9, 20, -900.0, "mean contribution not positive"),
    ],
)
def test_a_gate_that_is_not_passed_is_named(h: float, j: float, customers: int, value: float, failed: str) -> None:
    found = rank_groups(
        {0: customers, 1: 80},
        {0: value, 1: 100.0},
        cohesions=np.array([h, 0.5]),
        jaccards=np.array([j, 0.9]),
        gates=GATES,
    )
    assert (found[0].failed, found[0].core_score, found[0].rank) == (failed, None, None)


def test_cohesion_by_hand() -> None:
    x = np.array([[0.0], [2.0], [10.0], [12.0]])
    # Mean 6: mean square 26. Both groups: mean square 1.
    assert cohesion(x, np.array([0, 0, 1, 1]), k=3)[:2] == pytest.approx([1 - 1 / 26] * 2)
    assert np.isnan(cohesion(x, np.array([0, 0, 1, 1]), k=3)[2])


def test_eta_squared_by_hand() -> None:
    # Group means 1 and 3 around 2, two each: between 4, within 4 x .25 = 1 -> .8
    assert eta_squared(np.array([0.5, 1.5, 2.5, 3.5]), np.array([0, 0, 1, 1])) == pytest.approx(0.8)
    assert eta_squared(np.ones(4), np.array([0, 0, 1, 1])) == 0.0


# -- views


def blobs(rows: int = 600, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    truth = draws.integers(0, 4, rows)
    return draws.normal(size=(4, 6))[truth] * 3 + draws.normal(size=(rows, 6)), truth


def test_pca_keeps_95_percent_of_the_variance() -> None:
    draws = np.random.default_rng(1)
    x = draws.normal(size=(4000, 3)) * np.sqrt([90.0, 6.0, 4.0])
    assert pca_view(x, variance=0.95).directions.shape == (3, 2)
    assert pca_view(x, variance=0.85).directions.shape == (3, 1)
    assert pca_view(x, variance=1.0).directions.shape == (3, 3)


def test_planted_groups_are_found_and_stable_in_pca(policy: CoreGroupPolicy) -> None:
    x, truth = blobs()
    found = cluster(x, truth.astype(float), policy=policy)
    assert (found.view.name, found.choice.k) == (PCA, 4)
    assert found.refused == "deep_gate.sample of conf/core_group.yml is 0"
    assert found.stable.ari > 0.95
    assert (found.stable.jaccard > 0.9).all()


def test_without_jax_pca_is_taken_and_the_reason_said(policy: CoreGroupPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: object, **options: object) -> None:
        raise PortraitError("the package jax is not installed")

    monkeypatch.setattr(views, "deep_view", absent)
    x, truth = blobs()
    found = cluster(x, truth.astype(float), policy=with_deep(policy))
    assert (found.view.name, found.refused) == (PCA, "the package jax is not installed")


def with_deep(policy: CoreGroupPolicy, **gates: float) -> CoreGroupPolicy:
    gate = {
        "sample": 400,
        "least": 100,
        "seeds": 2,
        "refits": 1,
        "ari_seeds_least": 0.0,
        "ari_refits_least": 0.0,
        **gates,
    }
    return policy.model_copy(update={"deep_gate": policy.deep_gate.model_copy(update=gate)})


@pytest.fixture(scope="module")
def deep(policy: CoreGroupPolicy) -> Clustered:
    pytest.importorskip("jax", reason="the extra `deep` is not installed")
    x, _ = blobs()
    x = overlapping()
    rule = with_deep(policy)
    rows = x[np.arange(len(x)) % rule.held_out != rule.held_out - 1][: rule.deep_gate.sample]
    k = choose_k(pca_view(x, variance=rule.variance).embed(x), search=rule.search).k
    # A value that is what the deep view sees.
    value = np.array([0.0, 5.0, -7.0, 9.0, 2.0])[deep_view(rows, k=k, seed=1, policy=rule.deep).assign(x)]
    return cluster(x, value, policy=rule)


def overlapping() -> np.ndarray:
    draws = np.random.default_rng(8)
    return draws.normal(size=(5, 6))[draws.integers(0, 5, 600)] * 0.8 + draws.normal(size=(600, 6))


def test_the_deep_view_is_taken_where_it_explains_more(deep: Clustered) -> None:
    assert (deep.view.name, deep.refused) == (DEEP, None)
    assert deep.figures["deep_eta_squared"] > deep.figures["pca_eta_squared"]
    assert {"deep_ari_seeds", "deep_ari_refits"} <= set(deep.figures)


def test_the_deep_view_is_refused_where_pca_explains_as_much(policy: CoreGroupPolicy) -> None:
    pytest.importorskip("jax", reason="the extra `deep` is not installed")
    x, _ = blobs()
    strict = with_deep(policy, ari_seeds_least=1.0, ari_refits_least=1.0)
    found = cluster(x, np.zeros(len(x)), policy=strict)
    assert found.view.name == PCA
    assert found.refused is not None
    assert found.refused.endswith("explains 0.0% of the value of customers held out, PCA 0.0%")


# -- the model


def core_model(found: Clustered, raw: dict[str, np.ndarray]) -> CoreModel:
    rule = Cleaning(coverage_least=0.0, winsorise=0.0, clip=9.0, least_features=2)
    cleaner = fit_cleaner(raw, [feature(name, "level") for name in raw], policy=rule)
    k = len(found.view.centres)
    return CoreModel(
        "000001-20251231", date(2025, 12, 31), "abc", cleaner, found.view, found.stable,
        tuple(range(1, k + 1)), tuple(f"Group {n}" for n in range(1, k + 1)), k + 1, found.refused, found.figures,
    )  # fmt: skip


def raw_of(x: np.ndarray) -> dict[str, np.ndarray]:
    return {f"f{place}": np.expm1(x[:, place] - x.min()) for place in range(x.shape[1])}


def test_a_saved_model_scores_batches_as_the_fitted_one_does(deep: Clustered, tmp_path: Path) -> None:
    x = overlapping()
    raw = raw_of(x)
    model = core_model(deep, raw)
    write_core_model(model, tmp_path / "model")
    again = read_core_model(tmp_path / "model")
    assert (again.cleaner.features, again.ids, again.names) == (model.cleaner.features, model.ids, model.names)
    assert (again.fitted_on, again.settings, again.deep_refused) == (model.fitted_on, "abc", None)
    matrix = with_columns(model.cleaner, raw)
    expected = model.view.assign(model.cleaner.apply(matrix))
    reasons = [None] * (len(x) - 1) + ["owns_no_account"]
    batch = pa.RecordBatch.from_pydict(
        {
            "customer_id": pa.array([str(n) for n in range(len(x))]),
            "not_grouped_reason": pa.array(reasons, pa.string()),
            "contribution": pa.array(np.zeros(len(x))),
            "signals": pa.array([[]] * len(x), pa.list_(pa.string())),
            "raw": pa.array(list(matrix), pa.list_(pa.float64())),
        }
    )
    (scored,) = scoring(again.cleaner, again.view)([batch])
    places = scored.column("place").to_pylist()
    assert places[-1] is None
    assert (np.array(places[:-1]) == expected[:-1]).all()
    z = model.view.embed(model.cleaner.apply(matrix))
    gaps = np.sort(np.linalg.norm(z[:, None] - model.view.centres[None], axis=2), axis=1)
    assert scored.column("distance").to_pylist()[:-1] == pytest.approx(gaps[:-1, 0], abs=1e-5)
    assert scored.column("margin").to_pylist()[:-1] == pytest.approx((1 - gaps[:, 0] / gaps[:, 1])[:-1], abs=1e-5)


def test_a_new_model_keeps_the_numbers_of_the_groups_before(policy: CoreGroupPolicy) -> None:
    x, truth = blobs()
    raw = raw_of(x)
    model = core_model(cluster(x, truth.astype(float), policy=policy), raw)
    cleaned = model.cleaner.apply(with_columns(model.cleaner, raw))
    earlier = replace(
        core_model(cluster(cleaned, truth.astype(float), policy=policy), raw), ids=(14, 11, 13, 12), next_id=20
    )
    before = earlier.view.assign(cleaned)
    renamed = np.array([2, 0, 3, 1])[before]  # the same groups under other places
    ids, free = lasting_places(renamed, 4, earlier, raw, least=0.3)
    assert [ids[place] for place in renamed] == [earlier.ids[place] for place in before]
    assert free == 20
    merged, free = lasting_places(np.zeros(len(x), dtype=np.int64), 2, earlier, raw, least=0.9)
    assert (merged, free) == ([20, 21], 22)  # no group is like one before: numbers that none ever had


# -- the rule as an audience


def shipped(conf: Path, *names: str) -> list[Label]:
    return [load_yaml(next((conf / "labels").glob(f"*/{name}.yml")), Label) for name in names]


def test_the_expression_means_what_the_tree_says(conf_dir: Path) -> None:
    labels = shipped(conf_dir, "senior", "branch_customer", "age_band", "channel_count", "pension_share")
    draws = np.random.default_rng(2)
    rows = 900
    band = draws.choice(["18_25", "51_65", "66_and_over"], rows)
    table = pa.table(
        {
            "senior": pa.array([None if draws.random() < 0.1 else b == "66_and_over" for b in band], pa.bool_()),
            "branch_customer": pa.array(
                [None if draws.random() < 0.2 else draws.random() < 0.5 for _ in band], pa.bool_()
            ),
            "age_band": pa.array([None if draws.random() < 0.1 else b for b in band], pa.string()).dictionary_encode(),
            "channel_count": pa.array(
                [None if draws.random() < 0.3 else int(draws.integers(0, 7)) for _ in band], pa.int64()
            ),
            "pension_share": pa.array(
                [None if draws.random() < 0.3 else round(float(draws.random()), 2) for _ in band]
            ).cast(pa.float64()),
        }
    )
    table = table.set_column(
        4,
        "pension_share",
        pa.array([None if v is None else f"{v:.2f}" for v in table["pension_share"].to_pylist()]).cast(
            pa.decimal128(18, 2)
        ),
    )
    matrix, columns = label_matrix(table, labels)
    assert [column.text for column in columns if column.label.id == "age_band"] == list(labels[2].values)
    share, count = matrix[:, -1], matrix[:, -2]
    members = ((share > 0.5) & (matrix[:, 1] > 0) | (count <= 1) & (matrix[:, 0] == 0)).astype(np.int64)
    members[draws.integers(0, rows, 30)] ^= 1
    rule = load_core_group_policy(conf_dir).rule.model_copy(update={"least_share": 0.001})
    found = find_audience(matrix, columns, members, policy=rule)
    assert found.expression is not None
    assert found.fidelity > 0.9
    words = Vocabulary({label.id: label for label in labels}, lambda name: None)
    arrow = {name: table.column(name).combine_chunks() for name in table.column_names}
    said = parse_audience(found.expression, words=words, where="here").evaluate(arrow)
    assert said.null_count == 0  # it is never unknown
    from portrait.capabilities.groups.surrogate import fit_tree, predict

    held_out = np.arange(rows) % rule.held_out == rule.held_out - 1
    least = max(1, int(rule.least_share * (~held_out).sum()))
    tree = fit_tree(matrix[~held_out], members[~held_out], depth=rule.depth, least_rows=least)
    assert said.to_pylist() == (predict(tree, matrix) == 1).tolist()


def test_bounds_become_values_that_labels_have(conf_dir: Path) -> None:
    share, count = (Column(label) for label in shipped(conf_dir, "pension_share", "channel_count"))
    assert expression([(Bound(0, 0.125, None),)], [share]) == "((not pension_share is null and pension_share > 0.12))"
    assert expression([(Bound(0, None, 2.5),)], [count]) == "((channel_count is null or channel_count <= 2))"


def test_only_labels_of_the_themes_are_used(conf_dir: Path, policy: CoreGroupPolicy) -> None:
    labels = shipped(conf_dir, "senior", "value_score", "behaviour_group")
    assert [label.id for label in usable_labels(labels, policy=policy.rule)] == ["senior"]


def test_the_file_of_an_audience_is_an_audience() -> None:
    from portrait.capabilities.audiences.declaration import Audience

    row = {
        "population": "bank",
        "group_name": "Savers",
        "audience": "(senior is true)",
        "rule": "senior",
        "rule_fidelity": 0.93,
    }
    made = Audience(**audience_keys("core_bank", row, day="2025-12-31"))
    assert (made.id, made.where, made.purpose) == ("core_bank", "(senior is true)", "service")


# -- the effect


def test_the_effect_by_hand() -> None:
    arms = {"served": Arm(400, 380, 12.0, 100.0), "control": Arm(100, 90, 10.0, 100.0)}
    effect = effect_of(arms)
    assert effect is not None
    # .95 - .90; variance .95 x .05 / 400 + .9 x .1 / 100; 2.0 with variance 100 / 400 + 100 / 100.
    half = 1.959963984540054 * np.sqrt(0.95 * 0.05 / 400 + 0.9 * 0.1 / 100)
    assert effect.retention == pytest.approx((0.05, 0.05 - half, 0.05 + half))
    assert effect.contribution == pytest.approx(
        (2.0, 2 - 1.959963984540054 * np.sqrt(1.25), 2 + 1.959963984540054 * np.sqrt(1.25))
    )
    assert effect_of({}) is None
    assert effect_of({"served": Arm(9, 9, 0.0, 1.0)}) == Effect(9, 0, None, None)


# -- the policy


def test_value_and_age_never_make_groups(conf_dir: Path) -> None:
    policy, groups = load_core_group_policy(conf_dir), load_group_policy(conf_dir)
    named = {name for item in policy.features_of(groups).features if item.kind == "level" for name in item.of}
    assert not {name for name in named if name.startswith(("balance", "investment", "age"))}
    with pytest.raises(ConfigurationError, match="'deposits' is made of balance_avg_30d"):
        policy.model_copy(update={"without": []}).features_of(groups)


def test_shipped_plans_are_read_and_protect_the_elderly(conf_dir: Path) -> None:
    plans = load_service_plans(conf_dir)
    assert {population.plan for population in load_core_group_policy(conf_dir).populations} <= set(plans)
    elderly = plans["elderly"]
    assert elderly.channels[0].assisted
    assert {"senior_outflow", "senior_alone"} <= set(elderly.signals)


def test_a_plan_that_calls_itself_otherwise_is_refused(conf_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "core_group" / "plans"
    folder.mkdir(parents=True)
    (folder / "other.yml").write_text((conf_dir / "core_group/plans/elderly.yml").read_text())
    with pytest.raises(ConfigurationError, match="calls itself 'elderly'"):
        load_service_plans(tmp_path)
