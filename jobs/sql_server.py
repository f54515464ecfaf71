"""The SQL server for BI tools: schema `published` over HiveServer2's protocol (JDBC, ODBC, PyHive), and nothing else.

Registers the views of the publication in force and follows the pointer: a statement that arrives after a publication
reads the new one, a statement that joins tables never mixes two. Writes no table, takes no lease, runs until it is
stopped. Reads gold tables and ops.publication only. --users names the file of users (portrait sql-user NAME); without
it the server listens on a loopback address only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from portrait.events import start_log
from portrait.lake import Lake
from portrait.run.job import lake_arguments, submit
from portrait.run.suite import suite_of
from portrait.serving import check_access, load_login_policy, serve
from portrait.settings import load_settings
from portrait.spark.session import session


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    lake_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=10000, help="port to listen on")
    parser.add_argument("--users", type=Path, help="file of users; without it everyone on this machine may log in")
    args = parser.parse_args(argv)
    settings = load_settings(args.conf, target=args.target, flags={"lake": args.lake, "schemas": args.schemas})
    start_log(settings.log)
    listen = {"host": args.host, "port": args.port, "users": check_access(args.host, args.users)}
    policy = load_login_policy(args.conf)
    catalogue = suite_of(settings)
    serve(Lake(session(), settings.lake, catalogue), **listen, policy=policy)


if __name__ == "__main__":
    submit(main)
