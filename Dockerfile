# One image for every process: worker, alerts, reconciliation, dashboard. docker-compose.yml starts them all.
FROM python:3.13.14-slim-trixie AS build

# A C compiler, for the code that runs for every event.
# hadolint ignore=DL3008  # Debian keeps one version of a package at a time
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv --without-pip /opt/funnelproof \
    && pip install --require-hashes --requirement requirements/build.txt \
    && pip --python /opt/funnelproof/bin/python install --require-hashes --requirement requirements/run.txt

COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY schemas schemas
COPY sql sql
COPY funnelproof funnelproof
COPY streams streams
# The last command fails where nothing was compiled.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/funnelproof/bin/python install --no-deps --no-index /wheels/*.whl \
    && /opt/funnelproof/bin/python -I -c "import streams.cdc.scanner, streams.domain.folding"


FROM python:3.13.14-slim-trixie

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin funnelproof \
    && install --directory --owner=funnelproof --group=funnelproof /var/lib/funnelproof /etc/funnelproof
COPY --from=build /opt/funnelproof /opt/funnelproof

# WEB_PORT is the port of /metrics and /healthz, for the health check: the same as --web-port.
ENV PATH=/opt/funnelproof/bin:$PATH \
    FUNNELPROOF_STATE_DIR=/var/lib/funnelproof \
    FUNNELPROOF_LOG_FORMAT=json \
    WEB_PORT=9464
USER 10001
# funnelproof.toml and a file of alert rules have their place here.
WORKDIR /etc/funnelproof

HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-I", "-c", "import http.client, os, sys; site = http.client.HTTPConnection('127.0.0.1', int(os.environ['WEB_PORT']), timeout=4); site.request('GET', '/healthz'); sys.exit(site.getresponse().status != 200)"]

ENTRYPOINT ["funnelproof"]
CMD ["worker", "--web-port", "9464"]
