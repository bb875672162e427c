#!/usr/bin/env bash
# Makes .venv and installs what requirements.lock names into it, and the `ordermesh` command.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/setup/common.sh

# A virtual environment holds absolute paths: one that was moved or copied with its checkout is made anew, as is one of
# another Python than would be taken now.
place=.venv/made-in
python=$(find_python)
made="$PWD by $python"
if [ -d .venv ] && { ! .venv/bin/python -c '' 2>/dev/null || { [ -f $place ] && [ "$(cat $place)" != "$made" ]; }; }; then
  rm -rf .venv
fi
if [ ! -d .venv ]; then
  [ -n "$python" ] || fail "Python 3.11 or newer is needed; run: sudo apt-get install -y python3 python3-venv"
  "$python" -m venv .venv
fi
printf '%s' "$made" >$place

log=build/setup-python.log
mkdir -p build
requirements=(-r requirements.lock)
project=(--no-deps --no-build-isolation --editable .)
# uv shows how far it is, on a terminal.
progress=/dev/stderr
[ -t 2 ] || progress=$log.progress

# uv takes a tenth of pip's time. Where it finds no packages, as behind a mirror that only pip was told of, pip does it.
with_uv() {
  local uv=(.venv/bin/uv pip install --python .venv/bin/python)
  .venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet "$(grep '^uv==' requirements.lock)" >"$log" 2>&1 &&
    "${uv[@]}" --compile-bytecode "${requirements[@]}" 2>"$progress" &&
    "${uv[@]}" --quiet "${project[@]}" 2>>"$log"
}

with_pip() {
  say "uv could not install them (log: $log); taking pip, which takes longer"
  local pip=(.venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off)
  "${pip[@]}" "${requirements[@]}" >>"$log" 2>&1 && "${pip[@]}" --quiet "${project[@]}" >>"$log" 2>&1
}

if ! with_uv && ! with_pip; then
  tail -n 20 "$log" >&2
  fail "the Python packages could not be installed (whole log: $log)"
fi

# Each start would compile what is not compiled yet, where nothing may be written beside the sources.
.venv/bin/python -m compileall -q services gen/python gateway deploy
