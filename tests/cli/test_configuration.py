"""Every file of conf/ is checked before Spark starts, and parsed once however often a run asks for it."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from portrait import settings
from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError
from portrait.run.suite import DECLARATIONS, declarations, load_suite, policies

CHECKOUT = Path(__file__).resolve().parents[2]
SCHEMAS = CHECKOUT / "schemas"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    shutil.copytree(CHECKOUT / "conf", tmp_path / "conf")
    return tmp_path / "conf"


def refusal(conf: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refused:
        load_suite(conf, SCHEMAS)
    assert refused.value.exit_code == 2
    assert refused.value.remedy
    return refused.value


def line(file: Path, text: str) -> int:
    return next(number for number, row in enumerate(file.read_text().splitlines(), 1) if text in row)


@pytest.mark.parametrize(
    ("file", "right", "wrong", "message"),
    [
        ("groups.yml", "scaling: z", "scaling: y", "'scaling'"),
        ("groups.yml", "  seeds:", "  seed:", "'search.seed'"),
        ("offers.yml", "like: 120", "like: 90", "'like'"),
        ("reconciliation.yml", "tolerance:", "tolerances:", "'tolerances'"),
        ("trust.yml", "reference:", "referenze:", "'referenze'"),
        ("superset.yml", "  gold.segments:", "  gold.segment:", "there is no table 'gold.segment'"),
        ("superset.yml", "certified_by:", "certified:", "'certified'"),
        ("marketing.yml", "risk_level: true", "risk_level: perhaps", "'columns.risk_level'"),
        ("marketing.yml", "  responses: true", "  rumours: true", "there is no feed 'rumours'"),
        ("exports.yml", "feed: feedback", "feed: transactions", "not said whether the bank delivers 'transactions'"),
        ("exports.yml", "minimum_customers: 25", "minimum_customers: 0", "'minimum_customers'"),
        ("tiers.yml", "upgrade: next_month", "upgrade: sometimes", "policies.policy_a.upgrade"),
        ("score.yml", "weights: ahp_and_entropy", "weights: by_feeling", "rfm.weights"),
        ("features/loans.yml", "source: loans", "source: debts", "source"),
        ("labels/income/windfall.yml", "owner:", "owned_by:", "'owned_by'"),
        ("audiences/leaving.yml", "purpose:", "purposes:", "'purposes'"),
        ("cluster.toml", "# A run on a cluster", "leese = 3 # A run on a cluster", "setting 'leese'"),
        ("trust.yml", "reference:", "reference: ]", "not valid YAML"),
        ("groups.yml", "scaling: z", "scaling: z\nscaling: z", "the key 'scaling' is there twice"),
    ],
)
def test_a_mistake_in_any_file_is_named_with_file_and_line(
    conf: Path, file: str, right: str, wrong: str, message: str
) -> None:
    path = conf / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    refused = refusal(conf)
    assert message in refused.message
    if "there is no table" not in message:
        number = int(refused.where.removeprefix(f"{path}:").split()[0])
        assert abs(number - line(path, wrong.splitlines()[-1].strip())) <= 1, refused.where


# Without conf/population.yml everybody with a relationship to the bank is a customer.
@pytest.mark.parametrize("file", sorted(set(policies()) - {"population.yml", "vocabulary.yml"}))
def test_a_file_that_is_missing_is_named(conf: Path, file: str) -> None:
    (conf / file).unlink()
    assert refusal(conf).where == str(conf / file)


def test_a_file_that_is_not_utf8_is_named(conf: Path) -> None:
    (conf / "groups.yml").write_bytes(b"# caf\xc3\xa9\n# caf\xe9\n")
    assert refusal(conf).where == f"{conf / 'groups.yml'}:2"


@pytest.mark.parametrize(
    "file", ["tier.yml", "value.yaml", "labels/stray.yml", "audiences/old/leaving.yml", "spark/local.cnf", "notes.txt"]
)
def test_a_file_that_nothing_reads_is_named(conf: Path, file: str) -> None:
    (conf / file).parent.mkdir(exist_ok=True)
    (conf / file).write_text("x: 1\n")
    refused = refusal(conf)
    assert (refused.message, refused.where) == ("nothing reads this file", str(conf / file))


def test_what_editors_leave_behind_is_no_mistake(conf: Path) -> None:
    for name in (".tiers.yml.swp", "tiers.yml~", "labels/.DS_Store"):
        (conf / name).write_text("x")
    load_suite(conf, SCHEMAS)


def test_every_file_that_a_job_reads_is_checked() -> None:
    named = {item for contract in load_catalogue(SCHEMAS) for item in contract.custom("config", [])}
    folders = {pattern.split("/")[0] for pattern in (*DECLARATIONS, *declarations())}
    assert named <= {*policies(), *folders}


def test_a_file_is_parsed_once_however_often_it_is_asked_for(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: Counter[Path] = Counter()
    once = settings._parsed

    def counted(path: Path, content: bytes) -> settings._Document:
        parsed[path] += 1
        return once(path, content)

    monkeypatch.setattr(settings, "_parsed", counted)
    monkeypatch.setattr(settings, "_documents", {})
    catalogue = load_suite(conf, SCHEMAS)
    # What the command line, the runner and the jobs of a run ask for again.
    from tests.runner.mini_suite import DAY

    from portrait.capabilities.audiences.declaration import load_audiences
    from portrait.features import load_features
    from portrait.labels import load_labels
    from portrait.labels.readers import readers_of
    from portrait.run.staleness import fixed_slices

    load_suite(conf, SCHEMAS)
    for load in policies().values():
        assert load(conf) == load(conf)
    load_features(conf)
    load_audiences(conf, load_labels(conf, catalogue), catalogue)
    readers_of(conf, catalogue)
    fixed_slices(conf, DAY)
    assert set(parsed.values()) == {1}
    files = {path for folder in (conf, SCHEMAS) for path in folder.rglob("*.yml")}
    assert set(parsed) == files
    # A file that was changed is parsed again, in the same process.
    file = conf / "reconciliation.yml"
    before = policies()["reconciliation.yml"](conf)
    file.write_text(file.read_text().replace('"0.00"', '"1.00"'))
    assert policies()["reconciliation.yml"](conf) != before
    assert parsed[file] == 2
