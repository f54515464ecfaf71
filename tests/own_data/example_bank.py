"""Makes docs/example-bank: three files as a small Czech bank's systems might write them. Invented from beginning to end.

.venv/bin/python -m tests.own_data.example_bank
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "example-bank"
FIRST, LAST = date(2024, 1, 1), date(2024, 3, 31)
WOMEN, MEN = ["Jana", "Žofie", "Kateřina", "Lucie", "Šárka"], ["Jiří", "Ondřej", "Tomáš", "Čeněk", "Václav"]
SURNAMES = [("Dvořák", "Dvořáková"), ("Růžička", "Růžičková"), ("Němec", "Němcová"), ("Kučera", "Kučerová"),
            ("Pospíšil", "Pospíšilová"), ("Žák", "Žáková"), ("Šimek", "Šimková")]  # fmt: skip
SHOPS = {"Potraviny U Řeky": 5411, "Hospoda Na Růžku": 5812, "Čerpací stanice": 5541, "Lékárna": 5912, "Kino Světozor": 7832,
         "Železářství": 5251, "Knihkupectví": 5942, "Sázková kancelář": 7995}  # fmt: skip
CUSTOMERS = 60


def money(minor: int) -> str:
    """Minor units as the core system writes them: `-12 345,60`."""
    sign, minor = ("-" if minor < 0 else ""), abs(minor)
    return f"{sign}{minor // 100:,}".replace(",", " ") + f",{minor % 100:02d}"


def main() -> None:
    """Write the three files."""
    rng = random.Random(20240331)
    people, accounts = [], []
    for number in range(CUSTOMERS):
        woman = rng.random() < 0.5
        born = date(1945, 1, 1) + timedelta(days=rng.randrange(21_500))
        people.append((f"K{4100 + number * 3}", rng.choice(SURNAMES)[woman], rng.choice(WOMEN if woman else MEN),
                       born, "Z" if woman else "M", f"{rng.randrange(100, 799)} {rng.randrange(10, 99)}",
                       f"+420 {rng.randrange(600, 799)} {rng.randrange(100, 999)} {rng.randrange(100, 999)}",
                       rng.choice(["ANO", "NE"])))  # fmt: skip
        opened = date(2015, 1, 1) + timedelta(days=rng.randrange(3000))
        accounts.append(
            (2_600_000_000 + number * 17, "BU", opened, people[-1][0], rng.choice(["PHA1", "BRN2", "OVA1"]))
        )
        if rng.random() < 0.3:
            accounts.append(
                (2_700_000_000 + number * 17, "SP", opened + timedelta(days=90), people[-1][0], accounts[-1][4])
            )

    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = ["Číslo klienta;Příjmení;Jméno;Datum narození;Pohlaví;PSČ;Telefon;Souhlas marketing"]
    lines += [f"{n};{s};{f};{b:%d.%m.%Y};{g};{z};{t};{c}" for n, s, f, b, g, z, t, c in people]
    (FOLDER / "klienti_20240331.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1250"))

    lines = ["UCET       TYP OTEVREN    MENA KLIENT   POBOCKA"]
    lines += [f"{a:<10} {k:<3} {o:%d.%m.%Y} CZK  {c:<8} {b:<7}" for a, k, o, c, b in accounts]
    (FOLDER / "ucty_20240331.txt").write_text("\n".join(lines) + "\n", encoding="ascii")

    bookings = []
    for account, kind, _, _, _ in accounts:
        wage = rng.randrange(2_800_000, 6_500_000)
        bookings.append(
            (FIRST, account, rng.randrange(500_000, 9_000_000), "K", "VKLAD", "POB", "", "", "Počáteční vklad")
        )
        if kind == "SP":
            bookings += [
                (date(2024, m, 28), account, 4_000 + rng.randrange(9_000), "K", "UROK", "", "", "", "")
                for m in (1, 2, 3)
            ]
            continue
        for month in (1, 2, 3):
            bookings.append(
                (
                    date(2024, month, 10),
                    account,
                    wage,
                    "K",
                    "MZDA",
                    "",
                    "",
                    f"19-{rng.randrange(10**9)}/0100",
                    "Výplata",
                )
            )
            bookings.append((date(2024, month, 12), account, rng.randrange(800_000, 1_900_000), "D", "PREVOD", rng.choice(["MOB", "NET"]),
                             "", f"{rng.randrange(10**9)}/0800", "Nájem"))  # fmt: skip
            bookings.append((date(2024, month, 28), account, 4_900, "D", "POPLATEK", "", "", "", "Vedení účtu"))
            for _ in range(rng.randrange(3, 7)):
                shop, code = rng.choice(list(SHOPS.items()))
                day = date(2024, month, rng.randrange(1, 29))
                bookings.append(
                    (
                        day,
                        account,
                        rng.randrange(5_000, 180_000),
                        "D",
                        "KARTA",
                        "POS",
                        str(code),
                        "",
                        f'"{shop}; Praha"',
                    )
                )
            if rng.random() < 0.5:
                bookings.append(
                    (
                        date(2024, month, rng.randrange(1, 29)),
                        account,
                        100_000 * rng.randrange(1, 5),
                        "D",
                        "VYBER",
                        "BAN",
                        "",
                        "",
                        "",
                    )
                )
        if rng.random() < 0.2:
            bookings.append((date(2024, 3, 20), account, 50_000, "K", "BONUS", "", "", "", "Odměna za doporučení"))
    bookings.sort(key=lambda row: (row[0], row[1]))
    balances: dict[int, int] = {}
    lines = [
        "Výpis pohybů za 1. čtvrtletí 2024",
        "Číslo pohybu;Účet;Datum;Částka;K/D;Typ;Kanál;MCC;Protiúčet;Zůstatek;Popis",
    ]
    for number, (day, account, amount, way, kind, channel, code, other, text) in enumerate(bookings, 880_001):
        balances[account] = balances.get(account, 0) + (amount if way == "K" else -amount)
        lines.append(f"{number};{account};{day:%d.%m.%Y};{money(amount)};{way};{kind};{channel};{code};{other};"
                     f"{money(balances[account])};{text}")  # fmt: skip
    lines.append(f"KONEC;{len(bookings)}")
    (FOLDER / "pohyby_2024Q1.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1250"))


if __name__ == "__main__":
    main()
