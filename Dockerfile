# Two targets: `cuda` (the default) and `cpu`.
#
#   docker build -t indextts .
#   docker run --gpus all -p 8000:8000 -v $(pwd)/models:/app/models indextts
#
# The weights are no part of the image. They are looked for in /app/models and /app/models/IndexTTS;
# without any, the demonstration model speaks.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS dependencies
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/venv

# PyPI's torch for Linux brings CUDA's libraries along; of the host only the driver is needed.
FROM dependencies AS dependencies-cuda
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
        --require-hashes -r requirements.lock

# uv knows where torch's CPU builds are, which save 4 GB. Their hashes are not in the lock.
FROM dependencies AS dependencies-cpu
RUN awk '/^[a-z]/ { cuda = /^(torch|torchaudio|triton|nvidia-[a-z0-9-]*|cuda-[a-z]*)==/ } !cuda' \
        requirements.lock > rest.lock \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
        --require-hashes -r rest.lock
RUN python -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.9 \
    && grep -oE '^torch(audio)?==[0-9.]+' requirements.lock > torch.txt \
    && /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python --no-deps \
        --torch-backend cpu -r torch.txt

FROM ${PYTHON_IMAGE} AS service
# A number, so that Kubernetes can see that it is not root.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp indextts \
    && install -d -o indextts -g indextts /app /app/models /app/voices /run/indextts
WORKDIR /app
COPY LICENSE NOTICE server.py wsgi.py gunicorn.conf.py ./
COPY models/demo/ models/demo/
COPY examples/voices/ examples/voices/
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
COPY --from=dependencies-cpu /opt/venv /opt/venv
ENV INDEXTTS_DEVICE=cpu \
    CUDA_VISIBLE_DEVICES=""

FROM service AS cuda
COPY --from=dependencies-cuda /opt/venv /opt/venv
ENV CUDA_DEVICE_ORDER=PCI_BUS_ID \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
