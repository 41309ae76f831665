#!/usr/bin/env bats
# gupper serve when flags, directories, clients and signals are not as they should be.

load helpers
load serve

setup() { common_setup; mkdir packages; need curl; }
teardown() { common_teardown; }

@test "flags that make no sense are usage errors" {
  run_gupper 64 serve
  assert_stderr_has 'which directory?'
  run_gupper 64 serve packages --port http
  assert_stderr_has '--port is a number'
  run_gupper 64 serve packages --port 65536
  run_gupper 64 serve packages --tls-cert cert.pem
  assert_stderr_has '--tls-cert and --tls-key go together'
  run_gupper 64 serve packages --settle soon
  run_gupper 64 serve packages --public-url nowhere
  assert_no_trace
}

@test "a directory that is missing, or a file, is a clear error" {
  run_gupper 69 serve nowhere --port 0
  assert_stderr_has 'nowhere: no such file or directory'
  printf x >file
  run_gupper 69 serve file --port 0
  assert_stderr_has 'it is not a directory'
  assert_no_trace
}

@test "a port that is taken is a clear error" {
  start_server packages
  run_gupper 69 serve packages --host 127.0.0.1 --port "${SERVER_URL##*:}"
  assert_stderr_has 'it is taken'
  assert_stderr_has '--port'
  assert_no_trace
}

@test "a token file without tokens is refused; one that others can read is warned of" {
  printf '# none\n' >tokens && chmod 600 tokens
  run_gupper 78 serve packages --port 0 --token-file tokens
  assert_stderr_has 'no token in'
  printf 'secret\n' >tokens && chmod 644 tokens
  start_server packages --token-file tokens
  wait_until 10 grep -q 'can be read by everyone' "$SERVER_ERR"
}

@test "SIGTERM lets a download finish, takes no one new, and ends with 0" {
  make_large packages/app-1.0.0-linux-amd64 20000000
  start_server packages
  spawn big big.err curl -sS --limit-rate 10M --max-time 30 "$SERVER_URL/download/app-1.0.0-linux-amd64"
  local client=$SPAWNED_PID
  wait_until 10 test -s big
  kill -TERM "$SERVER_PID"
  refused() { ! curl -sf --max-time 5 "$SERVER_URL/healthz" >/dev/null; }
  wait_until 10 refused
  wait "$client"
  ends_with 0 "$SERVER_PID"
  cmp big packages/app-1.0.0-linux-amd64
}

@test "--drain bounds how long that takes" {
  make_large packages/app-1.0.0-linux-amd64 20000000
  start_server packages --drain 100ms
  spawn big big.err curl -sS --limit-rate 1k --max-time 30 "$SERVER_URL/download/app-1.0.0-linux-amd64"
  wait_until 10 test -s big
  kill -TERM "$SERVER_PID"
  ends_with 0 "$SERVER_PID"
}

@test "SIGTERM ends idle connections and event streams at once" {
  start_server packages
  spawn events events.err curl -sSN --max-time 20 "$SERVER_URL/events"
  wait_until 10 grep -q '^id: ' events
  kill -TERM "$SERVER_PID"
  wait_until 5 has_ended "$SERVER_PID"
  wait_until 5 has_ended "$SPAWNED_PID"
}

@test "killed at once and started again, it serves what is there" {
  make_large packages/app-1.0.0-linux-amd64 5000000
  for _ in 1 2 3; do
    start_server packages
    kill -KILL "$SERVER_PID"
  done
  start_server packages
  get "$SERVER_URL/download/app-1.0.0-linux-amd64" | cmp - packages/app-1.0.0-linux-amd64
  [ "$(find "$XDG_CACHE_HOME/gupper/index" -type f 2>/dev/null | wc -l)" -le 1 ]
}

@test "a directory that vanishes is said to be gone, and served again when it is back" {
  printf x >packages/app-1.0.0-linux-amd64
  start_server packages
  mv packages away
  answers() { [ "$(http_status "$SERVER_URL/list")" = "$1" ]; }
  wait_until 15 answers 503
  grep -q 'cannot be read any more' "$SERVER_ERR"
  mv away packages
  wait_until 15 answers 200
  [ "$(get "$SERVER_URL/download/app-1.0.0-linux-amd64")" = x ]
}

@test "a package that is deleted is not found; one that is cut short is never served as whole" {
  make_large packages/app-1.0.0-linux-amd64 3000000
  make_large packages/app-2.0.0-linux-amd64 3000000
  start_server packages
  rm packages/app-1.0.0-linux-amd64
  [ "$(http_status "$SERVER_URL/download/app-1.0.0-linux-amd64")" = 404 ]
  truncate -s 1000 packages/app-2.0.0-linux-amd64
  local status
  status=$(http_status "$SERVER_URL/download/app-2.0.0-linux-amd64")
  [ "$status" = 503 ] || [ "$status" = 404 ]
  wait_until 10 lists app-2.0.0-linux-amd64
  [ "$(get "$SERVER_URL/download/app-2.0.0-linux-amd64" | wc -c)" = 1000 ]
}

@test "it goes on when the reader of its standard output has gone" {
  mkfifo pipe
  spawn pipe err gupper serve packages --host 127.0.0.1 --port 0
  local pid=$SPAWNED_PID
  head -1 pipe >first
  SERVER_URL=$(field .listening <first)
  [ "$(http_status "$SERVER_URL/list")" = 200 ]
  kill -TERM "$pid"
  ends_with 0 "$pid"
}

@test "a read-only directory and a cache that cannot be written are no trouble" {
  printf x >packages/app-1.0.0-linux-amd64
  chmod a-w packages
  rm -rf "$XDG_CACHE_HOME/gupper" && mkdir -p "$XDG_CACHE_HOME" && printf x >"$XDG_CACHE_HOME/gupper"
  start_server packages
  lists app-1.0.0-linux-amd64
  chmod u+w packages
}
