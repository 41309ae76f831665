#!/usr/bin/env bats
# What people ask of a service, here and on another machine: status, its history, rollback.

load helpers
load service

setup() { service_setup; need jq; need curl; }
teardown() { service_teardown; }

@test "rollback goes back without the source, freezes, and the state and history survive a new start" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --source ./pkgs
  make_service 1.1.0
  wait_until 20 answers 1.1.0
  wait_until 10 status_is app '.phase == "committed"'
  mv pkgs away
  cd "$HOME"
  run_gupper rollback app
  assert_output_has '"from":"1.1.0","to":"1.0.0"'
  cd "$BATS_TEST_TMPDIR/work"
  mv away pkgs
  assert_answers 1.0.0
  stop_service
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --source ./pkgs
  run_gupper status app
  assert_output_has '"state":"FREEZE"'
  assert_answers 1.0.0
  run_gupper status app --history
  jq -se 'any(.event == "rolled back" and .from == "1.1.0" and .to == "1.0.0")' <<<"$output"
  run_gupper unfreeze app
  run_gupper check app
  assert_silent
  assert_answers 1.0.0
}

@test "status tells of what is installed and does not run (DIFF), of all services, and of one that nobody supervises" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  make_service 1.1.0
  gupper update ./pkgs --to ./app >/dev/null
  run_gupper status
  assert_output_has '"state":"DIFF"'
  assert_output_has '"target":"1.1.0"'
  assert_answers 1.0.0
  stop_service
  run_gupper 69 status app
  assert_output_has '"supervised":false'
  assert_stderr_has 'app is not running here'
  run_gupper 69 status nothing
  run_gupper status app --history
  assert_output_has '"event":"started"'
}

@test "what was installed and not made live goes live by activate --installed, or once the service is let go" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  make_service 1.1.0
  gupper update ./pkgs --to ./app >/dev/null
  run_gupper status app --text
  assert_output_has '1.1.0 is installed: gupper activate --installed app'
  run_gupper activate --installed app
  [ "$(field .from <<<"$output") $(field .to <<<"$output") $(field .state <<<"$output")" = '1.0.0 1.1.0 committed' ]
  assert_answers 1.1.0
  make_service 1.2.0
  run_gupper freeze app
  update_to 1.2.0 1
  [ "$(failure code)" = frozen ]
  run_gupper unfreeze app
  wait_until 20 answers 1.2.0
}

@test "status says so when what was installed is gone" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  mv app elsewhere
  run_gupper status app
  assert_output_has '"state":"DIFF"'
  assert_output_has "\"reason\":\"there is nothing at $PWD/app\""
  assert_answers 1.0.0
  mv elsewhere app
  run_gupper status app
  assert_output_has '"state":"OK"'
  [[ $output != *'"reason"'* ]]
}

@test "NAME@HOST asks the gupper of another machine, over the user's own ssh" {
  need sshd; need ssh
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  start_sshd
  run_gupper status app@there
  assert_output_has '"service":"app","state":"OK"'
  run_gupper restart app@there
  assert_output_has '"state":"committed"'
  run_gupper rollback app@there --version 1.0.0
  assert_output_has '"state":"unchanged"'
  run_gupper unfreeze app@there
  make_service 1.1.0
  run_sh 0 'gupper list ./pkgs | gupper fetch | gupper install --to ./app | gupper activate app@there'
  assert_output_has '"to":"1.1.0"'
  run_gupper 69 status nothing@there
  run_gupper 69 status app@nowhere
  assert_stderr_has 'ssh could not reach nowhere'
  run_gupper 64 status app@-oProxyCommand=touch
}

@test "several NAME@HOST: each host is asked about its own service only, and the status is the first that is not 0" {
  printf '#!/bin/sh\nprintf "%%s: %%s\\n" "$1" "$2"\nexit $(cat "$HOME/$1")\n' >"$BATS_TEST_TMPDIR/bin/ssh"
  chmod +x "$BATS_TEST_TMPDIR/bin/ssh"
  echo 0 >"$HOME/h1"
  echo 0 >"$HOME/h2"
  run_gupper 69 status web@h1 --log json --json db@h2 local json
  [ "${lines[0]}" = 'h1: gupper status web --log json --json' ]
  [ "${lines[1]}" = 'h2: gupper status db --log json --json' ]
  assert_stderr_has 'local is not running here'
  echo 65 >"$HOME/h2"
  run_gupper 65 status web@h1 db@h2 local
  run_gupper 69 status local web@h1 db@h2
  # One word twice is one service, asked twice.
  run_gupper status web@h1 web@h1
  [ "${lines[*]}" = 'h1: gupper status web h1: gupper status web' ]
}

@test "status: one whose state is damaged is told, and hides no other" {
  make_service 1.0.0
  start_service good --listen 127.0.0.1:0 --healthy-for 0
  local services=$XDG_STATE_HOME/gupper/services
  mkdir "$services/bad" "$services/empty"
  head -c 8192 /dev/urandom >"$services/bad/state.db"
  # One that was killed before it had written anything.
  : >"$services/empty/state.db"
  run_gupper 65 status
  jq -se 'any(.service == "good" and .state == "OK") and any(.error.code == "damaged") and length == 3' <<<"$output"
  assert_stderr_has "$services/bad/state.db is damaged"
  assert_stderr_has 'empty is not running here'
  run_gupper 69 status empty good
  assert_output_has '"service":"good"'
}

@test "misbehaviour: after a kill -9 of its supervisor, a word that is a file too is the file for rollback" {
  make_service 1.0.0
  make_service 1.1.0
  install_service 1.0.0
  gupper update ./pkgs --to ./app >/dev/null
  start_service app --via socket --listen 127.0.0.1:0 --ready fd --healthy-for 0
  kill -KILL "$RUN_PID"
  wait_until 10 has_ended "$RUN_PID"
  [ -S "$XDG_STATE_HOME/gupper/services/app/control" ]
  run_gupper rollback app
  [ "$(field .version <<<"$output")" = 1.0.0 ] && [ "$(field .installed.changed <<<"$output")" = true ]
  cmp app pkgs/app-1.0.0-any-any
  # What runs goes on until it is supervised again.
  assert_answers 1.1.0
  start_service app --via socket --listen 127.0.0.1:0 --ready fd --healthy-for 0
  wait_until 20 answers 1.0.0
  stop_service
}

@test "a frozen service keeps what it runs, however many versions are installed meanwhile, and starts no other by itself" {
  local version own
  for version in 1.0.0 1.1.0 1.2.0 1.3.0; do make_service "$version"; done
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  run_gupper freeze app
  for version in 1.1.0 1.2.0 1.3.0; do
    update_to "$version" 1
    [ "$(failure code)" = frozen ]
  done
  kill -KILL "$(gupper status app | field .pid)"
  wait_until 20 event restarted '.to == "1.0.0" and .state == "committed"'
  assert_answers 1.0.0
  # Somebody deletes it all the same.
  own=$(ls -d .gupper/app/slots/1.0.0-*)
  mv "$own" away
  kill -KILL "$(gupper status app | field .pid)"
  wait_until 20 status_is app '.state == "BROKEN" and (.reason | test("its 1.0.0 is gone.*gupper rollback.*gupper unfreeze"))'
  run_gupper 1 restart app
  assert_stderr_has 'its 1.0.0 is gone'
  # Not after a new start either, and the one after that.
  stop_service
  local round
  for round in 1 2; do
    spawn "again.$round" "again.$round.err" gupper run --name app --to ./app --listen 127.0.0.1:0 --healthy-for 0
    wait_until 20 status_is app '.state == "BROKEN" and (.reason | test("its 1.0.0 is gone"))'
    ! grep -q 1.3.0 "again.$round"
    kill_hard "$SPAWNED_PID"
  done
  mv away "$own"
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  assert_answers 1.0.0
  status_is app '.state == "FREEZE"'
  mv "$own" away
  kill -KILL "$(gupper status app | field .pid)"
  wait_until 20 status_is app '.state == "BROKEN" and (.reason | test("its 1.0.0 is gone"))'
  run_gupper unfreeze app
  wait_until 20 answers 1.3.0
  stop_service
}

@test "rollback goes to what ran before, and never on to what was installed and refused" {
  local version
  for version in 1.0.0 1.1.0 1.2.0; do make_service "$version"; done
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  run_gupper freeze app
  update_to 1.1.0 1
  update_to 1.2.0 1
  run_gupper rollback --service app
  assert_output_has '"state":"unchanged"'
  cmp app pkgs/app-1.0.0-any-any
  run_gupper 1 rollback --service app
  assert_answers 1.0.0
  status_is app '.state == "FREEZE" and .target == null'
  run_gupper rollback --service app --version 1.1.0
  assert_answers 1.1.0
  run_gupper rollback --service app
  assert_answers 1.0.0
  stop_service
}

@test "rollback NAME --list shows what its program could go to" {
  make_service 1.0.0
  make_service 1.1.0
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  update_to 1.1.0
  run_gupper rollback --service app --list
  [ "$(jq -r '[.version, .current // false] | join(" ")' <<<"$output" | sort | tr '\n' ' ')" = '1.0.0 false 1.1.0 true ' ]
  assert_answers 1.1.0
}

@test "a rollback or restart that nobody waits for any more when its turn comes is not done" {
  make_service 1.0.0
  make_service 1.1.0
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0
  update_to 1.1.0
  touch hold
  spawn first.out first.err gupper restart app
  local first=$SPAWNED_PID verb
  wait_until 10 phase probing 1.1.0 2
  for verb in rollback restart; do
    node -e 'const s = require("net").connect(process.argv[1], () => s.write(process.argv[2], () => s.destroy()))' \
      "$XDG_STATE_HOME/gupper/services/app/control" "{\"verb\":\"$verb\"}"$'\n'
  done
  rm hold
  ends_with 0 "$first"
  run_gupper restart app
  assert_answers 1.1.0
  [ "$(jq -r .event "$RUN_OUT" | grep -c '^restarted$')" -eq 2 ]
  ! event 'rolled back'
  stop_service
}

@test "a service that is frozen while an update waits for its turn does not make it live" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0
  make_service 1.1.0
  touch hold
  spawn restart.out restart.err gupper restart app
  wait_until 10 phase probing 1.0.0 2
  gupper list ./pkgs --range 1.1.0 | gupper fetch | gupper install --to ./app >record
  spawn one.out one.err sh -c 'exec gupper activate app <record'
  local one=$SPAWNED_PID
  spawn two.out two.err sh -c 'exec gupper activate app <record'
  local two=$SPAWNED_PID
  # Once one is superseded, the other waits for its turn.
  wait_until 10 grep -q '"superseded"' one.out two.out
  run_gupper freeze app
  rm hold
  ends_with 1 "$one"
  ends_with 1 "$two"
  grep -q '"code":"frozen"' one.out two.out
  assert_answers 1.0.0
}
