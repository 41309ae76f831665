# The full self-update, once as a pipe, once as `gupper update`, once from `gupper watch`: all three do the same.
load helpers
setup() {
  common_setup
  mkdir pkgs opt
}
teardown() { common_teardown; }

build() { "$ROOT/scripts/build-packages.sh" "$1" pkgs; }

# starts_as VERSION: appetizer of that version stands at opt/appetizer, as if somebody had copied it there.
starts_as() {
  mkdir old
  "$ROOT/scripts/build-packages.sh" "$1" old >/dev/null
  cp "old/$(gupper list old --name appetizer | field .file)" opt/appetizer
}

# What happened to the program: its versions with their PIDs, from its log.
story() { sed -n 's/.*appetizer\[\([0-9]*\)\] appetizer version \([0-9.]*\) .*/\1 \2/p' "$1"; }

@test "build-packages makes packages for linux, darwin and windows" {
  run -0 build 1.9
  [ "$(ls pkgs)" = "$(printf 'appetizer-1.9.0-%s\n' darwin-amd64 darwin-arm64 linux-amd64 linux-arm64 windows-amd64.zip windows-arm64.zip)" ]
  gupper list --all pkgs >records
  [ "$(wc -l <records)" -eq 6 ]
}

@test "appetizer updates itself by a pipe, by update and by watch: same PID, same end" {
  build 1.11 >/dev/null
  start_server pkgs
  for way in pipe update watch; do
    rm -rf old opt && mkdir opt
    starts_as 1.9
    if [ "$way" = watch ]; then
      # A watch waits for the next version after it has updated; the daemon shows the same without waiting at start.
      spawn "$way.out" "$way.err" opt/appetizer --repo "$SERVER_URL" --daemon work "it's done"
      wait_until 40 grep -q "version 1.11.0, PID $SPAWNED_PID" "$way.out"
    else
      spawn "$way.out" "$way.err" opt/appetizer --repo "$SERVER_URL" --via "$way" work "it's done"
      wait_until 40 has_ended "$SPAWNED_PID"
    fi
    [ "$(story "$way.err")" = "$SPAWNED_PID 1.9.0"$'\n'"$SPAWNED_PID 1.11.0" ] || { cat "$way.err" >&2; return 1; }
    grep -qF "doing useful work now: work it's done (version 1.11.0, PID $SPAWNED_PID)" "$way.out"
    cmp opt/appetizer "pkgs/$(gupper list pkgs --name appetizer | field .file)"
    [ "$(opt/appetizer --version | cut -d' ' -f3)" = 1.11.0 ]
    # The first version is kept, so that the first update can be taken back too.
    gupper rollback opt/appetizer >/dev/null
    [ "$(opt/appetizer --version | cut -d' ' -f3)" = 1.9.0 ]
    if [ "$way" = watch ]; then end_group "$SPAWNED_PID"; fi
  done
}

# end_group PID: ends a program with the pipe it is waiting on.
end_group() {
  local child
  kill -STOP "$1"
  for child in $(descendants "$1"); do kill -TERM "$child" 2>/dev/null || true; done
  kill -TERM "$1" && kill -CONT "$1"
  wait_until 10 has_ended "$1"
}

descendants() {
  local child
  for child in $(pgrep -P "$1"); do
    echo "$child"
    descendants "$child"
  done
}

@test "a daemon updates itself while it runs, as soon as the version is published" {
  starts_as 1.9
  build 1.9 >/dev/null
  start_server pkgs --settle 100ms
  spawn out err opt/appetizer --repo "$SERVER_URL" --daemon
  wait_until 40 grep -q "version 1.9.0, PID $SPAWNED_PID" out
  build 1.10 >/dev/null
  wait_until 40 grep -q "version 1.10.0, PID $SPAWNED_PID" out
  end_group "$SPAWNED_PID"
}

@test "update, then exec: a launcher starts the new version under its own PID" {
  build 1.11 >/dev/null
  starts_as 1.9
  run -0 --separate-stderr sh -c 'echo $$; exec gupper update pkgs --name appetizer --to opt/appetizer -- sh -c "echo \$\$; opt/appetizer --version"'
  [ "${lines[0]}" = "${lines[1]}" ]
  [[ ${lines[2]} == "appetizer version 1.11.0 "* ]]
}

@test "--always starts the program also when the server is away" {
  starts_as 1.9
  run -0 --separate-stderr gupper update http://127.0.0.1:9 --to opt/appetizer --always -- opt/appetizer --version
  assert_output_has "1.9.0"
  assert_stderr_has "connection refused"
}

@test "--always starts the program also when what is installed cannot be told" {
  build 1.11 >/dev/null
  starts_as 1.9
  mkdir -p opt/.gupper/appetizer
  echo garbage >opt/.gupper/appetizer/receipt.json
  run -0 --separate-stderr gupper update pkgs --to opt/appetizer --always -- opt/appetizer --version
  assert_output_has "1.9.0"
  assert_stderr_has "is not what gupper wrote"
  run_gupper 65 update pkgs --to opt/appetizer
  assert_output_has '"exit":65'
}

@test "the pipe and update give the same records and the same disk" {
  build 1.11 >/dev/null
  starts_as 1.9
  cp -R opt piped
  gupper list pkgs --newer-than piped/appetizer --name appetizer | gupper fetch | gupper verify | gupper install --to piped/appetizer >one
  gupper update pkgs --to opt/appetizer --name appetizer >two
  [ "$(sed "s#/piped/#/opt/#g" one)" = "$(cat two)" ]
  diff <(cd piped && find . | sort) <(cd opt && find . | sort)
  cmp piped/appetizer opt/appetizer
}

@test "nothing new: update is silent with 0, as the pipe is" {
  build 1.9 >/dev/null
  run_gupper update pkgs --to opt/appetizer --name appetizer
  run_gupper update pkgs --to opt/appetizer
  assert_silent
  run_sh 'gupper list pkgs --newer-than opt/appetizer | gupper fetch | gupper verify | gupper install --to opt/appetizer'
  assert_silent
}

@test "a failure anywhere is the exit status of update, as of the pipe" {
  run_gupper 69 update http://127.0.0.1:9 --to opt/appetizer
  [ "$(field .error.step <<<"$output")" = list ]
  run_sh 69 'gupper list http://127.0.0.1:9 | gupper fetch | gupper verify | gupper install --to opt/appetizer'
  run_gupper 64 update pkgs
  assert_stderr_has "no target"
  run_gupper 64 update pkgs --to opt/
  run_gupper 64 update --to opt/appetizer
  assert_stderr_has "no source"
}

@test "fifty updates at once: one does it, the others find it done or say 75, the program runs throughout" {
  build 1.11 >/dev/null
  starts_as 1.9
  touch go_on
  (while [ -e go_on ]; do opt/appetizer --version || echo "not running"; done >seen 2>&1) 3>&- &
  reader=$!
  for i in $(seq 50); do
    { gupper update pkgs --name appetizer --to opt/appetizer >"out.$i" 2>"err.$i"; echo $? >"status.$i"; } 3>&- &
    updates[i]=$!
  done
  for pid in "${updates[@]}"; do wait "$pid"; done
  rm go_on
  wait "$reader"
  [ "$(cat out.* | grep -c '"changed":true')" -eq 1 ]
  [ -z "$(cat status.* | grep -vx -e 0 -e 75)" ]
  [ -z "$(grep -v '^appetizer version 1\.\(9\|11\)\.0 ' seen)" ]
  [ "$(opt/appetizer --version | cut -d' ' -f3)" = 1.11.0 ]
  [ "$(ls opt/.gupper/appetizer/slots | wc -l)" -eq 2 ]
}

@test "update says so where nothing fits and nothing is installed, and is silent once something is" {
  build 1.9 >/dev/null
  run_gupper update pkgs --name appetiser --to opt/appetizer
  assert_output_is ''
  assert_stderr_has 'nothing fits in pkgs, and nothing is installed at opt/appetizer'
  assert_stderr_has 'gupper list --all pkgs'
  run_gupper update pkgs --name appetizer --to opt/appetizer
  run_gupper update pkgs --name appetizer --to opt/appetizer
  assert_silent
}
