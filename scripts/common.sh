# Sourced by the other scripts: installing what is missing, configuring and building.

root="$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { echo "workbench: $*" >&2; }

# Debian packages of scripts/packages/NAME.txt, for each NAME, that are not installed.
missing_packages() {
  local installed
  installed="$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii  *//p')"
  (cd "$root/scripts/packages" && sort -u "${@/%/.txt}") | grep -vxF -f <(echo "$installed") || true
}

# install_packages NAMES...: what the lists of those names in scripts/packages/ lack here.
install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -eq 0 ]] && return
  say "installing: ${missing[*]}"
  local -a as_root=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || { say "not root and no sudo: install them yourself"; exit 2; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# configure PRESET ON|OFF: with or without tests, unless that has been done. What was configured
# with tests stays so.
configure() {
  local cache="$root/build/$1/CMakeCache.txt"
  if [[ -f "$root/build/$1/build.ninja" ]]; then
    [[ $2 == OFF ]] || ! grep -q '^BUILD_TESTING:BOOL=OFF' "$cache" && return
  fi
  say "configuring $1"
  (cd "$root" && cmake --preset "$1" -DBUILD_TESTING="$2") >&2
}

# build PRESET TARGETS...: says nothing when there is nothing to do. One build at a time in a
# tree: two commands started together must not run two ninjas over the same files.
build() {
  local preset="$1"
  shift
  (
    exec 9>"$root/build/$preset/.build.lock"
    if ! flock -n 9; then
      say "waiting for another build of $preset"
      flock 9
    fi
    cd "$root/build/$preset"
    [[ "$(ninja -n "$@" 2>/dev/null)" == "ninja: no work to do." ]] || ninja "$@" >&2
  )
}
