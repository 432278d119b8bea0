# Two targets: `cuda` (the default) and `cpu`.
#
#   docker build --target cuda -t indextts:cuda .
#   docker run --gpus all -p 8000:8000 -v "$PWD/models/IndexTTS:/app/models:ro" indextts:cuda
#
# The weights are no part of the image; they are mounted at /app/models.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS dependencies
WORKDIR /build
# Extras of the Python package, e.g. jwt,redis
ARG EXTRAS=""
# pip reads this one.  PyPI's torch for x86-64 brings CUDA 13's libraries along, which need only the
# driver of the host, 580 or newer; with an index of CPU builds here the cpu image is some 4 GB smaller.
ARG PIP_EXTRA_INDEX_URL=""
COPY pyproject.toml constraints.txt deploy/docker/requirements.py ./
RUN python requirements.py pyproject.toml "${EXTRAS}" > requirements.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        -c constraints.txt -r requirements.txt

FROM ${PYTHON_IMAGE} AS service
# A number, so that Kubernetes can see that it is not root.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp indextts \
    && install -d -o indextts -g indextts /app /app/models /run/indextts
WORKDIR /app
COPY --from=dependencies /opt/venv /opt/venv
COPY LICENSE NOTICE server.py wsgi.py gunicorn.conf.py ./
COPY indextts/ indextts/
COPY app/ app/
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    INDEXTTS_HOST=0.0.0.0 \
    INDEXTTS_MODEL_DIR=/app/models \
    INDEXTTS_LOG_FORMAT=json
# What the service may not write while it runs, Python compiles now.
RUN python -m compileall -q app indextts
USER 10001:10001
EXPOSE 8000
# SIGTERM lets running requests finish; give it time: docker stop --time 200
STOPSIGNAL SIGTERM
# Starting includes reading the weights.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["python", "server.py"]

FROM service AS cpu
ENV INDEXTTS_DEVICE=cpu \
    CUDA_VISIBLE_DEVICES=""

FROM service AS cuda
ENV CUDA_DEVICE_ORDER=PCI_BUS_ID \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
