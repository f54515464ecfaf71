#!/bin/sh
# Java 17 or 21 for Spark: the one that is there; else the system's package; else one into .java/ of the checkout.
# `java.sh early` runs beside the installation of the Python packages; it leaves out what needs them and never fails.
set -eu
cd "$(dirname "$0")/.."
usable() {
    "$1" -version 2>&1 | grep -Eq 'version "(17|21)' && "$1" --list-modules 2>/dev/null | grep -q jdk.incubator.vector
}
for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" .java/*/bin/java java; do
    [ -n "$java" ] && command -v "$java" >/dev/null 2>&1 && usable "$java" && exit 0
done
[ -z "${JAVA_HOME:-}" ] || echo "setup: the Java of JAVA_HOME is not a full Java 17 or 21; unset JAVA_HOME to use another" >&2
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup: no Java 17 or 21; installing one from the system's packages"
    apt-get update -qq || true
    for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
        if apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1 && usable java; then
            exit 0
        fi
    done
fi
[ "${1:-}" != early ] || exit 0
echo "setup: no Java 17 or 21; downloading one into .java/ with the Python package install-jdk"
if .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r scripts/install-jdk.lock 2>/dev/null &&
    .venv/bin/python -c 'import jdk; jdk.install("17", path=".java")' 2>/dev/null; then
    for java in .java/*/bin/java; do usable "$java" && exit 0; done
fi
echo "error: Spark needs Java 17 or 21 and none could be installed: install OpenJDK 17 (Debian: apt-get install openjdk-17-jre-headless) and run make again" >&2
exit 1
