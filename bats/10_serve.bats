#!/usr/bin/env bats
# gupper serve, as a real process, asked by curl.

load helpers
load serve

setup() { common_setup; mkdir packages; need curl; }
teardown() { common_teardown; }

lists_not() { ! lists "$1"; }

@test "the first line on standard output tells the address" {
  start_server packages
  [[ $SERVER_URL =~ ^http://127\.0\.0\.1:[0-9]+$ ]]
  [ "$(http_status "$SERVER_URL/healthz")" = 200 ]
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
for host in localhost 127.0.0.1 192.0.2.7; do echo "$host $(http_status "http://$host:${url##*:}/healthz")"; done
echo "$url"
kill %1 && wait %1
END
  export -f wait_until has_line field http_status get
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
  [ "$(http_status -r 300000- "$url")" = 416 ]
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
  [ "$(http_status "$SERVER_URL/list")" = 401 ]
  [ "$(http_status -H 'Authorization: Bearer secret' "$SERVER_URL/list")" = 200 ]
  [ "$(http_status -u me:secret "$SERVER_URL/")" = 200 ]
  [ "$(http_status -u me:wrong "$SERVER_URL/")" = 401 ]
  [ "$(http_status "$SERVER_URL/healthz")" = 200 ]
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
    [ "$(http_status "$SERVER_URL/download/$target")" = 404 ] || { echo "$target" >&2; return 1; }
  done
  [ "$(get "$SERVER_URL/list")" = '[]' ]
}
