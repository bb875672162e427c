#!/usr/bin/env bash
# Makes .venv and installs what requirements.lock names into it, and the `ordermesh` command.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/setup/common.sh

# A virtual environment holds absolute paths: one that was moved or copied with its checkout is made anew.
place=.venv/made-in
if [ -d .venv ] && { ! .venv/bin/python -c '' 2>/dev/null || { [ -f $place ] && [ "$(cat $place)" != "$PWD" ]; }; }; then
  rm -rf .venv
fi
if [ ! -d .venv ]; then
  python=$(find_python)
  [ -n "$python" ] || fail "Python 3.11 or newer is needed; run: sudo apt-get install -y python3 python3-venv"
  "$python" -m venv .venv
fi
printf '%s' "$PWD" >$place

# One line that counts, on a terminal; a line at the end, elsewhere.
show() {
  awk -v total="$1" -v terminal="$2" '
    /^(Collecting|Requirement already satisfied)/ { if (++seen > total) seen = total
      if (terminal) { printf "\r\033[K  %d of %d  %s", seen, total, $2; fflush() } }
    /^Installing collected/ { if (terminal) printf "\r\033[K  unpacking"; fflush() }
    END { if (terminal) printf "\r\033[K" }' >&2
}

log=build/setup-python.log
mkdir -p build
terminal=0
[ ! -t 2 ] || terminal=1
pip=(.venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off)
if ! "${pip[@]}" -r requirements.lock 2>"$log.errors" | tee "$log" | show "$(wc -l <requirements.lock)" "$terminal" ||
  ! "${pip[@]}" --quiet --no-deps --no-build-isolation --editable . 2>>"$log.errors"; then
  tail -n 20 "$log.errors" >&2
  fail "the Python packages could not be installed (whole log: $log, $log.errors)"
fi
