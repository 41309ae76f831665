#!/usr/bin/env bats
load helpers

setup() {
  common_setup
  CACHE=$XDG_CACHE_HOME/gupper
}
teardown() { common_teardown; }

# put TEXT: puts a package into the cache, last used a day ago; its path is in $BLOB.
put() {
  local hex
  hex=$(printf %s "$1" | sha256sum | cut -c1-64)
  BLOB=$CACHE/sha256/${hex:0:2}/$hex
  mkdir -p "${BLOB%/*}"
  printf %s "$1" >"$BLOB"
  touch -d '1 day ago' "$BLOB"
}

@test "cache: an empty one is listed, verified and pruned silently" {
  for verb in ls verify prune; do
    run_gupper cache "$verb"
    assert_silent
  done
}

@test "cache ls: a record for each package" {
  put one
  run_gupper cache ls
  [ "$(field .digest <<<"$output")" = "sha256:${BLOB##*/}" ]
  [ "$(field .size <<<"$output")" = 3 ]
  [ "$(field .path <<<"$output")" = "$BLOB" ]
}

@test "cache ls --text: a table with a heading" {
  put one
  run_gupper cache ls --text
  [[ ${lines[0]} == DIGEST*SIZE*USED*PATH ]]
}

@test "cache verify: 65 when something was damaged, which is gone then; 0 after that" {
  put one
  put two
  printf TWO >"$BLOB"
  run_gupper 65 cache verify
  assert_stderr_has "$BLOB"
  assert_no_trace
  [ ! -e "$BLOB" ]
  run_gupper cache verify
  [ "${#lines[@]}" = 1 ]
}

@test "cache prune: by size, by age, and what was not finished" {
  put one
  mkdir -p "$CACHE/partial"
  echo half >"$CACHE/partial/url-abc"
  run_gupper cache prune
  [ "$(field .path <<<"$output")" = "$CACHE/partial/url-abc" ]
  run_gupper cache prune --max-size 1K --older-than 2d
  assert_silent
  run_gupper cache prune --older-than 2h
  [ "$(field .removed <<<"$output")" = true ]
  [ ! -e "$BLOB" ]
}

@test "cache: bad flags and verbs are 64" {
  run_gupper 64 cache prune --max-size much
  run_gupper 64 cache prune --older-than long
  run_gupper 64 cache
  run_gupper 64 cache nonsense
}
