# One image for every service, so that driver and workers share one Python, one Java and the same jars.
#
# BASE is any Debian bookworm. One that brings Python 3.11 and Java 17 is taken as it is; the packages of one that does
# not are installed. Wheels in build/wheels and jars in .jars are used where they are there (`make image` puts them
# there), the rest is fetched: either way only bytes whose hashes requirements-runtime.lock and conf/jars.lock hold.
ARG BASE=debian:bookworm-20251229-slim

FROM ${BASE} AS base
RUN if ! { python3.11 -m venv -h && java -version; } >/dev/null 2>&1; then \
        apt-get update -qq && \
        apt-get install -qq -y --no-install-recommends python3.11 python3.11-venv openjdk-17-jre-headless ca-certificates && \
        rm -rf /var/lib/apt/lists/*; \
    fi

FROM base AS build
WORKDIR /opt/portrait
# The lock stands here so that COPY finds something where there are no wheels.
COPY requirements-runtime.lock build/wheel[s] build/wheels/
# setuptools first: it builds the two packages that are published as sources only.
RUN python3.11 -m venv .venv && cd build/wheels && \
    if ls ./*.whl >/dev/null 2>&1; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=.; fi && \
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_QUIET=1 PIP_REQUIRE_HASHES=1 && \
    sed -n '/^setuptools==/,/[^\\]$/p' requirements-runtime.lock > setuptools.lock && \
    ../../.venv/bin/python -m pip install -r setuptools.lock && \
    ../../.venv/bin/python -m pip install --no-build-isolation --use-pep517 -r requirements-runtime.lock
COPY conf/jars.lock .jar[s] .jars/
COPY conf conf
COPY libs libs
RUN PYTHONPATH=libs .venv/bin/python -m portrait.spark.jars
COPY pyproject.toml README.md LICENSE ./
COPY scripts/dist.sh scripts/
# The package as `make dist` makes it; what built it stays out of the image.
RUN PYTHONPATH=libs sh scripts/dist.sh && \
    .venv/bin/python -m pip install --quiet --no-index --no-deps dist/*.whl && \
    .venv/bin/python -m pip uninstall --quiet --yes setuptools pip

FROM base
# Who owns the folder of the bank on the host: a bind mount knows numbers, not names.
ARG UID=1000
RUN useradd --uid "${UID}" --create-home portrait && \
    install -d -o portrait /data /opt/portrait /opt/portrait/spark-warehouse && \
    install -d -m 1777 /tmp/spark-events
WORKDIR /opt/portrait
COPY --from=build /opt/portrait/.venv .venv
COPY --from=build /opt/portrait/dist dist
COPY conf conf
COPY schemas schemas
COPY jobs jobs
COPY docker docker
ENV PATH=/opt/portrait/.venv/bin:$PATH \
    SPARK_HOME=/opt/portrait/.venv/lib/python3.11/site-packages/pyspark \
    PYSPARK_PYTHON=/opt/portrait/.venv/bin/python \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    PORTRAIT_JARS=/opt/portrait/dist/jars \
    PORTRAIT_LANDING=/data/landing \
    PORTRAIT_LAKE=/data/lake
USER portrait
ENTRYPOINT ["sh", "/opt/portrait/docker/entrypoint.sh"]
CMD ["portrait", "--help"]
