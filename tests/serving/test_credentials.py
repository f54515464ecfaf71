"""F25: credentials in settings are absent from Spark's UI, its event log, SET, the SQL server and our own messages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tiny_bank import CHECKOUT

CANARY = "canary-7f3a"
# Settings with which banks reach stores, databases and keys; each value is a secret.
SECRETS = [
    "spark.hadoop.fs.s3a.secret.key",
    "spark.hadoop.fs.s3a.access.key",
    "spark.hadoop.fs.s3a.session.token",
    "spark.hadoop.fs.azure.account.key.bank.dfs.core.windows.net",
    "spark.hadoop.fs.azure.account.oauth2.client.secret",
    "spark.hadoop.fs.azure.sas.container.bank.blob.core.windows.net",
    "spark.hadoop.fs.azure.sas.fixed.token.bank",
    "spark.hadoop.fs.gs.auth.service.account.private.key",
    "spark.hadoop.fs.gs.auth.service.account.private.key.id",
    "spark.hadoop.fs.oss.accessKeySecret",
    "spark.hadoop.fs.oss.accessKeyId",
    "spark.hadoop.javax.jdo.option.ConnectionPassword",
    "spark.ssl.keyPassword",
    "spark.ssl.keyStorePassword",
    "spark.bank.database.pwd",
    "spark.bank.database.passwd",
    "spark.bank.key.passphrase",
    "spark.bank.apiKey",
    "spark.bank.api-key",
    "spark.bank.service.credentials",
    "spark.bank.jdbc.url",
    "spark.executorEnv.DATABASE_PASSWORD",
]
CONFIGURATIONS = sorted((CHECKOUT / "conf" / "spark").glob("*.conf"))
SHOW = """
import json, sys, urllib.request
from pathlib import Path
from tests.conftest import TEST_SETTINGS
from tests.serving.test_credentials import CANARY, SECRETS
from portrait.spark.session import start_embedded

secrets = {key: f"{CANARY}-{number}" for number, key in enumerate(SECRETS)}
overrides = {
    **TEST_SETTINGS, **secrets, "spark.ui.enabled": "true", "spark.ui.port": "0", "spark.eventLog.enabled": "true",
    "spark.eventLog.dir": Path(sys.argv[1]).as_uri(), "spark.eventLog.compress": "false",
}
spark = start_embedded(Path("conf"), overrides=overrides)
spark.range(3).count()
shown = {"SET -v": str(spark.sql("set -v").collect()), "SET": str(spark.sql("set").collect())}
base = spark.sparkContext.uiWebUrl
for page in ("/environment/", "/jobs/", f"/api/v1/applications/{spark.sparkContext.applicationId}/environment"):
    with urllib.request.urlopen(base + page) as answer:
        shown[page] = answer.read().decode("utf-8")
assert "spark.bank.apiKey" in shown["/environment/"], "the page shows settings"
spark.stop()
Path(sys.argv[1], "shown.json").write_text(json.dumps(shown), encoding="utf-8")
"""


def pattern(file: Path) -> re.Pattern[str]:
    found = re.findall(r"(?m)^spark\.redaction\.regex +(.*)$", file.read_text(encoding="utf-8"))
    return re.compile(found[0])


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_every_properties_file_hides_what_is_secret(file: Path) -> None:
    hidden = pattern(file)
    assert [key for key in SECRETS if not hidden.search(key)] == []
    shown = ["spark.master", "spark.sql.session.timeZone", "spark.sql.shuffle.partitions", "spark.driver.memory"]
    assert [key for key in shown if hidden.search(key)] == [], "what an operator needs stays readable"


@pytest.mark.process
def test_credentials_are_absent_from_ui_event_log_and_set(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(tmp_path)], cwd=CHECKOUT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert CANARY not in done.stdout + done.stderr
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".crc"]
    assert len(files) >= 2
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        found = re.findall(rf".{{0,80}}{CANARY}-\d+", text)
        assert found == [], (file.name, found[:3])


def test_our_own_errors_do_not_repeat_a_setting(tmp_path: Path) -> None:
    """Values of PORTRAIT_* variables, of a settings file, and of the file of users."""
    portrait = Path(sys.executable).parent / "portrait"
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "base.toml").write_text(f'lease_seconds = "{CANARY}"\n', encoding="utf-8")
    calls = [
        (["status"], {"PORTRAIT_DATABASE_PASSWORD": CANARY}),
        (["status"], {"PORTRAIT_LEASE_SECONDS": CANARY}),
        (["status", "--conf", str(tmp_path / "conf")], {}),
    ]
    (tmp_path / "users").write_text(f"bi:{CANARY}\n", encoding="utf-8")
    for words, variables in calls:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PORTRAIT_")}
        ended = subprocess.run(
            [str(portrait), *words], cwd=CHECKOUT, env=clean | variables, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2, ended.stderr
        assert CANARY not in ended.stdout + ended.stderr
    job = [sys.executable, "jobs/sql_server.py", "--users", str(tmp_path / "users")]
    ended = subprocess.run(
        job, cwd=CHECKOUT, env=os.environ | {"JAVA_HOME": "/nonexistent"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert CANARY not in ended.stdout + ended.stderr


def test_an_open_address_without_users_is_refused_before_spark() -> None:
    job = [sys.executable, "jobs/sql_server.py", "--host", "0.0.0.0"]
    ended = subprocess.run(
        job, cwd=CHECKOUT, env=os.environ | {"JAVA_HOME": "/nonexistent"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "loopback address only" in ended.stderr
