# Ferry's bot and command line. Build: docker build -t ferry . — run: see README, "In production".
FROM python:3.11-slim AS build
WORKDIR /app
COPY pyproject.toml requirements-runtime.lock README.md ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements-runtime.lock
COPY engine engine
COPY bot bot
RUN /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /var/lib/ferry ferry
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 FERRY_DATABASE_URL=sqlite:////var/lib/ferry/ferry.db
USER ferry
WORKDIR /var/lib/ferry
ENTRYPOINT ["ferry"]
CMD ["serve"]
