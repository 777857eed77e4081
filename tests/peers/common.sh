# What the scripts in this folder share. Each sources it first, and stands in the root of the repository afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export CARGO_TERM_COLOR=never PATH=$PATH:/usr/sbin
# The proxies of whoever runs this have no part in it.
unset HTTPS_PROXY HTTP_PROXY ALL_PROXY NO_PROXY https_proxy http_proxy all_proxy no_proxy
peer=$(basename "$0")
work=$(mktemp -d)
started=()

finish() {
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
}
trap finish EXIT

# Ends the script without an error if a program is not there and cannot be installed.
need() { # COMMAND PACKAGE...
    local command=$1 sudo=
    shift
    command -v "$command" >/dev/null && return
    [ "$(id -u)" = 0 ] || sudo='sudo -n'
    if ! { command -v apt-get && $sudo apt-get update -q &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; } \
        </dev/null >"$work/apt" 2>&1; then
        skip "there is no $command, and apt-get cannot install it: $(tail -n 1 "$work/apt")"
    fi
}

skip() { # REASON
    echo "$peer: skipped: $1"
    exit 0
}

fail() { # MESSAGE
    echo "$peer: FAILED: $1" >&2
    for log in "$work"/*.err "$work"/*.log "$work"/*/*.log; do
        [ -s "$log" ] && { echo "--- $(basename "$log")"; tail -n 20 "$log"; } >&2
    done
    exit 1
}

# Waits until a file holds a line, or the program that writes it has ended.
until_line() { # FILE PATTERN PROCESS
    until grep -q "$2" "$1" 2>/dev/null; do
        kill -0 "$3" 2>/dev/null || fail "a program ended before it printed $2"
        sleep 0.1
    done
}

# Waits until somebody listens on a port, or the program that is to do so has ended.
until_open() { # PORT PROCESS
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.1
    done
}

# Prints so many ports that are free just now.
free_ports() { # NUMBER
    local found=() port
    while [ ${#found[@]} -lt "$1" ]; do
        port=$((20000 + RANDOM % 12000))
        [[ " ${found[*]} " = *" $port "* ]] && continue
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || found+=("$port")
    done
    echo "${found[*]}"
}

# Starts a simulator, and sets the variables that it prints: IMAGEN_BASE_URL, IMAGEN_API_KEY and the projects.
simulator() { # LATENCY_MS
    cargo run -q -p imagen-ai-simulator -- --port 0 --latency "$1" >"$work/simulator-$1" 2>"$work/simulator-$1.err" &
    started+=($!)
    until_line "$work/simulator-$1" '^PROFILE_KEY=' $!
    set -a
    . "$work/simulator-$1"
    set +a
}

# Makes calls with the program in client/, and prints what each gave. What it says of errors is kept for a failure.
call() { # BASE_URL ARGUMENT...
    local base_url=$1
    shift
    IMAGEN_BASE_URL=$base_url "$client" "$@" 2>"$work/client.err"
}

# Prints how many lines of a server's log match, once so many do: it writes a line after the answer.
counted() { # FILE PATTERN AT_LEAST
    local lines tries
    for tries in {1..100}; do
        lines=$(grep -Ec "$2" "$1" || true)
        [ "$lines" -lt "$3" ] || break
        sleep 0.1
    done
    echo "$lines"
}

# Compares what came with what is expected.
same() { # WHAT CAME EXPECTED
    [ "$2" = "$3" ] || fail "$1: expected
$3
and there is
$2"
}

# Says what was shown.
shown() { # SENTENCE
    echo "$peer: $1"
}

cargo build -q -p imagen-ai-simulator
# What it needs is built already, as a rule.
cargo build -q --manifest-path tests/peers/client/Cargo.toml --target-dir target
client=$PWD/target/debug/peers-client
