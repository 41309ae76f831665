#!/usr/bin/env bats
# gupper install when input, disks, signals and other processes are not as they should be: all stays as it was.

load helpers
load install
setup() { common_setup; }
teardown() { common_teardown; }

@test "install: a failure of an earlier step travels through with its status, and nothing is done" {
  local failure='{"error":{"step":"fetch","code":"unreachable","exit":69,"message":"no","record":{"a":1}}}'
  run_gupper 69 install --to app <<<"$failure"
  assert_output_is "$failure"
  [ -z "$(ls -A)" ]
}

@test "install: a line that is no record is told, 65, and the others are installed" {
  run_gupper 65 install --to app < <(echo 'not json'; record 1.0.0)
  assert_stderr_has 'line 1'
  assert_version ./app 1.0.0
}

@test "install: a file that is not what its record says leaves all as it was, 65" {
  run_gupper install --to app < <(record 1.0.0)
  record 1.1.0 >line
  sed -i s/1.1.0/6.6.6/ packages/app-1.1.0-any-any
  run_gupper 65 install --to app <line
  [ "$(field .error.code <<<"$output")" = wrong-digest ]
  truncate -s 10 packages/app-1.1.0-any-any
  run_gupper 65 install --to app <line
  [ "$(field .error.code <<<"$output")" = wrong-size ]
  rm packages/app-1.1.0-any-any
  run_gupper 69 install --to app <line
  assert_version ./app 1.0.0
  [ "$(slots)" = 1 ]
  assert_tidy
}

@test "install: a truncated archive leaves all as it was, 65" {
  tree_record 1.0.0 >/dev/null
  truncate -s 100 packages/app-1.0.0-any-any.tar.gz
  run_gupper 65 install --to app < <(describe_package app 1.0.0 packages/app-1.0.0-any-any.tar.gz)
  [ "$(field .error.code <<<"$output")" = bad-archive ]
  [ ! -e app ] && [ "$(slots)" = 0 ]
  assert_tidy
}

@test "install: a directory in the way is an error, 73, that tells of the slash" {
  mkdir app
  run_gupper 73 install --to app < <(record 1.0.0)
  assert_stderr_has "--to $PWD/app/"
  [ -z "$(ls -A app)" ]
}

@test "install: names with spaces, quotes, newlines and other alphabets" {
  local name
  for name in 'a b' "it's \"quoted\"" $'two\nlines' 'größe-名前' '-dash' '$(id)' '*'; do
    mkdir -p "dir $name"
    run_gupper install --to "./dir $name/$name" --check '{} --version | grep -q 1.0.0' < <(record 1.0.0)
    assert_version "./dir $name/$name" 1.0.0
    run_gupper install --to "./dir $name/$name" < <(record 1.1.0)
    run_gupper rollback "./dir $name/$name"
    assert_version "./dir $name/$name" 1.0.0
  done
}

@test "install: a directory that may not be written to is an error, 73" {
  mkdir bin
  make_program bin/app 1.0.0
  record 1.1.0 >line
  chmod 555 bin
  as_plain 73 gupper install --to bin/app <line
  chmod 755 bin
  assert_stderr_has "permission denied"
  assert_version bin/app 1.0.0
}

@test "install: a full disk leaves what was there, 73, and goes on when there is room" {
  mount_small small 512k
  record 1.0.0 >first
  record 1.1.0 "# $(head -c 100000 /dev/zero | tr '\0' x)" "$(yes '# weight' | head -c 500000)" >second
  run_gupper install --to small/app <first
  run_gupper 73 install --to small/app <second
  [ "$(field .error.code <<<"$output")" = no-space ]
  [ -z "$(ls -A small/.gupper/app/tmp)" ]
  [ "$(ls small/.gupper/app/slots | wc -l)" = 1 ]
  assert_version small/app 1.0.0
  mount -o remount,size=4m small
  run_gupper install --to small/app <second
  assert_version small/app 1.1.0
  # Also on a disk that is quite full an update can be taken back.
  cat /dev/zero >small/filler 2>/dev/null || true
  run_gupper rollback small/app
  assert_version small/app 1.0.0
}

@test "install: killed in the middle of its check, the old one stands and the next run finishes" {
  run_gupper install --to app < <(record 1.0.0)
  record 1.1.0 >line
  mkfifo started
  spawn out err sh -c 'exec gupper install --to app --check "echo \$\$ >started; exec sleep 1000" <line'
  local checking
  read -r checking <started
  kill_hard "$SPAWNED_PID"
  # Nobody is left who could end the check.
  kill -9 "$checking"
  assert_version ./app 1.0.0
  run_gupper install --to app <line
  assert_version ./app 1.1.0
  [ "$(slots)" = 2 ]
  assert_tidy
}

@test "install: SIGTERM in the middle of its check ends it at once and cleans up" {
  run_gupper install --to app < <(record 1.0.0)
  record 1.1.0 >line
  mkfifo started
  spawn out err sh -c 'exec gupper install --to app --check "echo up >started; exec sleep 1000" <line'
  read -r _ <started
  kill -TERM "$SPAWNED_PID"
  ends_with 143 "$SPAWNED_PID"
  assert_version ./app 1.0.0
  [ "$(slots)" = 1 ]
  assert_tidy
}

@test "install: twenty at once on one target: one does it, none fails" {
  run_gupper install --to app < <(record 1.0.0)
  record 1.1.0 >line
  local pid pids=()
  for i in $(seq 20); do
    gupper install --to app --wait 60s <line >"out.$i" 2>"err.$i" 3>&- &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  [ "$(cat out.* | grep -c '"changed":true')" = 1 ]
  [ "$(cat out.* | grep -c '"changed":false')" = 19 ]
  assert_version ./app 1.1.0
  [ "$(slots)" = 2 ]
}

@test "install: a second one that may not wait says 75" {
  run_gupper install --to app < <(record 1.0.0)
  record 1.1.0 >line
  mkfifo started go
  spawn out err sh -c 'exec gupper install --to app --check "echo up >started; read line <go" <line'
  read -r _ <started
  run_gupper 75 install --to app --wait 0 < <(record 1.2.0)
  [ "$(field .error.code <<<"$output")" = locked ]
  run_gupper 75 rollback app --wait 0
  echo on >go
  wait "$SPAWNED_PID"
  assert_version ./app 1.1.0
}

@test "install: a reader that has gone does not keep it from its work, and it ends quietly" {
  record 1.0.0 >line
  run_sh 'gupper install --to app <line | true'
  [ -z "$stderr" ]
  assert_version ./app 1.0.0
}

@test "an empty --check, which would check nothing, is 64; one that deletes what it checks has failed" {
  make_package pkgs 1.0.0 | gupper fetch >record
  run_sh 64 'gupper install --to ./target --check "" <record'
  assert_stderr_has "--check is empty"
  run_sh 65 'gupper install --to ./target --check "rm -rf {}" <record'
  assert_stderr_has "changed the program"
  [ ! -e target ]
}
