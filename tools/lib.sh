# Sourced by the entry scripts: messages, packages, configuring and building.
# Quiet when all is well: what a step prints goes to build/logs and is shown when the step fails.
set -euo pipefail

PREFORK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PREFORK_PACKAGES=${PREFORK_PACKAGES:-$PREFORK_ROOT/tools/packages/debian.txt}
PREFORK_LOGS=$PREFORK_ROOT/build/logs

say() { printf 'prefork: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# logged NAME COMMAND…: run it silently; when it fails, show what it printed and stop.
logged() {
  local log=$PREFORK_LOGS/$1.log
  shift
  mkdir -p "$PREFORK_LOGS"
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    die "failed: $* (all of the output: $log)"
  fi
}

# missing_packages PURPOSE…: the packages of these purposes that are neither installed nor shown by their probe to be unneeded.
missing_packages() {
  local purpose package probe installed
  local -a names=()
  local -A probes=()
  while read -r purpose package probe; do
    [[ -n $purpose && $purpose != \#* && " $* " == *" $purpose "* ]] || continue
    names+=("$package")
    probes[$package]=$probe
  done <"$PREFORK_PACKAGES"
  # One question for all of them: a start with nothing to do must cost next to nothing.
  installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "${names[@]}" 2>/dev/null || true)"
  for package in "${names[@]}"; do
    [[ $installed == *" installed:$package "* ]] && continue
    [[ -n ${probes[$package]} ]] && (eval "${probes[$package]}") >/dev/null 2>&1 && continue
    printf '%s\n' "$package"
  done
}

# need PURPOSE…: install what these purposes lack, or stop with the command that would.
need() {
  [[ ${PREFORK_INSTALL:-yes} != no ]] || return 0
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    need_commands
    return
  fi
  local -a missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  local install="apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${missing[*]}"
  if [[ $(id -u) == 0 ]]; then
    say "installing ${missing[*]}"
    logged install sh -c "$install"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    say "installing ${missing[*]} (sudo)"
    logged install sudo -n sh -c "$install"
  else
    say "missing: ${missing[*]}"
    say "this needs root; run"
    printf "\n    %s -c '%s'\n\n" "$(command -v sudo >/dev/null && echo sudo sh || echo su root)" "$install" >&2
    exit 1
  fi
}

# Where there is no apt, CMake names the library that it does not find; only the commands that start CMake are looked for here.
need_commands() {
  local command missing=()
  for command in c++ cmake ninja pkg-config python3; do
    command -v "$command" >/dev/null || missing+=("$command")
  done
  ((${#missing[@]} == 0)) || die "missing: ${missing[*]} (README.md, Requirements, has the command for your system)"
}

# made_elsewhere FOLDER: CMake made it in another place, before the tree was moved or copied: it would build the sources of that place.
made_elsewhere() {
  local home
  home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$1/CMakeCache.txt" 2>/dev/null) || return 1
  [[ -n $home && ! $home -ef $PREFORK_ROOT ]]
}

# configure PRESET PURPOSE…: run CMake unless this build folder was configured for these purposes already.
# Ninja runs CMake again by itself when a CMakeLists.txt changes; a package that was absent then is what it cannot see.
configure() {
  local preset=$1 folder=$PREFORK_ROOT/build/$1 stamp purpose
  shift
  stamp=$folder/configured-for
  ! made_elsewhere "$folder" || rm -rf "$folder"
  if [[ -f $folder/build.ninja && -f $stamp ]]; then
    local known
    known=" $(<"$stamp") "
    for purpose in "$@"; do
      [[ $known == *" $purpose "* ]] || break
    done
    [[ $known == *" $purpose "* ]] && return 0
    set -- $(printf '%s\n' $known "$@" | sort -u)
  fi
  say "configuring build/$preset"
  (cd "$PREFORK_ROOT" && logged "configure-$preset" cmake --preset "$preset" ${PREFORK_PYTHON:+-DPREFORK_PYTHON="$PREFORK_PYTHON"} \
    ${PREFORK_HOST_PYTHONS:+-DPREFORK_HOST_PYTHONS="$PREFORK_HOST_PYTHONS"})
  printf '%s' "$*" >"$stamp"
}

# build PRESET [TARGET…]: ninja, with nothing on the screen but warnings and errors.
build() {
  local folder=$PREFORK_ROOT/build/$1
  shift
  { ninja -C "$folder" --quiet "$@" 2>&1 || die "the build failed in ${folder#"$PREFORK_ROOT"/}"; } |
    { grep -v -e '^ninja: no work to do.$' -e '^-- ' >&2 || true; }
}

# make_venv FOLDER PRESET REQUIREMENTS: a virtual environment of the interpreter that this preset's worker embeds, made anew when the
# requirements, that interpreter or its own place change.
make_venv() {
  local venv=$PREFORK_ROOT/$1 requirements=$PREFORK_ROOT/$3 base wanted
  base=$(cat "$PREFORK_ROOT/build/$2/python3.txt" 2>/dev/null || command -v python3)
  wanted="$venv $base $("$base" -V) $(cksum <"$requirements")"
  [[ -f $venv/stamp && $(<"$venv/stamp") == "$wanted" ]] && return 0
  say "making $1"
  rm -rf "$venv"
  logged venv "$base" -m venv "$venv"
  logged pip "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"
  printf '%s' "$wanted" >"$venv/stamp"
}

# usage: the comment at the top of the script that was started is its --help.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}
