#!/bin/sh
# dist/: the wheel, the same bytes as .zip (Python workers import a .zip and no .whl), the jars, and their manifest.
set -eu
cd "$(dirname "$0")/.."
version=$(.venv/bin/python -c 'import portrait; print(portrait.__version__)')
rm -rf build/lib build/bdist.* dist/portrait-*.whl dist/portrait-*.zip dist/jars dist/portrait-*-jars.lock
# The same sources give the same bytes: the files carry the date of the commit.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 315532800)
export SOURCE_DATE_EPOCH
.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
cp "dist/portrait-$version-py3-none-any.whl" "dist/portrait-$version.zip"
mkdir -p dist/jars
while read -r _ coordinate; do
    artifact=$(echo "$coordinate" | cut -d: -f2,3 | tr : -)
    cp ".jars/$artifact.jar" dist/jars/
done <<LOCK
$(grep -v '^#' conf/jars.lock)
LOCK
cp conf/jars.lock "dist/portrait-$version-jars.lock"
echo "dist/portrait-$version.zip for --py-files, dist/portrait-$version-py3-none-any.whl, dist/jars/ ($(ls dist/jars | wc -l) jars)"
