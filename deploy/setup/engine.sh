#!/usr/bin/env bash
# Builds the engine: engine.sh FOLDER PRESET [target...], with a preset of services/engine/CMakePresets.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/setup/common.sh

folder=$1
preset=$2
targets=("${@:3}")

command -v cmake >/dev/null || fail "cmake is missing; run: sudo apt-get install -y $(grep -v '^#' deploy/setup/debian-packages.txt | xargs)"

# A compiler of this code takes about 1.5 GB.
memory=$(awk '/MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
jobs=$(nproc)
[ "$memory" -ge "$jobs" ] || jobs=$((memory > 0 ? memory : 1))

# CMake keeps absolute paths: a build folder that was moved with its checkout is made anew.
if [ -f "$folder/CMakeCache.txt" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD/services/engine" "$folder/CMakeCache.txt"; then
  rm -rf "$folder"
fi
if [ ! -f "$folder/build.ninja" ]; then
  cmake -S services/engine -B "$folder" --preset "$preset" -G Ninja --log-level=WARNING
fi
exec cmake --build "$folder" --parallel "$jobs" ${targets[@]+--target "${targets[@]}"}
