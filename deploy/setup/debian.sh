#!/usr/bin/env bash
# Installs the Debian packages that the engine and the Python environment need, where they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/setup/common.sh

on_debian || exit 0

missing=()
while read -r package; do
  installed "$package" || missing+=("$package")
done < <(grep -v '^#' deploy/setup/debian-packages.txt)

python=$(find_python)
if [ -z "$python" ]; then
  # Ubuntu 22.04 calls Python 3.10 its python3, and has 3.11 beside it.
  case "$(apt-cache policy python3 | sed -n 's/ *Candidate: //p')" in
    3.[0-9].* | 3.10.*) missing+=(python3.11 python3.11-venv) ;;
    *) missing+=(python3 python3-venv) ;;
  esac
elif [ ! -x .venv/bin/python ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
  case "$python" in
    */python3) missing+=(python3-venv) ;;
    *) missing+=("$(basename "$python")-venv") ;;
  esac
fi

[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
