#!/usr/bin/env bats
load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# record VERSION [LINES…]: makes a program of that version and prints its record, as fetch writes it.
record() {
  make_program "packages/app-$1-any-any" "$@"
  describe_package app "$1" "packages/app-$1-any-any"
}

# tree_record VERSION: makes an archive with bin/app in it and prints its record.
tree_record() {
  make_program "tree/bin/app" "$1"
  mkdir -p packages
  tar -czf "packages/app-$1-any-any.tar.gz" -C tree .
  rm -r tree
  describe_package app "$1" "packages/app-$1-any-any.tar.gz"
}

# describe_package NAME VERSION FILE: the record of a file.
describe_package() {
  local digest
  digest=$(sha256sum "$3" | cut -d' ' -f1)
  printf '{"schema":1,"name":"%s","version":"%s","os":"any","arch":"any","file":"%s","size":%s,"digest":"sha256:%s","path":"%s","proofs":[{"by":"digest"}]}\n' \
    "$1" "$2" "${3##*/}" "$(stat -c %s "$3")" "$digest" "$PWD/$3"
}

assert_version() { [ "$("$1" --version)" = "app version $2" ] || { "$1" --version >&2; return 1; }; }
assert_tidy() { [ -z "$(ls -A .gupper/app/tmp)" ] || { ls -A .gupper/app/tmp >&2; return 1; }; }
slots() { find .gupper/app/slots -mindepth 1 -maxdepth 1 | wc -l; }

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

# Misbehaviour

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
  local as=()
  if [ "$(id -u)" = 0 ]; then
    need setpriv
    # Root as it is in a container that may not override permissions.
    as=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all)
  fi
  mkdir bin
  make_program bin/app 1.0.0
  record 1.1.0 >line
  chmod 555 bin
  local status_now=0
  "${as[@]}" gupper install --to bin/app <line >out 2>err || status_now=$?
  chmod 755 bin
  [ "$status_now" = 73 ] || { cat out err >&2; return 1; }
  [[ $(<err) == *"permission denied"* ]]
  assert_version bin/app 1.0.0
}

@test "install: a full disk leaves what was there, 73, and goes on when there is room" {
  [ "$(id -u)" = 0 ] || skip 'only root can mount a small file system'
  mkdir small
  mount -t tmpfs -o size=512k tmpfs small 2>/dev/null || skip 'a file system cannot be mounted here'
  record 1.0.0 >first
  record 1.1.0 "# $(head -c 100000 /dev/zero | tr '\0' x)" "$(yes '# weight' | head -c 500000)" >second
  run_gupper install --to small/app <first
  run_gupper 73 install --to small/app <second
  local code tidy kept said then back said_back
  code=$(field .error.code <<<"$output")
  tidy=$(ls -A small/.gupper/app/tmp)
  kept=$(ls small/.gupper/app/slots)
  said=$(small/app --version)
  mount -o remount,size=4m small
  run_gupper install --to small/app <second
  then=$(small/app --version)
  # Also on a disk that is quite full an update can be taken back.
  cat /dev/zero >small/filler 2>/dev/null || true
  run --separate-stderr gupper rollback small/app
  back=$status
  said_back=$(small/app --version)
  umount small
  [ "$code" = no-space ] && [ -z "$tidy" ] && [ "$(wc -l <<<"$kept")" = 1 ]
  [ "$said" = 'app version 1.0.0' ] && [ "$then" = 'app version 1.1.0' ]
  [ "$back" = 0 ] || { echo "$stderr" >&2; return 1; }
  [ "$said_back" = 'app version 1.0.0' ]
}

@test "install: killed in the middle of its check, the old one stands and the next run finishes" {
  run_gupper install --to app < <(record 1.0.0)
  record 1.1.0 >line
  mkfifo started
  spawn out err sh -c 'exec gupper install --to app --check "echo \$\$ >started; exec sleep 1000" <line'
  local checking
  read -r checking <started
  kill -9 "$SPAWNED_PID"
  wait_until 10 has_ended "$SPAWNED_PID"
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
  local ended=0
  wait "$SPAWNED_PID" || ended=$?
  [ "$ended" = 143 ]
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
