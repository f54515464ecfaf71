"""The same files whatever the locale of the machine: digits in names, letters in text, bytes on disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tiny_bank import CHECKOUT

from portrait.spark.session import java_home, pin_locale

JAVA = str(Path(home) / "bin/java") if (home := java_home()) else "java"
CONFIGURATIONS = sorted((CHECKOUT / "conf" / "spark").glob("*.conf"))
LOCALES = {
    "fa_IR": "-Duser.language=fa -Duser.country=IR",
    "ar_EG": "-Duser.language=ar -Duser.country=EG -Duser.extensions=u-nu-arab -Dfile.encoding=ISO-8859-6",
    "tr_TR": "-Duser.language=tr -Duser.country=TR -Duser.language.format=fa -Duser.country.format=IR",
}
WRITE = """
import sys
from pathlib import Path
from tests.conftest import TEST_SETTINGS
from portrait.spark.session import start_embedded

folder = Path(sys.argv[1])
spark = start_embedded(Path("conf"), overrides=TEST_SETTINGS)
rows = spark.sql(
    "select id, upper('title') up, lower('TITLE') low, initcap('istanbul') cap, format_number(id * 1234.5, 2) num, "
    "format_string('%05d', id) padded, date_format(date'2024-03-01', 'yyyy-MM-dd MMM') day, 'Köln' city, "
    "cast(id as decimal(10, 2)) amount from range(3)"
)
for _ in range(2):
    rows.coalesce(1).write.format("delta").mode("append").partitionBy("id").save(str(folder))
for row in spark.read.format("delta").load(str(folder)).orderBy("id", "padded").collect():
    print(ascii(tuple(row)))
"""


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
@pytest.mark.parametrize("role", ["driver", "executor"])
def test_settings_pin_the_locale_of_java(file: Path, role: str) -> None:
    options = re.findall(rf"(?m)^spark\.{role}\.defaultJavaOptions +(.*)$", file.read_text(encoding="utf-8"))
    if role == "executor" and file.stem != "cluster":
        assert "local[" in file.read_text(encoding="utf-8"), "the driver is the only one"
        return
    for forced in LOCALES.values():
        shown = subprocess.run(
            [JAVA, *options[0].split(), "-XshowSettings:all", "-version"],
            capture_output=True, text=True, check=True, env={**os.environ, "JAVA_TOOL_OPTIONS": forced},
        ).stderr  # fmt: skip
        for kind in ("default locale", "default display locale", "default format locale"):
            assert f"{kind} = English (United States)" in shown or f"{kind} = English\n" in shown, shown[-2000:]
        assert "file.encoding = UTF-8" in shown


def test_java_options_that_come_last_are_pinned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_JAVA_OPTIONS", "-Xss4m " + LOCALES["fa_IR"])
    monkeypatch.setenv("LC_ALL", "tr_TR.ISO-8859-9")
    pin_locale(CHECKOUT / "conf" / "spark" / "local.conf")
    shown = subprocess.run(
        [JAVA, "-XshowSettings:locale", "-version"], capture_output=True, text=True, check=True
    ).stderr
    assert "default format locale = English (United States)" in shown, shown
    assert "-Xss4m" in os.environ["_JAVA_OPTIONS"]


def test_every_text_file_of_ours_is_opened_with_its_encoding() -> None:
    """Where Python would take the encoding of the machine (ruff's PLW1514 follows no chain of calls)."""
    calls = re.compile(r"\.read_text\(\s*\)|\.write_text\((?:(?!encoding=).)*\)$|[ .=(]open\((?:[^()]*)\)")
    found = []
    for file in [file for folder in ("libs", "jobs", "scripts") for file in (CHECKOUT / folder).rglob("*.py")]:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            for call in calls.findall(line):
                named = "encoding=" in call or re.search(r"[\"'][rwax]b[\"']|fdopen|FileCache\.open|def open", line)
                if not named and not line.strip().startswith("#"):
                    found.append(f"{file.relative_to(CHECKOUT)}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.process
def test_a_table_is_the_same_under_every_locale(tmp_path: Path) -> None:
    environments = {"none": {}, "C": {"LC_ALL": "C", "LANG": "C"}}
    environments |= {name: {"JAVA_TOOL_OPTIONS": options} for name, options in LOCALES.items()}
    environments["_JAVA_OPTIONS"] = {"_JAVA_OPTIONS": LOCALES["fa_IR"], "LC_ALL": "tr_TR"}
    printed = {}
    for name, variables in environments.items():
        folder = tmp_path / name
        done = subprocess.run(
            [sys.executable, "-c", WRITE, str(folder)], cwd=CHECKOUT, capture_output=True, timeout=300, check=False,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), **variables},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        printed[name] = done.stdout
        log = sorted(file.name for file in (folder / "_delta_log").glob("*.json"))
        assert log == ["00000000000000000000.json", "00000000000000000001.json"], name
        assert {part.name for part in folder.glob("id=*")} == {"id=0", "id=1", "id=2"}, name
    assert printed["none"].count(b"TITLE") == 6
    assert {name for name, out in printed.items() if out != printed["none"]} == set()
