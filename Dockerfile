# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --requirement requirements.txt

FROM python:3.13-slim AS code
WORKDIR /app
COPY main.py .
COPY replicator replicator

# The local stack, as deploy/docker-compose.yaml starts it. Nothing of this stage is in the last one.
FROM python:3.13-slim AS dev
WORKDIR /app
COPY requirements-dev.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --requirement requirements-dev.txt
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin replicator \
    && mkdir -p local/source-bucket local/replica-bucket \
    && chown -R replicator local
COPY --from=code /app .
ENV PATH=/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8080 8081 8082
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; [r.urlopen(f'http://127.0.0.1:{p}', timeout=2) for p in ('8080/ready', '8082/dev')]"]
ENTRYPOINT ["python", "-m", "replicator.dev", "--host", "0.0.0.0"]

FROM code AS product
RUN rm -r replicator/dev

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin replicator
COPY --from=build /venv /venv
WORKDIR /app
COPY --from=product /app .
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FUNCTION_TARGET=replicate \
    PORT=8080
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=2)"]
CMD ["gunicorn", "--config", "python:replicator.server", "functions_framework:create_app()"]
