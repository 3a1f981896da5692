# To be sourced by the tests of the examples: servers and what they say.
#
#   start SERVER [ARGUMENT...]    runs a server until it is READY; its address is in $address, its process in $server
#   stop                          ends it with SIGTERM; its exit code is in $code
#   run PROGRAM [ARGUMENT...]     runs a client; what it said is in $output, its exit code in $code
#   expect WHAT TEXT              fails the test unless $output has TEXT
#
# Nothing sleeps: `start` reads what the server prints until the READY line, or until it prints no more.

server= address= output= code=

fail() {
  echo "FAILED: $*" >&2
  [[ -z $output ]] || printf 'The last output was:\n%s\n' "$output" >&2
  exit 1
}

start() {
  local line lines
  exec {lines}< <(exec "$@" 2>&1)
  server=$! address=
  while read -r -t 30 -u "$lines" line; do
    echo "server: $line"
    if [[ $line == "READY "* ]]; then
      address=${line#READY }
      # What it says from now on is passed on while it runs.
      sed 's/^/server: /' <&"$lines" &
      exec {lines}<&-
      return
    fi
  done
  fail "the server is not ready: $*"
}

stop() {
  kill -TERM "$server" || fail "the server is gone before it was stopped"
  code=0
  wait "$server" || code=$?
  server=
}

run() {
  code=0
  output=$("$@" 2>&1) || code=$?
  printf '%s\n' "$output"
}

expect() {
  [[ $output == *"$2"* ]] || fail "$1: no '$2' in the output"
}

at_exit() {
  [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
}
trap at_exit EXIT
