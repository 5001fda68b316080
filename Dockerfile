# syntax=docker/dockerfile:1
# The service in a container, without root. Two targets, which differ in their build of torch:
#   docker build --target cpu --build-arg LOCK=requirements-cpu.lock --build-arg TORCH="--index-url ADDRESS" .
#   docker build --target cuda .
# ADDRESS is an index of CPU builds of torch (the top of scripts/install says where it stands), whose files have no hash
# here: all others must have the locked one. The lock holds the extras postgres, s3, safety and tracing too. The bundled models
# are baked in; others are found under /models, a volume (kubernetes/components/mounted-models), or are downloaded there.
# For a build that can be repeated, the base image's digest too: `scripts/digests build` writes the argument.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS environment
ARG LOCK=requirements.lock
ARG TORCH=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/scenewright
ENV PATH=/opt/scenewright/bin:$PATH
WORKDIR /src
COPY pyproject.toml constraints.txt requirements.lock requirements-cpu.lock README.md LICENSE ./
COPY client client
COPY serve serve
COPY deployments deployments
COPY loadtest loadtest
COPY models models
# TORCH is several words. The service and its client are built with the locked setuptools.
# hadolint ignore=SC2086
RUN if [ -n "${TORCH}" ]; then pip install ${TORCH} -c constraints.txt torch; fi \
    && pip install --no-deps --require-hashes -r "${LOCK}" \
    && pip install --no-deps --no-build-isolation ./client . \
    && pip check \
    && python -m compileall -q --invalidation-mode unchecked-hash serve deployments \
    && chmod -R u=rX,go=rX serve deployments models

FROM ${PYTHON_IMAGE} AS runtime
# bash and wget: KubeRay starts Ray by the one and probes its health by the other. The base image's snapshot of
# Debian is what pins their versions.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends bash wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 scenewright \
    && install -d -m 0700 -o scenewright -g scenewright /models /var/lib/scenewright
# Root's, and so is the folder above: the service can neither write its own code nor put other code in its place.
COPY --from=environment /opt/scenewright /opt/scenewright
WORKDIR /srv/scenewright
COPY --from=environment /src/serve serve
COPY --from=environment /src/deployments deployments
COPY --from=environment /src/models models
ENV PATH=/opt/scenewright/bin:$PATH \
    PYTHONPATH=/srv/scenewright \
    PYTHONUNBUFFERED=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS=1 \
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=serve.http.proxy_hook:install \
    RAY_SERVE_HAPROXY_BINARY_PATH=/opt/scenewright/bin/scenewright-haproxy \
    HF_HOME=/models \
    SCENEWRIGHT_STATE_DIR=/var/lib/scenewright/state
VOLUME ["/models", "/var/lib/scenewright"]
USER 1000:1000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
    CMD ["wget", "-q", "-O-", "http://127.0.0.1:8000/readyz"]
# A container has an interface of its own, and is reached through the ports that are published of it.
CMD ["scenewright", "serve", "--config", "serve/local.yaml", "--host", "0.0.0.0"]

FROM runtime AS cpu

FROM runtime AS cuda
# torch's own wheels bring CUDA; of the host they need the driver alone.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
