#!/usr/bin/env bats
# gupper install: what is proven and fits stands at PATH, and what stood there before is kept.

load helpers
load install
setup() { common_setup; }
teardown() { common_teardown; }

@test "install: a program stands at PATH and the record says so" {
  run_gupper install --to ./app < <(record 1.0.0)
  [ "$(field .installed <<<"$output")" = "{\"path\":\"$PWD/app\",\"changed\":true}" ]
  [ -z "$stderr" ]
  assert_version ./app 1.0.0
}

@test "install: the next version takes its place, and the one that stood there before gupper is kept" {
  make_program app 0.9.0
  run_gupper install --to app < <(record 1.0.0)
  [ "$(field .installed.previous <<<"$output")" = 0.9.0 ]
  run_gupper install --to app < <(record 1.1.0)
  [ "$(field .installed.previous <<<"$output")" = 1.0.0 ]
  assert_version ./app 1.1.0
  [ "$(slots)" = 3 ]
}

@test "install: what stands there already is not touched, and its package is not needed" {
  record 1.0.0 >line
  run_gupper install --to app <line
  local before
  before=$(stat -c '%i %z' app)
  rm packages/*
  run_gupper install --to app <line
  [ "$(field .installed.changed <<<"$output")" = false ]
  [ "$(stat -c '%i %z' app)" = "$before" ]
}

@test "install: an archive becomes a symlink to a tree, with --pick a plain program" {
  run_gupper install --to app < <(tree_record 1.0.0)
  [[ $(readlink app) == .gupper/app/slots/1.0.0-* ]]
  assert_version app/bin/app 1.0.0
  run_gupper install --to bin/ --pick app < <(tree_record 1.1.0)
  [ -f bin/app ] && [ ! -L bin/app ]
  assert_version bin/app 1.1.0
}

@test "install: DIR/ takes each record under its name" {
  record 1.0.0 >lines
  cp packages/app-1.0.0-any-any packages/tool-1.0.0-any-any
  describe_package tool 1.0.0 packages/tool-1.0.0-any-any >>lines
  run_gupper install --to bin/ <lines
  assert_version bin/app 1.0.0
  assert_version bin/tool 1.0.0
}

@test "install: a program that is running is replaced" {
  local line='[ "$1" != stay ] || { echo up; read line; echo "still here"; }'
  run_gupper install --to app < <(record 1.0.0 "$line")
  mkfifo in
  spawn out err sh -c './app stay <in'
  exec {hold}>in
  wait_until 10 has_line out
  run_gupper install --to app < <(record 1.1.0)
  echo go >&$hold
  exec {hold}>&-
  wait_until 10 has_line out 2
  assert_version ./app 1.1.0
}

@test "install: --check runs the new one first; when it fails or hangs the old one stays and the build is held back" {
  run_gupper install --to app --check '{} --version | grep -q 1.0.0' < <(record 1.0.0)
  record 1.1.0 >line
  run_gupper 65 install --to app --check 'echo "it is broken"; false' <line
  assert_stderr_has 'exited with 1; the last it said: it is broken'
  assert_version ./app 1.0.0
  run_gupper 65 install --to app <line
  [ "$(field .error.code <<<"$output")" = rejected ]
  run_gupper 65 install --to app --again --check 'sleep 1000' --check-deadline 100ms <line
  assert_stderr_has 'did not end within 100 ms'
  assert_version ./app 1.0.0
  [ "$(slots)" = 1 ]
  run_gupper install --to app --again <line
  assert_version ./app 1.1.0
}

@test "install: --keep says how many versions stay, and never takes the one before away" {
  for version in 1.0.0 1.1.0 1.2.0; do run_gupper install --to app --keep 1 < <(record $version); done
  [ "$(slots)" = 2 ]
  run_gupper rollback app
  assert_version ./app 1.1.0
}

@test "install: --dry-run says what would be done and touches nothing" {
  run_gupper install --to app --dry-run < <(record 1.0.0)
  [ "$(field .installed <<<"$output")" = "{\"path\":\"$PWD/app\",\"changed\":true,\"dry_run\":true}" ]
  [ "$(ls -A)" = packages ]
}

@test "install: refuses what fits no target, 64, and says what to do" {
  { record 1.0.0; record 1.1.0; } >two
  run_gupper 64 install --to app <two
  [ "${#lines[@]}" = 2 ]
  assert_stderr_has 'gupper select --name NAME'
  run_gupper 64 install --to app < <(record 1.0.0 | sed 's/"os":"any"/"os":"plan9"/')
  assert_stderr_has 'gupper select --os'
  run_gupper install --to app < <(record 1.1.0)
  run_gupper 64 install --to app < <(record 1.0.0)
  assert_stderr_has '--allow-downgrade'
  run_gupper install --to app --allow-downgrade < <(record 1.0.0)
  run_gupper 64 install --to app < <(record 2.0.0 | sed 's/"name":"app"/"name":"other"/')
  assert_stderr_has 'gupper select --name app'
  assert_version ./app 1.0.0
}

@test "install: refuses what nothing proves, 77, unless nothing is required" {
  record 1.0.0 | sed 's/,"proofs":.*]/,"proofs":[]/; s/"digest":"[^"]*",//' >line
  run_gupper 77 install --to app <line
  [ ! -e app ]
  run_gupper 77 install --to app --require minisign < <(record 1.0.0)
  run_gupper install --to app --require none <line
  assert_version ./app 1.0.0
}

@test "install: says what is wrong with its flags" {
  run_gupper 64 install </dev/null
  assert_stderr_has '--to PATH'
  run_gupper 64 install --to app --keep 0 </dev/null
  run_gupper 64 install --to app --wait soon </dev/null
  run_gupper 64 install --to app --require hope </dev/null
  assert_no_trace
}
