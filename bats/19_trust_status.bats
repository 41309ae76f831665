#!/usr/bin/env bats
# gupper trust status: how a repository stands, and what will soon need its keys.

load helpers
load repository
setup() {
  common_setup
  init
  app 1.0.0 | publish >/dev/null
}
teardown() { common_teardown; }

@test "trust status: a line a role, 0, without keys; with keys it says which are at hand" {
  run_gupper trust status repo
  [ "$(grep -c . <<<"$output")" = 4 ]
  [ "$(role_status timestamp)" = ok ]
  [ -z "$stderr" ]
  run_gupper trust status repo --keys keys --text
  assert_output_has "ROLE"
  assert_output_has '*'
}

@test "trust status: over HTTP and from a tar" {
  start_server repo
  run_gupper trust status "$SERVER_URL"
  [ "$(grep -c '"state":"ok"' <<<"$output")" = 4 ]
  tar -cf repo.tar -C repo .
  run_gupper trust status repo.tar
  [ "$(grep -c '"state":"ok"' <<<"$output")" = 4 ]
  run_gupper 69 trust status pkgs
  run_gupper 69 trust status nowhere
  run_gupper 64 trust status
}

@test "trust status: 1 when something expires soon, by its own measure" {
  # Signed every day, a timestamp of a week alarms only when nobody has signed it for half of that.
  gupper trust refresh repo --keys keys --expires timestamp=4d
  run_gupper trust status repo
  gupper trust refresh repo --keys keys --expires timestamp=3d
  run_gupper 1 trust status repo
  [ "$(role_status timestamp)" = expiring ]
  run_gupper trust status repo --expires timestamp=3d
  run_gupper trust status repo --within 2d
  run_gupper 1 trust status repo --within 2000d
  run_gupper 64 trust status repo --within soon
  gupper trust init short --keys keys --expires root=10d --quiet >/dev/null
  run_gupper 1 trust status short
  run_gupper trust status short --within 9d
}

@test "trust status: a file that its keys have not signed, or that is gone, is seen, 1" {
  sed -i 's/"version":2/"version":3/' repo/metadata/timestamp.json
  run_gupper 1 trust status repo
  [ "$(role_status timestamp)" = unsigned ]
  rm repo/metadata/2.targets.json
  run_gupper 1 trust status repo
  [ "$(role_status targets)" = missing ]
  printf '{' >repo/metadata/timestamp.json
  run_gupper 77 trust status repo
  assert_no_trace
}

@test "trust status: what a run that was cut off has left is a row of its own" {
  mkdir repo/.gupper/turn.new
  run_gupper trust status repo
  [ "$(field .leftover <<<"${lines[-1]}")" = "$PWD/repo/.gupper/turn.new" ]
  run_gupper trust status repo --text
  [[ "${lines[-1]}" =~ ^-\ +-\ +left\ behind:\ .*/turn\.new\ +-\ +-$ ]]
}
