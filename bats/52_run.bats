#!/usr/bin/env bats
# gupper run: one program, supervised; what happens to it, and what people ask of it.

load helpers
load service

setup() { service_setup; need jq; need curl; }
teardown() { service_teardown; }

@test "run starts what is installed, tells what happens as records, and ends with 0 when it is told to" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  assert_answers 1.0.0
  event started '.to == "1.0.0" and .state == "committed" and .way == "proxy" and .pid > 0'
  [ "$(jq -r 'select(.event == "phase").phase' "$RUN_OUT" | tr '\n' ' ')" = 'staged starting probing proving switching draining ' ]
  stop_service
  event stopped
  nobody_left
}

@test "what the program writes comes on standard error and into its log, both streams told apart" {
  make_service 1.0.0 'echo to stdout' 'echo to stderr >&2' 'printf "no end"' 'exec sleep 1000'
  start_service app --healthy-for 0
  wait_until 10 grep -q '^out| to stdout$' "$RUN_ERR"
  wait_until 10 grep -q '^err| to stderr$' "$RUN_ERR"
  run_gupper logs app
  assert_output_has '"stream":"stdout","line":"to stdout"'
  assert_output_has '"stream":"stderr","line":"to stderr"'
  run_gupper logs app --text -n 1
  [ "${#lines[@]}" -eq 2 ]
  stop_service 0
  run_gupper logs app --all
  assert_output_has '"line":"no end"'
}

@test "logs -f goes on with what comes, and ends when it is told to" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  spawn followed followed.err gupper logs app -f
  local follower=$SPAWNED_PID
  wait_until 10 grep -q 'listens at' followed
  run_gupper restart app
  wait_until 10 grep -q 'is started' followed
  kill -TERM "$follower"
  ends_with 143 "$follower"
}

@test "the program gets its arguments, its environment and its working directory as they are, and a port of its own" {
  make_service 1.0.0 'printf "arg:%s\n" "$@"' 'echo "dir:$PWD" "x:$X_Y" "port:$PORT" "version:$GUPPER_VERSION" "service:$GUPPER_SERVICE"'
  X_Y="a 'b' \$c" start_service app --listen 127.0.0.1:0 --healthy-for 0 -- ./app 'with space' "quote'd" --port={port} ''
  run_gupper logs app --all
  assert_output_has '"line":"arg:with space"'
  assert_output_has "\"line\":\"arg:quote'd\""
  assert_output_has "\"line\":\"arg:--port="
  assert_output_has "dir:$PWD x:a 'b' \$c port:"
  assert_output_has 'version:1.0.0 service:app'
  [[ $output != *'{port}'* ]]
}

@test "a program that ends is started again, and what comes meanwhile waits" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  local pid
  pid=$(gupper status app | field .pid)
  kill -KILL "$pid"
  assert_answers 1.0.0
  wait_until 10 event restarted
  event ended '.signal == "SIGKILL"'
  [ "$(gupper status app | field .restarts)" -eq 1 ]
  [ "$(gupper status app | field .pid)" != "$pid" ]
}

@test "a program that ends again and again is BROKEN, tried later and later, and works again once it can" {
  make_service 1.0.0 '[ -e good ] || exit 3'
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  event started '.state == "aborted"'
  wait_until 20 event crash-loop
  run_gupper 1 status app
  assert_output_has '"state":"BROKEN"'
  touch good
  run_gupper restart app
  assert_answers 1.0.0
  run_gupper status app
  assert_output_has '"state":"OK"'
}

@test "--restart never and failure end with the program's own status" {
  make_service 1.0.0 'exit 7'
  start_service app --restart never --healthy-for 0
  ends_with 7 "$RUN_PID"
  make_service 1.1.0 'sleep 0.3; exit 0'
  gupper update ./pkgs --to ./app >/dev/null
  start_service app --restart failure --healthy-for 0
  ends_with 0 "$RUN_PID"
}

@test "signals are passed on to the program, and SIGTERM stops it" {
  make_service 1.0.0 'trap "echo hup" HUP; trap "echo usr1" USR1; trap "echo usr2" USR2; trap "echo term; exit 0" TERM' \
    'echo waiting' 'while :; do sleep 1000 & wait $!; done' 
  start_service app --healthy-for 0
  local name
  wait_until 10 grep -q waiting "$RUN_ERR"
  for name in HUP USR1 USR2; do
    kill -"$name" "$RUN_PID"
    wait_until 10 grep -q "out| ${name,,}" "$RUN_ERR"
  done
  stop_service
  grep -q 'out| term' "$RUN_ERR"
}

@test "a Unix socket that was passed to the programs is gone when the service ends, and stays for who listens there" {
  make_service 1.0.0
  local flags=(--listen "unix:$PWD/app.sock" --via socket --ready fd --healthy-for 0) pid
  start_service app "${flags[@]}"
  [ "$(curl -sS --max-time 10 --unix-socket app.sock http://localhost/)" = 1.0.0 ]
  stop_service
  [ ! -e app.sock ]
  # One whose place was taken by another's meanwhile.
  start_service app "${flags[@]}"
  rm app.sock
  spawn other.out other.err node -e 'require("http").createServer((_, res) => res.end("other")).listen("app.sock", () => console.log("up"))'
  wait_until 10 has_line other.out
  stop_service
  [ "$(curl -sS --max-time 10 --unix-socket app.sock http://localhost/)" = other ]
}

@test "a service runs once: the second says 75, and the first goes on" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  run_gupper 75 run --name app --to ./app --listen 127.0.0.1:0
  assert_output_has '"code":"locked"'
  assert_answers 1.0.0
}

@test "limits hold: open files, and memory, for which the program is ended and started again" {
  need perl
  make_service 1.0.0 'echo "files $(ulimit -n)"' 'exec perl -e '\''$| = 1; $x = "x" x 80_000_000; print "large\n"; sleep 1000'\'
  start_service app --open-files 123 --memory 40M --healthy-for 0
  wait_until 20 event 'too much memory' '.bytes > 40000000'
  wait_until 10 event ended '.signal == "SIGKILL"'
  grep -q 'out| files 123' "$RUN_ERR"
}

@test "with --source it watches, fetches, verifies, installs and makes live by itself; check does not wait" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --source ./pkgs --every 1h
  make_service 1.1.0
  wait_until 20 status_is app '.version == "1.1.0" and .phase == "committed"'
  run_gupper check app
  assert_silent
  run_gupper freeze app
  assert_output_has '"state":"FREEZE"'
  make_service 1.2.0
  run_gupper 1 check app
  assert_output_has '"code":"frozen"'
  assert_answers 1.1.0
  run_gupper unfreeze app
  wait_until 20 answers 1.2.0
}

@test "with --source: check waits for what the service has found by itself, and tells what came of it" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0 --source ./pkgs --every 1h
  touch hold
  make_service 1.1.0
  wait_until 20 phase probing 1.1.0
  spawn check.out check.err gupper check app
  local check=$SPAWNED_PID
  # It has looked, and waits: what it asked for stands in the cache of nobody.
  wait_until 10 has_connection "$check"
  rm hold
  ends_with 0 "$check"
  [ "$(field .from <check.out) $(field .to <check.out) $(field .state <check.out)" = '1.0.0 1.1.0 committed' ]
}
# has_connection PID: it speaks to the service.
has_connection() { [ -n "$(find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null)" ]; }

@test "with --source and nothing installed it begins with what the source has" {
  mkdir pkgs
  spawn run.out run.err gupper run --to ./app --listen 127.0.0.1:0 --healthy-for 0 --source ./pkgs
  RUN_OUT=run.out RUN_PID=$SPAWNED_PID
  wait_until 10 status_is app '.state == "BROKEN" and (.reason | test("there is nothing at"))'
  make_service 1.0.0
  wait_until 20 event activated '.to == "1.0.0" and .state == "committed"'
}

@test "the page wants its token for all but its health and metrics, and does what its buttons say" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --web 127.0.0.1:0
  local page token
  page=$(jq -r 'select(.event == "page").url' "$RUN_OUT")
  token=$(cat "$(jq -r 'select(.event == "page").token_file' "$RUN_OUT")")
  ask() { curl -sS --max-time 10 -o answer -w '%{http_code}' "$@"; }
  [ "$(ask "$page/healthz")" = 200 ]
  [ "$(ask "$page/metrics")" = 200 ] && grep -q 'gupper_service_info{service="app",version="1.0.0"' answer
  [ "$(ask "$page/status")" = 401 ]
  [ "$(ask -H "Authorization: Bearer $token" "$page/status")" = 200 ]
  [ "$(ask -X POST -H 'Content-Type: application/json' -d '{}' "$page/actions/freeze")" = 401 ]
  [ "$(ask -X POST -H "Authorization: Bearer $token" -H 'Origin: http://evil.example' -H 'Content-Type: application/json' -d '{}' "$page/actions/freeze")" = 403 ]
  status_is app '.state == "OK"'
  [ "$(ask -X POST -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{}' "$page/actions/freeze")" = 200 ]
  status_is app '.state == "FREEZE"'
}

@test "a page that cannot be opened leaves the program alone that goes on after a kill -9 of its supervisor" {
  make_service 1.0.0
  local flags=(--listen 127.0.0.1:0 --via socket --ready fd --healthy-for 0) pid
  start_service app "${flags[@]}"
  pid=$(gupper status app | field .pid)
  kill_hard "$RUN_PID"
  run_gupper 69 run --name app --to ./app "${flags[@]}" --web "${URL#http://}"
  assert_stderr_has 'it is taken'
  run_gupper 64 run --name app --to ./app "${flags[@]}" --web nowhere
  run_gupper 64 run --name app --to ./app "${flags[@]}" --web 127.0.0.1:0 --web-url nowhere
  rm "$XDG_STATE_HOME/gupper/services/app/token"
  mkdir "$XDG_STATE_HOME/gupper/services/app/token"
  run_gupper 69 run --name app --to ./app "${flags[@]}" --web 127.0.0.1:0
  assert_stderr_has 'cannot read the token in'
  rmdir "$XDG_STATE_HOME/gupper/services/app/token"
  assert_answers 1.0.0
  start_service app "${flags[@]}" --web 127.0.0.1:0
  event 'taken over'
  [ "$(gupper status app | field .pid)" = "$pid" ]
  event page
}

@test "run with flags that make no sense is a usage error, and says what to do" {
  make_service 1.0.0
  run_gupper 64 run
  run_gupper 64 run --to ./app --via nonsense
  assert_stderr_has '--via takes socket, proxy'
  run_gupper 64 run --to ./app --via proxy
  assert_stderr_has '--listen 8080'
  run_gupper 64 run --to ./app --via socket --listen 127.0.0.1:0 --ready tcp
  assert_stderr_has 'the old program answers at this address too'
  run_gupper 64 run --to ./app --ready tcp
  assert_stderr_has 'asks at an address, and none is given'
  run_gupper 64 run --to ./app --via signal:HUP --ready http:/
  run_gupper 64 run --to ./app --via socket --listen 127.0.0.1:0 --ready fd:3
  assert_stderr_has 'that is the listening socket'
  run_gupper 64 run --to ./app --listen nowhere
  run_gupper 64 run --to ./app --ready-within 50s --healthy-for 20s --progress 60s
  assert_stderr_has 'the times do not fit'
  run_gupper 64 run --to ./app --restart sometimes
  mkdir tree
  run_gupper 64 run --to ./tree
  assert_stderr_has "gupper run --to $PWD/tree -- $PWD/tree/PROGRAM"
  run_gupper 64 run --to ./app --name ../x
  run_gupper 64 status ../x
  run_gupper 64 restart
  run_gupper 69 restart nothing
  assert_stderr_has 'nothing is not running here'
}

@test "run says so where nothing is installed yet; one that could not be started is no service, and one that is gone can be forgotten" {
  spawn run.out run.err gupper run --to ./app --name later
  local later=$SPAWNED_PID
  wait_until 10 grep -q "there is nothing at $PWD/app yet" run.err
  grep -q "gupper install --to $PWD/app" run.err
  make_service 1.0.0
  install_service
  run_gupper 69 run --to ./app --name taken --listen 192.0.2.1:80
  kill -TERM "$later" && ends_with 0 "$later"
  run_gupper 69 status
  [ "$(field .service <<<"${lines[1]}")" = later ] && [ "${#lines[@]}" -eq 2 ]
  assert_stderr_has "or forget it: rm -r $XDG_STATE_HOME/gupper/services/later"
}

@test "a state that cannot be written ends run with 73 and the path" {
  make_service 1.0.0
  install_service
  : >file
  XDG_STATE_HOME=$PWD/file run_gupper 73 run --to ./app --healthy-for 0
  assert_stderr_has "cannot write $PWD/file/gupper/services/app"
  mkdir -p "$XDG_STATE_HOME/gupper/services/app/control"
  run_gupper 73 run --to ./app --healthy-for 0
  assert_stderr_has 'cannot open the control socket'
  assert_stderr_has 'it is a directory'
}

@test "misbehaviour: an address that is taken, nobody who reads the events, a full pipe" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  run_gupper 69 run --name other --to ./app --listen "${URL#http://}"
  assert_stderr_has 'it is taken'
  run_gupper 69 run --name other --to ./app --via socket --ready fd --listen "${URL#http://}"
  assert_stderr_has 'it is taken'
  spawn head.out head.err sh -c "gupper run --name third --to ./app --listen 127.0.0.1:0 --healthy-for 0 | head -1"
  wait_until 10 status_is third '.state == "OK" and .phase == "committed"'
  run_gupper restart third
  kill -TERM "$(process_with 'bin/gupper run --name third')"
  wait_until 10 has_ended "$SPAWNED_PID"
}

@test "misbehaviour: events that nobody reads hold neither the service nor its end up" {
  need jq
  make_service 1.0.0
  install_service
  mkfifo events
  # Held open, never read; what fits into it is soon used up.
  exec {unread}<>events
  head -c 65536 /dev/zero >&"$unread"
  spawn events run.err gupper run --name app --to ./app --listen 127.0.0.1:0 --healthy-for 0
  wait_until 10 status_is app '.state == "OK" and .phase == "committed"'
  run_gupper restart app
  kill -TERM "$SPAWNED_PID"
  ends_with 0 "$SPAWNED_PID"
  exec {unread}<&-
}

@test "run: --restart never ends with 65 where the program never got ready, and does not say that it is started again" {
  make_service 1.0.0 'exec sleep 1000'
  install_service
  run -65 --separate-stderr with_deadline gupper run --name app --to ./app --listen 127.0.0.1:0 --restart never --ready-within 1s --healthy-for 0
  [[ $output$stderr != *'started again'* ]]
}
