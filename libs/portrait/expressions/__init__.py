"""Spark SQL that people write in `conf/`: parsed, checked against an allow-list and typed before Spark starts."""
