"""The SQL server: published tables, and nothing else, for every client of HiveServer2 (JDBC, ODBC, PyHive)."""

from portrait.serving.gateway import Gateway
from portrait.serving.server import serve, serving
from portrait.serving.users import Users, user_line

__all__ = ["Gateway", "Users", "serve", "serving", "user_line"]
