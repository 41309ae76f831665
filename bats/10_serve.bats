#!/usr/bin/env bats
# gupper serve, as a real process, asked by curl.

load helpers

setup() { common_setup; mkdir packages; need curl; }
teardown() { common_teardown; }

get() { curl -sS --max-time 20 "$@"; }
status_of() { get -o /dev/null -w '%{http_code}' "$@"; }
lists() { get "$SERVER_URL/list" | grep -qF "\"$1\""; }
lists_not() { ! lists "$1"; }

# A file that curl takes a while to read at the rate that is asked for.
make_large() { head -c "$2" /dev/zero | tr '\0' x >"$1"; }

@test "the first line on standard output tells the address" {
  start_server packages
  [[ $SERVER_URL =~ ^http://127\.0\.0\.1:[0-9]+$ ]]
  [ "$(status_of "$SERVER_URL/healthz")" = 200 ]
}

# In a network of its own, so that nobody else can reach it meanwhile.
@test "without --host all interfaces are listened on, and the printed address works" {
  need ip
  unshare -rn true 2>/dev/null || skip "needs unshare -rn"
  cat >everywhere <<'END'
ip link set lo up && ip address add 192.0.2.7/32 dev lo
gupper serve packages --port 0 >out 2>err &
wait_until 10 has_line out
url=$(field .listening <out)
for host in localhost 127.0.0.1 192.0.2.7; do echo "$host $(status_of "http://$host:${url##*:}/healthz")"; done
echo "$url"
kill %1 && wait %1
END
  export -f wait_until has_line field status_of get
  run -0 unshare -rn bash everywhere
  [ "${lines[0]}" = "localhost 200" ]
  [ "${lines[1]}" = "127.0.0.1 200" ]
  [ "${lines[2]}" = "192.0.2.7 200" ]
  [[ ${lines[3]} =~ ^http://localhost:[0-9]+$ ]]
}

@test "the ancestor's clients find names at /list and bytes at /download" {
  printf one >packages/app-1.9.3-linux-amd64
  printf two >packages/app-1.10-darwin-amd64
  start_server packages
  [ "$(get "$SERVER_URL/list")" = '["app-1.10-darwin-amd64","app-1.9.3-linux-amd64"]' ]
  [ "$(get "$SERVER_URL/download/app-1.9.3-linux-amd64")" = one ]
}

@test "gupper's own clients find records, filtered by the server" {
  printf one >packages/app-1.0.0-linux-amd64
  printf two >packages/app-2.0.0-linux-amd64
  start_server packages
  run_gupper list "$SERVER_URL" --os linux --arch amd64
  [ "${#lines[@]}" = 1 ]
  [ "$(field .version <<<"$output")" = 2.0.0 ]
  [ "$(field .url <<<"$output")" = "$SERVER_URL/download/app-2.0.0-linux-amd64" ]
  [ "$(field .digest <<<"$output")" = "sha256:$(printf two | sha256sum | cut -d' ' -f1)" ]
}

@test "curl resumes a download, and gets ranges" {
  head -c 300000 /dev/urandom >packages/app-1.0.0-linux-amd64
  start_server packages
  local url=$SERVER_URL/download/app-1.0.0-linux-amd64
  head -c 100000 packages/app-1.0.0-linux-amd64 >part
  get -C - -o part "$url"
  cmp part packages/app-1.0.0-linux-amd64
  get -r 5-9 -o range "$url"
  cmp range <(tail -c +6 packages/app-1.0.0-linux-amd64 | head -c 5)
  [ "$(status_of -r 300000- "$url")" = 416 ]
}

@test "a package that is moved in appears; one that is still copied does not" {
  start_server packages --settle 200ms
  exec {slow}>packages/slow-1.0.0-linux-amd64
  printf half >&"$slow"
  printf x >incoming
  mv incoming packages/app-1.0.0-linux-amd64
  wait_until 10 lists app-1.0.0-linux-amd64
  lists_not slow-1.0.0-linux-amd64
  printf whole >&"$slow"
  exec {slow}>&-
  wait_until 10 lists slow-1.0.0-linux-amd64
  [ "$(get "$SERVER_URL/download/slow-1.0.0-linux-amd64")" = halfwhole ]
}

@test "rsync's files in the making are not listed" {
  need rsync
  start_server packages --settle 100ms
  make_large app-1.0.0-linux-amd64 3000000
  rsync --bwlimit=2000 app-1.0.0-linux-amd64 packages/ &
  local pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    local seen
    seen=$(get "$SERVER_URL/list")
    [ "$seen" = '[]' ] || [ "$seen" = '["app-1.0.0-linux-amd64"]' ]
  done
  wait "$pid"
  wait_until 10 lists app-1.0.0-linux-amd64
  get "$SERVER_URL/download/app-1.0.0-linux-amd64" | cmp - app-1.0.0-linux-amd64
}

@test "an event tells of a package when it appears" {
  start_server packages --settle 100ms
  spawn events events.err curl -sSN --max-time 20 "$SERVER_URL/events"
  wait_until 10 grep -q '^id: ' events
  printf x >incoming
  mv incoming packages/app-1.0.0-linux-amd64
  wait_until 10 grep -q '^data: .*"file":"app-1.0.0-linux-amd64"' events
  kill "$SPAWNED_PID"
}

@test "the access log is on standard error, a line a request; --quiet silences it, --log json makes it JSON" {
  start_server packages
  get -o /dev/null "$SERVER_URL/list"
  wait_until 10 grep -qE '^[0-9T:-]+Z GET /list 200 3 [0-9.]+ms from 127\.0\.0\.1:[0-9]+$' "$SERVER_ERR"
  start_server packages --log json
  get -o /dev/null "$SERVER_URL/list"
  wait_until 10 grep -q '"url":"/list","status":200' "$SERVER_ERR"
  start_server packages --quiet
  get -o /dev/null "$SERVER_URL/list"
  kill -TERM "$SERVER_PID"
  wait_until 10 has_ended "$SERVER_PID"
  [ ! -s "$SERVER_ERR" ]
}

@test "with a token file every route but /healthz wants a token" {
  printf 'secret\n' >tokens && chmod 600 tokens
  start_server packages --token-file tokens
  [ "$(status_of "$SERVER_URL/list")" = 401 ]
  [ "$(status_of -H 'Authorization: Bearer secret' "$SERVER_URL/list")" = 200 ]
  [ "$(status_of -u me:secret "$SERVER_URL/")" = 200 ]
  [ "$(status_of -u me:wrong "$SERVER_URL/")" = 401 ]
  [ "$(status_of "$SERVER_URL/healthz")" = 200 ]
}

@test "HTTPS with a certificate and its key" {
  need openssl
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
  printf x >packages/app-1.0.0-linux-amd64
  start_server packages --tls-cert cert.pem --tls-key key.pem
  [[ $SERVER_URL == https://* ]]
  [ "$(get --cacert cert.pem "$SERVER_URL/download/app-1.0.0-linux-amd64")" = x ]
}

@test "nothing outside the directory is served" {
  printf secret >secret
  printf secret >packages/.hidden
  ln -s ../secret packages/link-1.0.0-linux-amd64
  mkfifo packages/pipe-1.0.0-linux-amd64
  start_server packages
  local target
  for target in ../secret ..%2fsecret %2e%2e%2fsecret %252e%252e%252fsecret '..\secret' .hidden \
    link-1.0.0-linux-amd64 pipe-1.0.0-linux-amd64 /etc/passwd %00 . ..; do
    [ "$(status_of --path-as-is "$SERVER_URL/download/$target")" = 404 ] || { echo "$target" >&2; return 1; }
  done
  [ "$(get "$SERVER_URL/list")" = '[]' ]
}

# --- misbehaviour ---

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
  local status=0
  wait "$SERVER_PID" || status=$?
  [ "$status" = 0 ]
  cmp big packages/app-1.0.0-linux-amd64
}

@test "--drain bounds how long that takes" {
  make_large packages/app-1.0.0-linux-amd64 20000000
  start_server packages --drain 100ms
  spawn big big.err curl -sS --limit-rate 1k --max-time 30 "$SERVER_URL/download/app-1.0.0-linux-amd64"
  wait_until 10 test -s big
  kill -TERM "$SERVER_PID"
  wait_until 10 has_ended "$SERVER_PID"
  local status=0
  wait "$SERVER_PID" || status=$?
  [ "$status" = 0 ]
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
  answers() { [ "$(status_of "$SERVER_URL/list")" = "$1" ]; }
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
  [ "$(status_of "$SERVER_URL/download/app-1.0.0-linux-amd64")" = 404 ]
  truncate -s 1000 packages/app-2.0.0-linux-amd64
  local status
  status=$(status_of "$SERVER_URL/download/app-2.0.0-linux-amd64")
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
  [ "$(status_of "$SERVER_URL/list")" = 200 ]
  kill -TERM "$pid"
  local status=0
  wait "$pid" || status=$?
  [ "$status" = 0 ]
}

@test "a read-only directory and a cache that cannot be written are no trouble" {
  printf x >packages/app-1.0.0-linux-amd64
  chmod a-w packages
  rm -rf "$XDG_CACHE_HOME/gupper" && mkdir -p "$XDG_CACHE_HOME" && printf x >"$XDG_CACHE_HOME/gupper"
  start_server packages
  lists app-1.0.0-linux-amd64
  chmod u+w packages
}
