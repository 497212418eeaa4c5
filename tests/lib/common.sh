# SPDX-License-Identifier: MIT
# Shell functions that ./check, ./demo and the test runner share. Sourced with bash; must change
# nothing by being sourced but define functions and constants.
# shellcheck shell=bash
# shellcheck source=tests/lib/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

say() { printf '== %s\n' "$*"; }

# die WORDS: the end, in plain words.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# missing_packages: those of PACKAGES that are not installed, one per line.
missing_packages() {
    local package
    for package in "${PACKAGES[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            echo "$package"
    done
}

# apt ARGUMENTS: apt-get, quiet, waiting for another one to finish.
apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"; }

# install_packages LOG: installs what is missing, or ends with the list of what is.
install_packages() {
    local log=$1 missing
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        die "this needs Debian 12 (or a system with apt-get and these packages: ${PACKAGES[*]})"
    missing=$(missing_packages)
    if [ -z "$missing" ]; then
        # Kernels are looked up in apt's lists later; a machine made from an image may have none.
        [ -n "$(find /var/lib/apt/lists -name '*Packages*' -print -quit)" ] || [ "$(id -u)" != 0 ] ||
            apt update >"$log" 2>&1
        return 0
    fi
    # shellcheck disable=SC2086
    set -- $missing
    [ "$(id -u)" = 0 ] ||
        die "packages are missing and only root can install them. As root: apt-get install $*"
    say "installing $# packages: $*"
    { apt update && apt install --no-install-recommends "$@"; } >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        die "apt-get could not install all of: $* (the whole log is $log)"
    }
}

# configure_stale SRC: whether configure must be made anew.
configure_stale() {
    [ ! -e "$1/configure" ] || [ ! -e "$1/Makefile.in" ] ||
        [ -n "$(find "$1/configure.ac" "$1/Makefile.am" -newer "$1/Makefile.in")" ]
}

# build SRC BUILD: generates, configures and makes the hypervisor, with one line per step. Status 1,
# and the compiler's words, if that fails.
build() {
    local src=$1 build=$2 log=$2/build.log
    mkdir -p "$build"
    : >"$log"
    if configure_stale "$src"; then
        step "generating configure" "$log" autoreconf -fi "$src" || return 1
    fi
    if [ ! -e "$build/config.status" ] || [ "$src/configure" -nt "$build/config.status" ]; then
        step "configuring" "$log" in_folder "$build" "$src/configure" || return 1
    fi
    step "building" "$log" make -C "$build" -j"$(nproc)"
}

in_folder() { (cd "$1" && shift && "$@"); }

# step WORDS LOG COMMAND...: one step of a build, whose output only its failure shows.
step() {
    local words=$1 log=$2
    shift 2
    say "$words"
    "$@" >>"$log" 2>&1 && return 0
    grep -aE '(error|undefined reference|multiple definition)[: ]' "$log" | head -n 10 >&2
    tail -n 15 "$log" >&2
    echo "error: $words failed (the whole log is $log)" >&2
    return 1
}

# run_make_group BUILD GROUP: builds and runs a group of tests. A group that cannot be built, or ends
# without results, is one failure of its own.
run_make_group() {
    local build=$1 group=$2 results=$1/logs/$2.results
    mkdir -p "$build/logs"
    if ! step "building the tests of $group" "$build/build.log" \
        make -C "$build" -j"$(nproc)" "build-$group"; then
        echo "FAIL $group/build: it does not build" | tee "$results"
        return
    fi
    make -s --no-print-directory -C "$build" "check-$group" 2>&1 | grep -vE "$MAKE_NOISE|$CLOSING"
    [ -e "$results" ] || echo "FAIL $group/run: it ended without results" | tee "$results"
}
readonly MAKE_NOISE='^make(\[[0-9]+\])?: \*\*\*' CLOSING='^[0-9]+ passed, [0-9]+ failed'

# count_lines WORD BUILD GROUP...: how many result lines start with WORD.
count_lines() {
    local word=$1 build=$2 group
    shift 2
    for group in "$@"; do
        cat "$build/logs/$group.results" 2>/dev/null
    done | grep -c "^$word "
}

# summary BUILD GROUP...: the closing line. Status 0 if something passed and nothing failed.
summary() {
    local passed failed skipped
    passed=$(count_lines PASS "$@")
    failed=$(count_lines FAIL "$@")
    skipped=$(count_lines SKIP "$@")
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
