# What the set-up scripts share. Source it from a script that runs in the top folder of the checkout.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "ordermesh: $*"
  exit 1
}

# Debian and Ubuntu alone have dpkg; elsewhere the compilers tell what they miss.
on_debian() { command -v dpkg-query >/dev/null 2>&1; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# apt-get as root or with sudo that asks for no password; else the one command to type.
install_packages() {
  local privileged=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      fail "Debian packages are missing and may not be installed from here; run: sudo apt-get install -y $*"
    fi
    privileged=(sudo -n)
  fi
  say "installing Debian packages: $*"
  "${privileged[@]}" apt-get update -q >&2
  "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "$@" >&2 ||
    fail "apt-get could not install: $*"
}

# The first Python that is new enough, empty when there is none. One that can make environments comes before one that cannot
# yet, and that of Debian or Ubuntu before others: it is built with profile-guided optimisation, which those that are built
# from source (pyenv's) have only if asked for, and an order takes a fifth to a quarter less time on it.
find_python() {
  local name check names=(python3 python3.14 python3.13 python3.12 python3.11)
  ! on_debian || names=(/usr/bin/python3 "${names[@]}")
  for check in 'import ensurepip' ''; do
    for name in "${names[@]}"; do
      if "$name" -c "import sys; $check
sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
        command -v "$name"
        return
      fi
    done
  done
}
