# The matching engine. Build it from the top: docker build -f deploy/containers/engine.Dockerfile .
FROM debian:bookworm-slim AS build

WORKDIR /ordermesh
COPY deploy/setup/debian-packages.txt deploy/setup/
RUN apt-get update && grep -v '^#' deploy/setup/debian-packages.txt \
  | xargs apt-get install -y --no-install-recommends && rm -rf /var/lib/apt/lists/*
COPY proto proto
COPY services/engine services/engine
RUN cmake -S services/engine -B build -G Ninja -DCMAKE_BUILD_TYPE=Release && cmake --build build --target ordermesh-engine

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgrpc++1.51 libprotobuf32 \
  && rm -rf /var/lib/apt/lists/* && useradd --system --user-group --uid 10001 ordermesh \
  && install -d -o ordermesh -g ordermesh /journal
COPY --from=build /ordermesh/build/ordermesh-engine /usr/local/bin/
USER ordermesh
VOLUME /journal
STOPSIGNAL SIGTERM
ENTRYPOINT ["ordermesh-engine"]
