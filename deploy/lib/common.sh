# common.sh - what deploy/up, deploy/down and tests/run share: saying things, installing, building.
# Sourced, with $root set to the top of the checkout.

say()  { printf '%s\n' "$*"; }
step() { printf '\033[2m[%s]\033[0m %s\n' "$(date +%H:%M:%S)" "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "installing packages needs root: run it as root, install sudo, or install the packages yourself and pass --no-install ($*)"
  fi
}

build_packages="gcc libc6-dev cmake ninja-build pkg-config libmicrohttpd-dev libgnutls28-dev libjansson-dev libyaml-dev libsqlite3-dev
  libcurl4-openssl-dev libssl-dev uthash-dev libzstd-dev liblz4-dev libsnappy-dev zlib1g-dev
  libpcre2-dev libpasswdqc-dev kcat"

# The packages of the list that are not installed.
missing_packages() {
  local have p
  have=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii //p')
  for p in "$@"; do printf '%s\n' "$have" | grep -qx "$p" || printf '%s ' "$p"; done
}

install_packages() {
  local missing log
  # shellcheck disable=SC2046
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || fail "these packages are missing and there is no apt-get to install them: $missing"
  step "installing packages: $missing"
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
         apt-get install -q -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install: $missing"
  fi
  rm -f "$log"
}

# build FOLDER TYPE [cmake options]: configures once, builds what changed.
build() {
  local dir=$1 type=$2 log
  shift 2
  log=$(mktemp)
  if [ ! -f "$dir/build.ninja" ]; then
    step "configuring $type in ${dir#"$root"/}"
    cmake -S "$root" -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE="$type" "$@" >"$log" 2>&1 ||
      { tail -n 15 "$log" >&2; rm -f "$log"; fail "cmake could not configure the build"; }
  fi
  if ! ninja -C "$dir" -n 2>/dev/null | grep -q 'no work to do'; then
    step "building ${dir#"$root"/}"
    ninja -C "$dir" >"$log" 2>&1 || { grep -v '^\[' "$log" | tail -n 30 >&2; rm -f "$log"; fail "the build failed"; }
  fi
  rm -f "$log"
}

need_npm() {
  command -v npm >/dev/null || { [ "${1:-}" = --no-install ] && fail "npm is missing: install it, or run without --no-install"; install_packages npm; }
}

# The console's static files: built again when a source of it changed.
build_console() {
  local sum have log
  sum=$(cd "$root/web" && find . -path ./node_modules -prune -o -path ./dist -prune -o -type f -print0 |
        sort -z | xargs -0 sha256sum | sha256sum)
  have=$(cat "$root/web/dist/.sources" 2>/dev/null || true)
  [ "$sum" = "$have" ] && return 0
  need_npm "$@"
  log=$(mktemp)
  step "building the console"
  (cd "$root/web" && npm ci --no-audit --no-fund && npm run build) >"$log" 2>&1 ||
    { tail -n 15 "$log" >&2; rm -f "$log"; fail "the console could not be built"; }
  printf '%s' "$sum" >"$root/web/dist/.sources"
  rm -f "$log"
}
