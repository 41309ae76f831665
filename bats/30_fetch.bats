#!/usr/bin/env bats
load helpers

setup() {
  common_setup
  CACHE=$XDG_CACHE_HOME/gupper
  mkdir served
  head -c 3000000 /dev/urandom >served/app-1.0.0-any-any
}
teardown() { common_teardown; }

# sin NAME: starts the hostile server; its address is in $URL, the records of what it has in ./records.
sin() {
  start_hostile "$@"
  curl -fsS -H 'accept: application/x-ndjson' "$URL/list" >records
}

blobs() { find "$CACHE/sha256" -type f 2>/dev/null | wc -l; }
partial_size() { find "$CACHE/partial" -type f ! -name '*.json' -size +0 -printf '%s' 2>/dev/null; }
has_partial() { [ -n "$(partial_size)" ]; }

@test "fetch: the bytes are in the cache and in the directory, and the record says so" {
  need curl
  sin none
  run_gupper fetch --into out <records
  assert_silent_stderr
  cmp served/app-1.0.0-any-any out/app-1.0.0-any-any
  [ "$(field .path <<<"$output")" = "$PWD/out/app-1.0.0-any-any" ]
  [ "$(field .proofs <<<"$output")" = '[{"by":"digest"}]' ]
  [ "$(blobs)" = 1 ]
}

@test "fetch: nothing in, nothing out, 0" {
  run_gupper fetch </dev/null
  assert_silent
}

@test "fetch: what is in the cache needs no server" {
  need curl
  sin none
  run_gupper fetch <records
  kill "$SERVER_PID"
  wait_until 10 has_ended "$SERVER_PID"
  run_gupper fetch <records
  cmp served/app-1.0.0-any-any "$(field .path <<<"$output")"
}

@test "fetch: a failure of an earlier step travels through, with its status, and what follows it is fetched" {
  need curl
  sin none
  local failure='{"error":{"step":"list","code":"unreachable","exit":69,"message":"no","record":{"a":1}}}'
  run_gupper 69 fetch < <(echo "$failure"; cat records)
  [ "${lines[0]}" = "$failure" ]
  [ "$(field .file <<<"${lines[1]}")" = app-1.0.0-any-any ]
}

@test "fetch: what is not a record is told with its line, 65, and the rest is done" {
  need curl
  sin none
  run_gupper 65 fetch < <(echo '[]'; cat records)
  assert_stderr_has 'line 1'
  assert_no_trace
  [ "$(blobs)" = 1 ]
}

misbehaves() {
  need curl
  sin "$2"
  run_gupper "$1" fetch --into out <records
  [ "$(field .error.exit <<<"$output")" = "$1" ]
  [ "$(field .error.step <<<"$output")" = fetch ]
  assert_no_trace
  [ "$(blobs)" = 0 ]
  [ -z "$(ls -A out 2>/dev/null)" ]
}

@test "misbehaviour: wrong digest, 65" { misbehaves 65 wrong-digest; [ -z "$(find "$CACHE/partial" -type f)" ]; }
@test "misbehaviour: wrong size, 65" { misbehaves 65 wrong-size; }
@test "misbehaviour: sends more than it said, 65" { misbehaves 65 sends-more; }
@test "misbehaviour: never ends, 65" { misbehaves 65 never-ends; }
@test "misbehaviour: 206 for another file, 76" { misbehaves 76 other-file; }
@test "misbehaviour: wrong range, 76" { misbehaves 76 wrong-range; }
@test "misbehaviour: gzip bomb, 76" { misbehaves 76 gzip-bomb; }
@test "misbehaviour: endless redirects, 76" { misbehaves 76 redirects-for-ever; }
@test "misbehaviour: redirect to a file, 76" { misbehaves 76 redirects-to-file; }
@test "misbehaviour: huge headers, 76" { misbehaves 76 huge-headers; }
@test "misbehaviour: not HTTP, 76" {
  sin_record not-http
  run_gupper 76 fetch <records
  assert_no_trace
}
@test "misbehaviour: truncates again and again, 69" { misbehaves 69 truncates; }
@test "misbehaviour: resets again and again, 69" { misbehaves 69 resets; }

# The record of a server that does not even answer to /list as it should.
sin_record() {
  start_hostile "$1"
  echo '{"schema":1,"name":"app","version":"1.0.0","os":"any","arch":"any","file":"app-1.0.0-any-any","url":"'"$URL"'/download/app-1.0.0-any-any"}' >records
}

@test "misbehaviour: a token is wanted, 69, and the hint says how to give it" {
  sin_record unauthorized
  run_gupper 69 fetch <records
  assert_stderr_has --token-file
}

@test "misbehaviour: no such package, 69" {
  sin_record not-found
  run_gupper 69 fetch <records
  [ "$(field .error.code <<<"$output")" = not-found ]
}

@test "fetch: killed in the middle, the next run goes on where it was cut off" {
  need curl
  sin stalls-once
  spawn fetch.out fetch.err sh -c 'exec gupper fetch --into out <records'
  wait_until 20 has_partial
  kill_hard "$SPAWNED_PID"
  [ ! -e out/app-1.0.0-any-any ]
  local had
  had=$(partial_size)
  run_gupper fetch --into out --verbose <records
  assert_stderr_has "going on from byte $had"
  cmp served/app-1.0.0-any-any out/app-1.0.0-any-any
  [ -z "$(find "$CACHE/partial" -type f)" ]
}

@test "fetch: two at once download once, and both have it" {
  need curl
  sin none
  spawn one.out one.err sh -c 'exec gupper fetch --into one <records'
  local first=$SPAWNED_PID
  run_gupper fetch --into two <records
  wait_until 20 has_ended "$first"
  cmp one/app-1.0.0-any-any two/app-1.0.0-any-any
  [ "$(blobs)" = 1 ]
}

@test "fetch: a full disk, 73, and what was there stays" {
  need curl
  mount_small small 2m
  echo precious >small/precious
  sin none
  XDG_CACHE_HOME=$PWD/small run_gupper 73 fetch <records
  [ "$(field .error.code <<<"$output")" = no-space ]
  [ "$(find small -type f -size +0 ! -name '*.json')" = small/precious ]
  [ "$(df --output=avail small | tail -1)" -gt 1000 ]
}

@test "fetch: a directory that cannot be written, 73" {
  need curl
  sin none
  echo file >out
  run_gupper 73 fetch --into out <records
  assert_no_trace
}

@test "fetch: bad flags are 64" {
  run_gupper 64 fetch --jobs 0 </dev/null
  run_gupper 64 fetch --jobs many </dev/null
  run_gupper 64 fetch --nonsense </dev/null
}

@test "fetch: a name with spaces, quotes and non-ASCII" {
  need curl
  local name=$'it\'s "größer"-1.0.0-any-any'
  mv served/app-1.0.0-any-any "served/$name"
  sin none
  run_gupper fetch --into out <records
  cmp "served/$name" "out/$name"
}

assert_silent_stderr() { [ -z "$stderr" ] || { echo "stderr: $stderr" >&2; return 1; }; }
