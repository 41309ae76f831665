#!/usr/bin/env bats
load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# put VERSION…: installs these versions of a program at ./app, one after the other.
put() {
  local version file
  for version; do
    file=packages/app-$version-any-any
    make_program "$file" "$version"
    describe_package app "$version" "$file" >"$version.ndjson"
    run_gupper install --to app <"$version.ndjson"
  done
}

@test "rollback: the version before stands there again, without its package" {
  put 1.0.0 1.1.0
  rm -r packages
  run_gupper rollback app
  [ "$(field .version <<<"$output")" = 1.0.0 ]
  [ "$(field .installed <<<"$output")" = "{\"path\":\"$PWD/app\",\"changed\":true,\"previous\":\"1.1.0\",\"rolled_back\":true}" ]
  assert_version ./app 1.0.0
}

@test "rollback: what was taken back is not installed again unless asked for" {
  put 1.0.0 1.1.0
  run_gupper rollback app
  run_gupper 65 install --to app <1.1.0.ndjson
  [ "$(field .error.code <<<"$output")" = rejected ]
  assert_version ./app 1.0.0
  run_gupper select --newer-than ./app --all <1.1.0.ndjson
  assert_output_is ''
  run_gupper install --to app --again <1.1.0.ndjson
  assert_version ./app 1.1.0
}

@test "rollback: --version goes to a kept version by name, and forgives it" {
  put 1.0.0 1.1.0 1.2.0
  run_gupper rollback app
  run_gupper rollback app --version 1.2.0
  assert_version ./app 1.2.0
  run_gupper install --to app <1.2.0.ndjson
  [ "$(field .installed.changed <<<"$output")" = false ]
  run_gupper rollback app --version 1.0.0
  assert_version ./app 1.0.0
}

@test "rollback: --list shows what is kept, and changes nothing" {
  put 1.0.0 1.1.0
  run_gupper rollback app --list
  [ "${#lines[@]}" = 2 ]
  [ "$(field .version <<<"${lines[1]}")" = 1.1.0 ]
  [ "$(field .current <<<"${lines[1]}")" = true ]
  run_gupper rollback app --list --text
  assert_output_has '*  1.1.0'
  assert_version ./app 1.1.0
}

@test "rollback: --dry-run says where it would go" {
  put 1.0.0 1.1.0
  run_gupper rollback app --dry-run
  [ "$(field .installed.dry_run <<<"$output")" = true ]
  assert_version ./app 1.1.0
}

# Misbehaviour

@test "rollback: the answer is no, 1, where there is nothing to go back to" {
  put 1.0.0
  run_gupper 1 rollback app
  assert_stderr_has 'no earlier version'
  run_gupper 1 rollback app --version 0.1
  assert_stderr_has 'not kept'
  make_program other 1.0.0
  run_gupper 1 rollback other
  run_gupper 64 rollback nothing
  run_gupper 64 rollback
  run_gupper 64 rollback app --version newest
  assert_no_trace
  assert_version ./app 1.0.0
}

@test "rollback: a slot that was written to is not switched to, 65" {
  put 1.0.0 1.1.0
  echo 'echo more' >>.gupper/app/slots/1.0.0-*/app
  run_gupper 65 rollback app
  [ "$(field .error.code <<<"$output")" = damaged ]
  assert_version ./app 1.1.0
}

@test "rollback: the program runs at every moment of twenty rollbacks to and fro" {
  put 1.0.0 1.1.0
  spawn reads err sh -c 'n=0; trap "echo \$n; exit" TERM; while :; do ./app --version >/dev/null || echo wrong; n=$((n + 1)); done'
  for i in $(seq 10); do
    run_gupper rollback app --version 1.0.0
    run_gupper rollback app --version 1.1.0
  done
  kill -TERM "$SPAWNED_PID"
  wait "$SPAWNED_PID"
  [ "$(wc -l <reads)" = 1 ] && [ "$(<reads)" -gt 20 ]
}

@test "rollback: a reader that has gone does not keep it from its work" {
  put 1.0.0 1.1.0
  run_sh 'gupper rollback app | true'
  [ -z "$stderr" ]
  assert_version ./app 1.0.0
}

@test "rollback: a file whose name could be no service is one all the same" {
  put 1.0.0 1.1.0
  run_gupper install --allow-downgrade --to 'my app' <1.0.0.ndjson
  run_gupper install --to 'my app' <1.1.0.ndjson
  run_gupper rollback 'my app'
  assert_version './my app' 1.0.0
}
