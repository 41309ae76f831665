#!/usr/bin/env bats
# gupper serve with a signed repository: its files as they lie there, asked by curl.

load helpers
load serve

setup() {
  common_setup
  need curl
  mkdir -p repo/metadata repo/targets
  printf one >repo/app-1.0.0-any-any
  TARGET=$(printf one | sha256sum | cut -d' ' -f1).app-1.0.0-any-any
  ln repo/app-1.0.0-any-any "repo/targets/$TARGET"
  echo '{"version":1}' >repo/metadata/timestamp.json
  echo '{"root":1}' >repo/metadata/1.root.json
}
teardown() { common_teardown; }

renew() { echo "$1" >repo/metadata/new && mv repo/metadata/new repo/metadata/timestamp.json; }

@test "serve: metadata and targets are there, the ancestor's routes too" {
  start_server repo
  [ "$(get "$SERVER_URL/metadata/timestamp.json")" = '{"version":1}' ]
  [ "$(get "$SERVER_URL/targets/$TARGET")" = one ]
  [ "$(get "$SERVER_URL/list")" = '["app-1.0.0-any-any"]' ]
  [ "$(get "$SERVER_URL/download/app-1.0.0-any-any")" = one ]
}

@test "serve: what carries its version in its name may be kept, the timestamp is asked for again: 304" {
  start_server repo
  get -D headers "$SERVER_URL/metadata/1.root.json" >/dev/null
  grep -qi '^cache-control: .*immutable' headers
  get -D headers "$SERVER_URL/metadata/timestamp.json" >/dev/null
  grep -qi '^cache-control: no-cache' headers
  get --etag-save tag "$SERVER_URL/metadata/timestamp.json" >/dev/null
  [ "$(http_status --etag-compare tag "$SERVER_URL/metadata/timestamp.json")" = 304 ]
  renew '{"version":2}'
  [ "$(http_status --etag-compare tag "$SERVER_URL/metadata/timestamp.json")" = 200 ]
}

@test "serve: a download of a target is resumed" {
  head -c 1000000 /dev/urandom >big
  local name
  name=$(sha256sum big | cut -d' ' -f1).big-1.0.0-any-any
  mv big "repo/targets/$name"
  start_server repo
  head -c 600000 "repo/targets/$name" >got
  get -C - -o got "$SERVER_URL/targets/$name"
  cmp got "repo/targets/$name"
}

@test "serve: nothing outside of the two folders is reached, no folder is listed" {
  echo secret >secret
  mkdir repo/.gupper && echo secret >repo/.gupper/lock
  ln -s ../../secret repo/metadata/2.root.json
  start_server repo
  local path
  for path in /metadata/ /targets/ /metadata/../../secret /metadata/%2e%2e/%2e%2e/secret \
    /metadata/..%2f..%2fsecret /metadata/2.root.json /.gupper/lock /metadata/..%2f.gupper%2flock \
    /metadata/%00 /metadata/1.root.json%00 /download/.gupper%2flock /download/metadata%2f1.root.json; do
    [ "$(http_status "$SERVER_URL$path")" = 404 ] || { echo "reached: $path" >&2; return 1; }
  done
}

@test "serve: those who listen are told of a new timestamp" {
  start_server repo
  spawn events /dev/null curl -sSN --max-time 60 "$SERVER_URL/events"
  wait_until 10 has_line events
  renew '{"version":2}'
  wait_until 10 grep -q '^event: timestamp' events
}
