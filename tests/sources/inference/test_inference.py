"""Proposals for files as they are: format, feed and columns are right, and what is wrong is marked as unsure."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from openpyxl import Workbook
from tests.cli.test_looking import ask
from tests.conftest import CHECKOUT, SHARED_DATA
from tests.sources.inference.ugly import UGLY, Truth, Ugly, written

from portrait.contracts import Catalogue, load_catalogue
from portrait.errors import ConfigurationError, InputRefused
from portrait.mappings.load import load_mapping
from portrait.sources.inference import Knowledge, Proposal, infer, load_knowledge, mapping_text
from portrait.sources.inference.dates import dates_of
from portrait.sources.inference.encoding import detect_encoding
from portrait.sources.inference.layout import Layout
from portrait.sources.inference.numbers import marks_of
from portrait.sources.inference.profile import mask_of
from portrait.sources.inference.sampling import sample_of

LEAST = 0.8  # share of the columns that must be proposed rightly

BERKA: dict[str, tuple[str, Truth]] = {
    "account.asc": ("accounts", {"account_id": "account_id", "opened_on": "date", "branch_id": "district_id"}),
    "card.asc": ("cards", {"card_id": "card_id", "type": "type", "issued_on": "issued"}),
    "client.asc": ("customers", {"customer_id": "client_id", "birth_date": "birth_number", "gender": "birth_number",
                                 "region_id": "district_id"}),
    "disp.asc": ("account_parties", {"account_id": "account_id", "party_id": "client_id", "role": "type"}),
    "district.asc": ("regions", {"region_id": "A1", "name": "A2", "urban_share": "A10", "population": "A4",
                                 "average_salary": "A11", "unemployment": "A12"}),
    "loan.asc": ("loans", {"loan_id": "loan_id", "account_id": "account_id", "granted_on": "date", "amount": "amount",
                           "months": "duration", "instalment": "payments", "status": "status"}),
    "order.asc": ("standing_orders", {"order_id": "order_id", "account_id": "account_id", "amount": "amount",
                                      "counterparty_bank": "bank_to", "counterparty_account": "account_to",
                                      "purpose": "k_symbol"}),
    "trans_bankwide_19930101_19940331.csv": ("transactions", {
        "transaction_id": "trans_id", "account_id": "account_id", "booked_at": "date", "amount": "amount",
        "direction": "type", "balance_after": "balance", "type": "operation", "channel": "operation",
        "category": "k_symbol", "counterparty_bank": "bank", "counterparty_account": "account"}),
}  # fmt: skip
"""What each column of the PKDD'99 files is, by the description of the challenge."""


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge(CHECKOUT / "conf")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CHECKOUT / "schemas", standard=False)


Proposed = dict[str, dict[str, Proposal]]
"""File to feed to proposal."""


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue, knowledge: Knowledge) -> Proposed:
    found: Proposed = {}
    for ugly, path in written(tmp_path_factory.mktemp("ugly")):
        found[ugly.name] = {proposal.feed: proposal for proposal in infer([path], catalogue, knowledge)}
    return found


def judged(proposal: Proposal | None, truth: Truth) -> tuple[int, list[str]]:
    """How many columns are right, and which are wrong and not marked as unsure."""
    right, wrong = 0, []
    for target, source in truth.items():
        item = proposal.columns.get(target) if proposal is not None else None
        if item is not None and set(item.sources) == ({source} if isinstance(source, str) else set(source)):
            right += 1
        elif item is not None and item.level != "unsure":
            wrong.append(f"{target}: {item.text} instead of {source}")
    return right, wrong


@pytest.mark.parametrize("ugly", UGLY, ids=lambda ugly: ugly.name)
def test_ugly_file(ugly: Ugly, proposed: Proposed):
    proposals = proposed[ugly.name]
    assert list(proposals) == list(ugly.truths)  # the most plausible feed first, and no others
    first = next(iter(proposals.values()))
    assert {name: getattr(first.layout, name) for name in ugly.layout} == ugly.layout
    results = [judged(proposals[feed], truth) for feed, truth in ugly.truths.items()]
    assert [wrong for _, wrong in results if wrong] == []
    least = LEAST if first.layout.names == () and first.layout.type != "fixed_width" else 0.5  # no names to go by
    assert sum(right for right, _ in results) >= least * sum(map(len, ugly.truths.values()))


def test_ugly_files_altogether(proposed: Proposed):
    truths = [(proposed[ugly.name].get(feed), truth) for ugly in UGLY for feed, truth in ugly.truths.items()]
    assert sum(judged(*each)[0] for each in truths) >= 0.95 * sum(len(truth) for _, truth in truths)


@pytest.mark.skipif(not (SHARED_DATA / "berka").is_dir(), reason="the PKDD'99 files are not here")
def test_pkdd99(catalogue: Catalogue, knowledge: Knowledge):
    proposals = infer([SHARED_DATA / "berka" / name for name in BERKA], catalogue, knowledge)
    assert {item.path.name: item.feed for item in proposals} == {name: feed for name, (feed, _) in BERKA.items()}
    results = {item.path.name: judged(item, BERKA[item.path.name][1]) for item in proposals}
    assert {name: wrong for name, (_, wrong) in results.items() if wrong} == {}
    columns = sum(len(truth) for _, truth in BERKA.values())
    assert sum(right for right, _ in results.values()) >= LEAST * columns

    by_feed = {item.feed: item for item in proposals}
    assert by_feed["transactions"].columns["type"].spec["map"] == {
        "VYBER": "cash_withdrawal", "VKLAD": "cash_deposit", "PREVOD NA UCET": "transfer_out",
        "PREVOD Z UCTU": "transfer_in", "VYBER KARTOU": "card_withdrawal",
    }  # fmt: skip
    # The card's account and holder are in another file: that is said, and nothing is made up.
    assert {"account_id", "customer_id"} <= set(by_feed["cards"].missing)
    assert by_feed["cards"].notes[0].startswith("'disp_id' is the key of disp.asc, which has client_id, account_id")


@pytest.mark.skipif(not (SHARED_DATA / "online_retail").is_dir(), reason="the Online Retail file is not here")
def test_online_retail(catalogue: Catalogue, knowledge: Knowledge):
    path = SHARED_DATA / "online_retail" / "online_retail.csv.gz"
    proposals = {item.feed: item for item in infer([path], catalogue, knowledge)}
    assert next(iter(proposals)) == "transactions"
    assert set(proposals) == {"transactions", "customers", "products"}
    truths: dict[str, Truth] = {
        "transactions": {
            "transaction_id": "InvoiceNo", "account_id": "CustomerID", "booked_at": "InvoiceDate",
            "note": "Description", "amount": ("Quantity", "UnitPrice"), "direction": ("Quantity", "UnitPrice"),
        },
        "customers": {"customer_id": "CustomerID", "region_id": "Country"},
        "products": {"product_id": "StockCode", "name": "Description"},
    }  # fmt: skip
    results = [judged(proposals[feed], truth) for feed, truth in truths.items()]
    assert [wrong for _, wrong in results if wrong] == []
    assert sum(right for right, _ in results) >= LEAST * sum(map(len, truths.values()))
    # An invoice has many lines: its number is no key, and that is said.
    key = proposals["transactions"].columns["transaction_id"]
    assert key.level == "unsure"
    assert key.spec == {"expression": "concat(InvoiceNo, '-', line_number)"}
    assert proposals["customers"].first_of == ("CustomerID",)
    assert proposals["customers"].where == "CustomerID is not null"
    assert proposals["transactions"].columns["account_id"].spec == {"expression": "split_part(CustomerID, '.', 1)"}


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the public files are not here")
def test_of_files_that_are_no_feed_nothing_is_sure(catalogue: Catalogue, knowledge: Knowledge):
    folders = ("cdnow", "dea", "german_credit", "hillstrom", "latent_classes", "pendigits")
    paths = [path for name in folders for path in sorted((SHARED_DATA / name).rglob("*")) if path.is_file()]
    sure: dict[str, list[str]] = {}
    for path in paths:
        with contextlib.suppress(InputRefused):  # like no feed at all, or no text
            for proposal in infer([path], catalogue, knowledge):
                firm = [item.target for item in proposal.columns.values() if item.level != "unsure"]
                sure[f"{path.name} as {proposal.feed}"] = firm
    assert sure
    assert {name: firm for name, firm in sure.items() if firm} == {}


def test_a_name_by_hand_wins_over_the_name_of_the_file(tmp_path: Path, catalogue: Catalogue, knowledge: Knowledge):
    path = tmp_path / "customers.csv"
    path.write_text("account_no;open_date\n" + "".join(f"{n};2024-01-{n:02d}\n" for n in range(1, 29)))
    assert [item.feed for item in infer([path], catalogue, knowledge, feed="accounts")] == ["accounts"]


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Příjem;Žižkov;Dvořák", "cp1250", "windows-1250"),
        ("Příjem;Žižkov;Dvořák", "iso8859_2", "iso-8859-2"),
        ("Příjem;Žižkov;Dvořák", "cp852", "ibm852"),
        ("Zażółć gęślą jaźń;Łódź", "cp1250", "windows-1250"),
        ("Kovács Győző;Székesfehérvár;árvíztűrő", "cp1250", "windows-1250"),
        ("Müller;Straße;Überweisung", "cp1252", "windows-1252"),
        ("Prélèvement;Société Générale;reçu", "cp1252", "windows-1252"),
        ("Иванов;Москва;Перевод", "cp1251", "windows-1251"),
        ("Иванов;Москва;Перевод", "koi8_r", "koi8-r"),
        ("Παπαδόπουλος;Αθήνα", "cp1253", "windows-1253"),
        ("Příjem;Žižkov", "utf-8", "UTF-8"),
        ("Příjem;Žižkov", "utf-8-sig", "UTF-8"),
        ("Přijato;100", "utf-16", "UTF-16"),
        ("Received;100;each", "utf-16-le", "UTF-16LE"),
    ],
)
def test_encoding_of_a_few_words(text: str, encoding: str, expected: str, knowledge: Knowledge):
    assert detect_encoding(text.encode(encoding), knowledge.encodings)[0] == expected


def test_text_that_is_cut_within_a_letter_is_still_utf8(knowledge: Knowledge):
    assert detect_encoding("Dvořák".encode()[:-2], knowledge.encodings)[0] == "UTF-8"


@pytest.mark.parametrize(
    ("values", "pattern", "rivals"),
    [
        (["31.12.2023", "01.02.2024"], "dd.MM.yyyy", ()),
        (["1.2.2024", "31.12.2023"], "d.M.yyyy", ()),
        (["13/02/2024", "01/12/2024"], "dd/MM/yyyy", ()),
        (["02/13/2024", "12/01/2024"], "MM/dd/yyyy", ()),
        (["20240131", "20231231"], "yyyyMMdd", ()),
        (["31122023", "01022024"], "ddMMyyyy", ()),
        (["930101", "941231"], "yyMMdd", ()),
        (["2024-01-31T10:15:00Z", "2024-02-01T00:00:00Z"], "yyyy-MM-dd'T'HH:mm:ssXXX", ()),
        (["31-Jan-2024", "01-Feb-2024"], "dd-MMM-yyyy", ()),
        (["2024-01-31", "9999-12-31"], "yyyy-MM-dd", ()),
    ],
)
def test_pattern_of_dates(values: list[str], pattern: str, rivals: tuple[str, ...]):
    found = dates_of(values, least=0.98)
    assert found is not None
    assert (found[0].pattern, found[0].rivals) == (pattern, rivals)


def test_days_that_could_be_months_are_in_doubt():
    found = dates_of(["01/02/2024", "03/04/2024"], least=0.98)
    assert found is not None
    assert {found[0].pattern, *found[0].rivals} == {"dd/MM/yyyy", "MM/dd/yyyy"}


@pytest.mark.parametrize("values", [["706213", "450204", "406009"], ["12", "13"], ["1.5", "2.25"], ["abc"], []])
def test_what_is_no_date(values: list[str]):
    assert dates_of(values, least=0.98) is None


@pytest.mark.parametrize(
    ("values", "decimal", "thousands"),
    [
        (["1.234,50", "-7,00"], ",", "."),
        (["1,234.50", "7.00"], ".", ","),
        (["1 234,50", "7,00"], ",", " "),
        (["1\u00a0234,50", "7,00"], ",", "\u00a0"),
        (["1'234.50", "7.00"], ".", "'"),
        (["1234.5", "7"], ".", ""),
        (["1234,5", "7"], ",", ""),
        (["100.25-", "7.00"], ".", ""),
        (["12", "13"], ".", ""),
        (["2024-01-31", "abc"], ".", ""),
    ],
)
def test_marks_of_numbers(values: list[str], decimal: str, thousands: str):
    marks = marks_of({"amount": values}, least=0.98)
    assert (marks.decimal, marks.thousands, marks.doubt) == (decimal, thousands, None)


def test_a_thousand_or_one_and_a_bit_is_in_doubt():
    assert marks_of({"amount": ["1.234", "7.500"]}, least=0.98).doubt is not None


def layout_of(path: Path, content: str, knowledge: Knowledge) -> Layout:
    path.write_text(content, encoding="utf-8")
    return sample_of(path, knowledge).layout


def test_banner_header_and_trailer(tmp_path: Path, knowledge: Knowledge):
    rows = "".join(f"{n};{n}.1.2024;{n},50\n" for n in range(1, 31))
    layout = layout_of(
        tmp_path / "a.csv", "Export of 31.1.2024\n\nid;datum;castka\n" + rows + "T;30;sum 477,50\n", knowledge
    )
    assert (layout.skip_lines, layout.header, layout.decimal) == (2, True, ",")
    assert layout.trailer == r"T;(?P<records>\d+);sum [\d., ]+"


def test_trailer_that_counts_otherwise_is_in_doubt(tmp_path: Path, knowledge: Knowledge):
    rows = "".join(f"{n};{n}.1.2024\n" for n in range(1, 31))
    layout = layout_of(tmp_path / "a.csv", "id;datum\n" + rows + "T;999\n", knowledge)
    assert any("does not say how many" in doubt for doubt in layout.doubts)


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ",", "~"])
def test_delimiter_beside_texts_with_commas(delimiter: str, tmp_path: Path, knowledge: Knowledge):
    rows = "".join(f'{n}{delimiter}"Novak, Jan; jr. | x"{delimiter}{n},5{delimiter}x\n' for n in range(40) if n)
    if delimiter == ",":
        rows = rows.replace(",5,", ".5,")
    layout = layout_of(tmp_path / "a.csv", delimiter.join(["id", "name", "amount", "kind"]) + "\n" + rows, knowledge)
    assert (layout.delimiter, layout.quote, layout.header) == (delimiter, '"', True)


def test_no_header(tmp_path: Path, knowledge: Knowledge):
    rows = "".join(f"{n};2024-01-{n:02d};Novak\n" for n in range(1, 31))
    layout = layout_of(tmp_path / "a.csv", rows, knowledge)
    assert (layout.header, layout.names) == (False, ("column_1", "column_2", "column_3"))


def test_fixed_width_with_blanks_and_a_header(tmp_path: Path, knowledge: Knowledge):
    rows = "".join(
        f"{n:>6}  2024-01-{n:02d}  {'Praha' if n % 2 else 'Usti nad Labem':<15}{n * 37.5:>10.2f}\n"
        for n in range(1, 31)
    )
    layout = layout_of(tmp_path / "a.txt", "    ID  BOOKED      TOWN               AMOUNT\n" + rows, knowledge)
    assert layout.type == "fixed_width"
    assert [(field.name, field.end) for field in layout.fields][-1] == ("AMOUNT", 45)
    assert [field.name for field in layout.fields] == ["ID", "BOOKED", "TOWN", "AMOUNT"]


def test_parquet(tmp_path: Path, catalogue: Catalogue, knowledge: Knowledge):
    path = tmp_path / "accounts_20240331.parquet"
    table = pa.table({"AcctNo": [f"A{n:03d}" for n in range(50)], "Ccy": ["EUR", "CZK"] * 25})
    pq.write_table(table, path)
    (proposal,) = infer([path], catalogue, knowledge)
    assert (proposal.feed, proposal.layout.type, proposal.files) == ("accounts", "parquet", "accounts_*.parquet")
    assert {name: item.sources for name, item in proposal.columns.items()} == {
        "account_id": ("AcctNo",), "currency": ("Ccy",)
    }  # fmt: skip
    # The day in the name makes it a full copy of that day.
    assert proposal.delivery == "snapshot"
    assert proposal.snapshot == {"date": {"file_name": r"(\d{8})", "format": "yyyyMMdd"}}


def test_objects_within_objects(tmp_path: Path, catalogue: Catalogue, knowledge: Knowledge):
    path = tmp_path / "customers.jsonl"
    people = [
        {"id": f"C{n}", "person": {"dob": f"19{n:02d}-05-01", "sex": "FM"[n % 2]}, "tags": ["x"]} for n in range(30, 99)
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in people))
    (proposal,) = infer([path], catalogue, knowledge)
    assert proposal.columns["birth_date"].spec["column"] == "person.dob"
    assert proposal.columns["gender"].sources == ("person.sex",)
    assert proposal.layout.doubts == ("'tags' is a list: a mapping reads single values only",)


def test_a_workbook_is_read_as_its_rows_are(tmp_path: Path, catalogue: Catalogue, knowledge: Knowledge):
    header = ["client no", "date of birth", "sex", "town"]
    people = [[f"K{n:05d}", f"19{n:02d}-05-01", "FM"[n % 2], "Praha"] for n in range(30, 99)]
    (tmp_path / "clients.csv").write_text("".join(",".join(row) + "\n" for row in [header, *people]))
    workbook = Workbook()
    workbook.active.title = "People"
    for row in [header, *([*row[:1], date.fromisoformat(row[1]), *row[2:]] for row in people)]:
        workbook.active.append(row)
    workbook.create_sheet("Notes").append(["read me"])
    workbook.save(tmp_path / "clients.xlsx")
    of_text, of_sheet = infer([tmp_path / "clients.csv", tmp_path / "clients.xlsx"], catalogue, knowledge)
    assert of_sheet.layout.type == "xlsx"
    assert (of_sheet.layout.sheet, of_sheet.layout.doubts) == ("People", ("only the sheet 'People' of 2 was read",))
    assert of_sheet.feed == of_text.feed == "customers"
    assert of_sheet.columns["customer_id"].sources == ("client no",)
    assert {name: item.sources for name, item in of_sheet.columns.items()} == {
        name: item.sources for name, item in of_text.columns.items()
    }


def bomb() -> bytes:
    """A workbook with a part that unpacks to a thousand times its size."""
    made = io.BytesIO()
    Workbook().save(made)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/media/zeros", b"\0" * 40_000_000)
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"\n\n", "empty"),
        ("a.csv.gz", b"not gzip", "cannot be read"),
        ("a.parquet", b"not Parquet", "no Parquet file"),
        ("a.xlsx", b"PK", "no .xlsx workbook"),
        ("a.xlsx", bomb(), "maxUnpackRatio"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "spreadsheets of this kind"),
        ("a.csv", b"x;y\n1;2\n3;4\n", "like no feed"),
    ],
)
def test_bad_file(name: str, content: bytes, message: str, tmp_path: Path, catalogue: Catalogue, knowledge: Knowledge):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputRefused, match=message) as caught:
        infer([path], catalogue, knowledge)
    assert str(path) in caught.value.where
    assert caught.value.remedy


def test_absent_file_and_feed(tmp_path: Path, catalogue: Catalogue, knowledge: Knowledge):
    with pytest.raises(InputRefused, match="No such file"):
        infer([tmp_path / "a.csv"], catalogue, knowledge)
    with pytest.raises(ConfigurationError, match="no feed 'bookings'"):
        infer([], catalogue, knowledge, feed="bookings")


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        ("sure: 0.78", "sure: 0.5", "levels", "unsure < likely < sure"),
        ("  windows-1250:", "  window-1250:", "encodings", "there is no encoding 'window-1250'"),
        ("transactions.currency: '[A-Z]{3}'", "transactions.currency: '[A-Z{3}'", "looks", "no regular expression"),
    ],
)
def test_mistake_in_the_words(before: str, after: str, line: str, message: str, tmp_path: Path):
    text = (CHECKOUT / "conf" / "inference.yml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "inference.yml").write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_knowledge(tmp_path)
    number = next(n for n, words in enumerate(text.splitlines(), 1) if words.startswith(f"{line}:"))
    assert caught.value.where == f"{tmp_path / 'inference.yml'}:{number}"


def test_the_mapping_is_yaml_and_tells_no_values_but_codes(proposed: Proposed, catalogue: Catalogue):
    (proposal,) = proposed["klienci.txt"].values()
    text = mapping_text(proposal, catalogue)
    tree = yaml.safe_load(text)
    assert tree["format"] == {
        "type": "csv", "delimiter": "|", "encoding": "windows-1250", "decimal": ",", "thousands": " "
    }  # fmt: skip
    assert tree["columns"]["birth_date"] == {"column": "Data urodzenia", "format": "d.M.yyyy"}
    assert tree["columns"]["gender"] == {"column": "Płeć", "map": {"K": "F", "M": "M"}, "otherwise": "quarantine"}
    assert "TODO changed_at" in text
    for told in ("Wiśniewski", "Żaneta", "+48", "K10"):  # nothing of a customer
        assert told not in text
    assert mask_of("Wiśniewski 12") == "A+ 99"


# What a person would write into the holes: constants, wherever nothing in the file says it.
HOLES = {
    "changed_at": "{constant: '2024-01-31 00:00:00'}", "currency": "{constant: EUR}", "kind": "{constant: loan}",
    "party_kind": "{constant: person}",
    "type": "{constant: card_payment}", "amount": "{constant: '1'}", "direction": "{constant: debit}",
    "votes": "{constant: '0'}", "transaction_id": "{expression: \"concat(Date, '-', Member_number)\"}",
}  # fmt: skip


@pytest.mark.parametrize("ugly", UGLY, ids=lambda ugly: ugly.name)
def test_proposal_is_a_mapping_once_its_holes_are_filled(
    ugly: Ugly, proposed: Proposed, tmp_path: Path, catalogue: Catalogue
):
    for proposal in proposed[ugly.name].values():
        text = mapping_text(proposal, catalogue)
        for name in proposal.missing:
            assert f"  # TODO {name}: " in text
            text = text.replace(f"  # TODO {name}: ", f"  {name}: {HOLES[name]}  # ")
        file = tmp_path / "core" / f"{proposal.name}.yml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            text.replace(": TODO", ": owner" if proposal.feed == "account_parties" else ": C"), encoding="utf-8"
        )
        mapping = load_mapping(file, catalogue)
        assert mapping.claims(ugly.name)
        assert set(mapping.spec.columns) == {*proposal.columns, *proposal.missing}


def test_hole_is_refused_with_its_line(tmp_path: Path, catalogue: Catalogue, knowledge: Knowledge):
    path = tmp_path / "umsaetze.csv"
    path.write_text("id;konto;datum;betrag;art\n" + "".join(f"{n};{n};1.2.2024;{n},5;Q{n % 3}\n" for n in range(1, 99)))
    (proposal,) = infer([path], catalogue, knowledge, feed="transactions")
    (tmp_path / "core").mkdir()
    file = tmp_path / "core" / "umsaetze.yml"
    file.write_text(mapping_text(proposal, catalogue), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="required column type") as caught:
        load_mapping(file, catalogue)
    assert str(file) in caught.value.where
    file.write_text(file.read_text().replace("columns:", "columns:\n  type: {constant: fee}"))
    with pytest.raises(ConfigurationError, match="TODO") as caught:
        load_mapping(file, catalogue)
    assert "columns.direction" in str(caught.value)


def test_command_writes_mappings_once_and_needs_no_spark(tmp_path: Path):
    for folder in ("conf", "schemas"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder)
    for ugly in UGLY[:2]:
        with gzip.open(tmp_path / f"{ugly.name}.gz", "wb") as file:
            file.write(ugly.content())
    files = [f"{ugly.name}.gz" for ugly in UGLY[:2]]
    told = ask(
        [
            ["source", "infer", *files, "--format", "json"],
            ["source", "infer", *files, "--source", "core"],
            ["source", "infer", *files, "--source", "core"],
            ["source", "infer", *files, "--source", "transactions"],
            ["source", "infer", *files, "--source", "../core"],
            ["source", "list", "--format", "csv"],
        ],
        cwd=tmp_path,
    )
    assert set(told["heavy"]) <= {"scipy"}
    (code, out, _), (wrote, shown, _), *refused = told["answers"]
    assert (code, wrote) == (0, 0)
    amount = next(row for row in json.loads(out) if (row["file"], row["column"]) == (files[0], "amount"))
    assert (amount["from"], amount["level"]) == ("Betrag", "sure")
    assert "TODO      changed_at" in shown
    mappings = sorted((tmp_path / "conf" / "sources" / "core").iterdir())
    assert [path.name for path in mappings] == ["klienci.yml", "umsatz.yml"]
    assert yaml.safe_load(mappings[1].read_text(encoding="utf-8"))["files"] == "umsatz_*.csv"
    assert [(code, error.splitlines()[0].removeprefix("error: ")) for code, _, error in refused] == [
        (2, "a mapping is there already"),
        (2, "a feed is called 'transactions'"),
        (2, "'../core' is no name of a source"),
        (2, "'columns': the required column changed_at of the feed customers is missing"),
    ]
