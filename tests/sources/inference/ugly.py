"""Files as banks and shops write them, with what each column truly is: written by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

Truth = dict[str, str | tuple[str, ...]]
"""Column of the feed to the column of the file, or to all of them that it is made of."""


@dataclass(frozen=True)
class Ugly:
    """A file: its name, how it is written, the feeds it is, and what is true of its format."""

    name: str
    content: Callable[[], bytes]
    truths: dict[str, Truth]
    layout: dict[str, object]


def _days(rng: random.Random, first: date, count: int, within: int) -> list[date]:
    return [first + timedelta(days=rng.randrange(within)) for _ in range(count)]


def german_postings() -> bytes:
    """Excel: sep=;, a banner, Windows-1252, decimal commas, Soll and Haben, a trailer with the number of records."""
    rng = random.Random(1)
    texts = ["Überweisung", "Lastschrift", "Gutschrift", "Kartenzahlung", "Bargeldauszahlung", "Gehalt"]
    lines = ["Umsatzliste Größe Bank;;;;;;;;;;", "Buchungsnr;Kontonr;Buchungsdatum;Valuta;Betrag;Währung;Soll/Haben;Saldo;"
             "Buchungstext;Verwendungszweck;Gegenkonto"]  # fmt: skip
    for number, day in enumerate(sorted(_days(rng, date(2024, 1, 1), 400, 90))):
        text = rng.choice(texts)
        way = "H" if text in ("Gutschrift", "Gehalt") else "S"
        amount, balance = rng.randrange(100, 900_000), rng.randrange(-90_000, 4_000_000)
        lines.append(
            f"{70_000 + number * 7};DE{rng.randrange(10, 60):02d}5001;{day:%d.%m.%Y};{day:%d.%m.%Y};{_comma(amount)};EUR;{way};"
            f"{_comma(balance)};{text};Rechnung Nr. {rng.randrange(9000)} Müller & Söhne;DE{rng.randrange(10**18, 10**19)}"
        )
    lines.append(f"Anzahl;{400};;;;;;;;;")
    return ("sep=;\r\n" + "\r\n".join(lines) + "\r\n").encode("cp1252")


def _comma(cents: int) -> str:
    sign, cents = ("-" if cents < 0 else ""), abs(cents)
    return f"{sign}{cents // 100:,}".replace(",", ".") + f",{cents % 100:02d}"


def polish_customers() -> bytes:
    """Windows-1250, pipes, every value in quotes, dates day first without leading zeros."""
    rng = random.Random(2)
    women, men = ["Żaneta", "Małgorzata", "Łucja", "Agnieszka"], ["Paweł", "Stanisław", "Grzegorz", "Józef"]
    names = ["Wiśniewski", "Dąbrowski", "Kozłowski", "Zieliński", "Woźniak"]
    lines = ["Nr klienta|Imię|Nazwisko|Data urodzenia|Płeć|Kod pocztowy|Telefon|Stan cywilny|Dzieci|Dochód|Oddział"]
    for number in range(300):
        woman = rng.random() < 0.5
        born = date(1940, 1, 1) + timedelta(days=rng.randrange(23_000))
        lines.append(
            f'"K{10_000 + number}"|"{rng.choice(women if woman else men)}"|"{rng.choice(names)}"|'
            f'"{born.day}.{born.month}.{born.year}"|"{"K" if woman else "M"}"|'
            f'"{rng.randrange(10, 99)}-{rng.randrange(100, 999)}"|"+48 {rng.randrange(500, 800)} {rng.randrange(100, 999)} '
            f'{rng.randrange(100, 999)}"|"{rng.choice(["wolny", "zamężna", "żonaty"])}"|"{rng.randrange(4)}"|'
            f'"{_space(rng.randrange(300_000, 2_000_000))}"|"{rng.choice(["WAW01", "KRK02", "GDN03"])}"'
        )
    return ("\n".join(lines) + "\n").encode("cp1250")


def _space(cents: int) -> str:
    return f"{cents // 100:,}".replace(",", " ") + f",{cents % 100:02d}"


def core_accounts() -> bytes:
    """A core-banking export: abbreviations, yyyyMMdd, 99991231 for open, rates in percent, balances with trailing minus."""
    rng = random.Random(3)
    lines = ["ACCT_NO,CUST_NO,PROD_TYPE,OPEN_DT,CLOSE_DT,CCY,BR_CODE,INT_RATE,LEDGER_BAL"]
    for number in range(350):
        opened = date(2001, 1, 1) + timedelta(days=rng.randrange(8000))
        closed = "99991231" if rng.random() < 0.9 else f"{opened + timedelta(days=400):%Y%m%d}"
        balance = rng.randrange(0, 9_000_000) / 100
        lines.append(
            f"{400_000_123 + number * 13},{5_000_000 + number // 2},{rng.choice(['SAVINGS', 'CURRENT', 'FIXED', 'LOAN'])},"
            f"{opened:%Y%m%d},{closed},{rng.choice(['INR', 'INR', 'USD'])},{rng.randrange(12):04d},"
            f"{rng.choice(['3.5', '4.25', '7.1'])},{balance:.2f}{'-' if rng.random() < 0.1 else ''}"
        )
    return ("\n".join(lines) + "\n").encode()


def mainframe_postings() -> bytes:
    """Fixed width without blanks and names: id 9, account 10, date 8, D or C, type 3, amount 12 with zeros, text."""
    rng = random.Random(4)
    lines = []
    for number, day in enumerate(sorted(_days(rng, date(2023, 1, 1), 500, 365))):
        kind = rng.choice(["ATM", "POS", "SAL", "FEE"])
        way = "C" if kind == "SAL" else "D"
        text = f"{rng.choice(['TESCO', 'SHELL', 'IKEA', 'CEZ'])} {rng.choice(['BRNO', 'PRAHA 4', 'USTI NAD LABEM'])}"
        lines.append(
            f"{number + 1:09d}{7_000_000_000 + rng.randrange(60):010d}{day:%Y%m%d}{way}{kind}"
            f"{rng.randrange(1, 900_000):012d}{text:<22}"
        )
    return ("\n".join(lines) + "\nTRAILER 000000500\n").encode("ascii")


def app_events() -> bytes:
    """JSON lines of an app, instants with an offset, keys that come and go."""
    rng = random.Random(5)
    lines = []
    for number in range(300):
        at = datetime(2024, 2, 1) + timedelta(minutes=rng.randrange(40_000))
        event: dict[str, object] = {
            "eventId": f"e-{number:05d}",
            "clientId": f"C{rng.randrange(80):04d}",
            "timestamp": f"{at.isoformat()}Z",
            "channel": rng.choice(["MOBILE", "WEB", "BRANCH", "PHONE"]),
            "action": rng.choice(["login", "transfer", "balance"]),
            "outcome": rng.choice(["done", "failed"]),
        }
        if event["channel"] == "PHONE":
            event["secondsWaited"] = rng.randrange(600)
        lines.append(json.dumps(event))
    return ("\n".join(lines) + "\n").encode()


def british_statement() -> bytes:
    """Two columns of amounts, filled in turn; dates day first; no identifier of a booking."""
    rng = random.Random(6)
    lines = [
        "Transaction Date,Transaction Type,Sort Code,Account Number,Transaction Description,Debit Amount,Credit Amount,Balance"
    ]
    for day in sorted(_days(rng, date(2023, 3, 1), 300, 300)):
        amount, into = rng.randrange(100, 80_000) / 100, rng.random() < 0.3
        kind = "BGC" if into else rng.choice(["DEB", "DD", "CPT", "FPO"])
        lines.append(
            f"{day:%d/%m/%Y},{kind},'30-90-{rng.randrange(3):02d},{60_000_000 + rng.randrange(40)},"
            f"{rng.choice(['TESCO STORES 3021', 'COUNCIL TAX', 'J SMITH'])},{'' if into else amount},{amount if into else ''},"
            f"{rng.randrange(0, 500_000) / 100}"
        )
    return ("\n".join(lines) + "\n").encode()


def card_payments() -> bytes:
    """Payments with the card's holder in every row: bookings and customers in one file; months first."""
    rng = random.Random(7)
    people = [
        (f"{4_000_000_000_000 + n * 977}", rng.choice("FM"), date(1950, 1, 1) + timedelta(days=rng.randrange(18_000)),
         rng.choice(["Nurse, adult", "Architect", "Teacher"]), rng.choice(["NY", "CA", "TX"]), first, last)
        for n in range(60)
        for first, last in [(rng.choice(["Jane", "John", "Amy"]), rng.choice(["Doe", "Lee", "Fox"]))]
    ]  # fmt: skip
    lines = [
        ",trans_date_trans_time,cc_num,merchant,category,amt,first,last,gender,state,city_pop,job,dob,trans_num,is_fraud"
    ]
    for number in range(900):
        card, gender, born, job, state, first, last = rng.choice(people)
        at = datetime(2020, 6, 1) + timedelta(seconds=rng.randrange(10**7))
        category = rng.choice(["grocery_pos", "gas_transport", "home", "food_dining", "health_fitness", "travel"])
        lines.append(
            f"{number},{at:%Y-%m-%d %H:%M:%S},{card},fraud_{rng.choice(['Kirlin', 'Sporer', 'Haley'])} Group,{category},"
            f'{rng.randrange(100, 30_000) / 100},{first},{last},{gender},{state},{rng.randrange(500, 90_000)},"{job}",'
            f"{born},{rng.getrandbits(128):032x},{int(rng.random() < 0.02)}"
        )
    return ("\n".join(lines) + "\n").encode()


def indian_bookings() -> bytes:
    """Customers and bookings in one file; years of two digits, the time of day in a column of its own."""
    rng = random.Random(8)
    lines = ["TransactionID,CustomerID,CustomerDOB,CustGender,CustLocation,CustAccountBalance,TransactionDate,TransactionTime,"
             "TransactionAmount (INR)"]  # fmt: skip
    people = [(f"C{5_800_000 + n * 31}", date(1960, 1, 1) + timedelta(days=rng.randrange(14_000)), rng.choice("FM"),
               rng.choice(["MUMBAI", "NEW DELHI", "PUNE"])) for n in range(120)]  # fmt: skip
    for number in range(600):
        who, born, gender, place = rng.choice(people)
        day = date(2016, 8, 1) + timedelta(days=rng.randrange(60))
        lines.append(
            f"T{number + 1},{who},{born.day}/{born.month}/{born:%y},{gender},{place},{rng.randrange(10**7) / 100},"
            f"{day.day}/{day.month}/{day:%y},{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d},"
            f"{rng.randrange(100, 900_000) / 100}"
        )
    return ("\n".join(lines) + "\n").encode()


def spanish_loans() -> bytes:
    """UTF-16 with tabs, as Excel saves Unicode text; decimal commas with points for thousands."""
    rng = random.Random(9)
    lines = ["Nº préstamo\tCuenta\tFecha concesión\tImporte\tPlazo\tTipo de interés\tCuota\tEstado"]
    for number in range(200):
        granted = date(2018, 1, 1) + timedelta(days=rng.randrange(1800))
        lines.append(
            f"P{number:06d}\t{rng.randrange(10**9, 10**10)}\t{granted:%d/%m/%Y}\t{_comma(rng.randrange(100_000, 9_000_000))}\t"
            f"{rng.choice([12, 24, 36, 60])}\t{_comma(rng.randrange(200, 900))}\t"
            f"{_comma(rng.randrange(5_000, 90_000))}\t{rng.choice(['VIGENTE', 'CANCELADO', 'MORA'])}"
        )
    return ("\n".join(lines) + "\n").encode("utf-16")


def baskets() -> bytes:
    """A shop's baskets: a member, a day, an item; nothing else."""
    rng = random.Random(10)
    lines = ["Member_number,Date,itemDescription"]
    for _ in range(500):
        day = date(2014, 1, 1) + timedelta(days=rng.randrange(700))
        lines.append(f"{rng.randrange(1000, 1200)},{day:%d-%m-%Y},{rng.choice(['whole milk', 'rolls/buns', 'yogurt'])}")
    return ("\n".join(lines) + "\n").encode()


UGLY = (
    Ugly("umsatz_20240331.csv", german_postings, {"transactions": {
        "transaction_id": "Buchungsnr", "account_id": "Kontonr", "booked_at": "Buchungsdatum", "amount": "Betrag",
        "direction": "Soll/Haben", "balance_after": "Saldo", "type": "Buchungstext", "note": "Verwendungszweck",
        "counterparty_account": "Gegenkonto"}},
        {"delimiter": ";", "encoding": "windows-1252", "decimal": ",", "thousands": ".", "skip_lines": 2}),
    Ugly("klienci.txt", polish_customers, {"customers": {
        "customer_id": "Nr klienta", "birth_date": "Data urodzenia", "gender": "Płeć", "region_id": "Kod pocztowy",
        "phone": "Telefon", "marital_status": "Stan cywilny", "children": "Dzieci", "declared_income": "Dochód",
        "branch_id": "Oddział", "full_name": ("Imię", "Nazwisko")}},
        {"delimiter": "|", "encoding": "windows-1250", "decimal": ",", "thousands": " "}),
    Ugly("ACCT_MASTER.csv", core_accounts, {"accounts": {
        "account_id": "ACCT_NO", "kind": "PROD_TYPE", "opened_on": "OPEN_DT", "closed_on": "CLOSE_DT", "currency": "CCY",
        "branch_id": "BR_CODE", "interest_rate": "INT_RATE"},
        "account_parties": {"account_id": "ACCT_NO", "party_id": "CUST_NO"}},
        {"delimiter": ",", "encoding": "UTF-8", "decimal": "."}),
    Ugly("TXNFILE.dat", mainframe_postings, {"transactions": {
        "transaction_id": "column_1", "account_id": "column_2", "booked_at": "column_3", "amount": "column_5"}},
        {"type": "fixed_width"}),
    Ugly("events.jsonl", app_events, {"channel_events": {
        "event_id": "eventId", "customer_id": "clientId", "at": "timestamp", "channel": "channel", "action": "action",
        "outcome": "outcome", "seconds_waited": "secondsWaited"}},
        {"type": "jsonl"}),
    Ugly("statement.csv", british_statement, {"transactions": {
        "account_id": "Account Number", "booked_at": "Transaction Date", "amount": ("Credit Amount", "Debit Amount"),
        "direction": ("Credit Amount", "Debit Amount"), "balance_after": "Balance", "type": "Transaction Type",
        "note": "Transaction Description"}},
        {"delimiter": ",", "decimal": "."}),
    Ugly("fraudTrain.csv", card_payments, {
        "transactions": {
            "transaction_id": "trans_num", "account_id": "cc_num", "booked_at": "trans_date_trans_time", "amount": "amt",
            "category": "category", "merchant_id": "merchant"},
        "customers": {
            "customer_id": "cc_num", "birth_date": "dob", "gender": "gender", "occupation": "job", "region_id": "state",
            "full_name": ("first", "last")}},
        {"delimiter": ","}),
    Ugly("bank_transactions.csv", indian_bookings, {
        "transactions": {
            "transaction_id": "TransactionID", "account_id": "CustomerID", "amount": "TransactionAmount (INR)",
            "booked_at": ("TransactionDate", "TransactionTime"), "balance_after": "CustAccountBalance"},
        "customers": {
            "customer_id": "CustomerID", "birth_date": "CustomerDOB", "gender": "CustGender", "region_id": "CustLocation"}},
        {"delimiter": ","}),
    Ugly("prestamos.txt", spanish_loans, {"loans": {
        "loan_id": "Nº préstamo", "account_id": "Cuenta", "granted_on": "Fecha concesión", "amount": "Importe",
        "months": "Plazo", "rate": "Tipo de interés", "instalment": "Cuota", "status": "Estado"}},
        {"delimiter": "\t", "encoding": "UTF-16", "decimal": ",", "thousands": "."}),
    Ugly("groceries.csv", baskets, {"transactions": {
        "account_id": "Member_number", "booked_at": "Date", "note": "itemDescription"}},
        {"delimiter": ","}),
)  # fmt: skip


def written(folder: Path) -> Iterator[tuple[Ugly, Path]]:
    """Every file, written into a folder."""
    for ugly in UGLY:
        path = folder / ugly.name
        path.write_bytes(ugly.content())
        yield ugly, path
