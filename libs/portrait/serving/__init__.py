"""The SQL server: published tables, and nothing else, for every client of HiveServer2 (JDBC, ODBC, PyHive)."""

from portrait.serving.gateway import Gateway
from portrait.serving.policy import LoginPolicy, check_access, load_login_policy
from portrait.serving.server import serve, serving
from portrait.serving.statements import read_only_query
from portrait.serving.users import Users, check_name, user_line

__all__ = [
    "Gateway",
    "LoginPolicy",
    "Users",
    "check_access",
    "check_name",
    "load_login_policy",
    "read_only_query",
    "serve",
    "serving",
    "user_line",
]
