#!/usr/bin/env bats
# A supervisor that is killed with -9, in whatever state, is followed by one that finishes or undoes what was begun: one
# program runs, never two, nothing is left behind, and the history tells what happened.

load helpers
load service
setup() { service_setup; }
teardown() { service_teardown; }

perl_service="exec '$ROOT/scripts/services/accept.pl'"

# program_pids: those that carry the mark of a program.
program_pids() {
  local file
  for file in $(grep -lzxF "HOME=$HOME" /proc/[0-9]*/environ 2>/dev/null); do
    ! grep -qzF "GUPPER_INSTANCE=" "$file" 2>/dev/null || echo "${file//[!0-9]/}"
  done
}
keeper_pid() { pgrep -f "gupper-keeper $XDG_STATE_HOME/gupper/services/app/keeper"; }
waiter_pid() { process_with ' waiter [0-9a-f]{12}$'; }

# One program, its waiter, the keeper, the supervisor.
only_one() { [ "$(program_pids | wc -l)" = 1 ] && [ "$(waiter_pid | wc -l)" = 1 ] && [ "$(keeper_pid | wc -l)" = 1 ]; }

# begin FLAGS…: starts the service; murder: kill -9 of its supervisor; again: the next one, with $FLAGS.
FLAGS=()
begin() {
  FLAGS=("$@")
  start_service app "${FLAGS[@]}"
}
# A candidate may be on its way that takes its time: it is enough that something answers, or was tried.
start_anew() {
  RUN_OUT=$BATS_TEST_TMPDIR/anew.$RANDOM.events RUN_ERR=$BATS_TEST_TMPDIR/anew.$RANDOM.stderr
  spawn "$RUN_OUT" "$RUN_ERR" gupper run --name app --to ./app "${FLAGS[@]}"
  RUN_PID=$SPAWNED_PID
  wait_until 20 tells 'select(.event == "started" or .event == "taken over" or .event == "activated" or .event == "restarted")'
  URL=http://$(gupper status app 2>/dev/null | field .listen | sed 's|^http://||')
}
murder() { kill_hard "$RUN_PID"; wait "$RUN_PID" 2>/dev/null || true; }
again() { start_anew; }

# is_live VERSION: it was made live, or found, and no hand-over is under way.
is_live() { status_is app ".version == \"$1\" and .state == \"${2-OK}\" and ([.phase] | inside([\"idle\", \"committed\", \"aborted\", \"reverted\"]))"; }

# settles VERSION [STATE]: this version comes to be the live one, alone, and answers.
settles() {
  wait_until 20 is_live "$@" || { gupper status app >&2; gupper status app --history >&2; cat "$RUN_ERR" >&2; return 1; }
  wait_until 20 only_one || { ps -fp "$(processes_left | tr " " ,)" >&2; cat "$RUN_ERR" >&2; return 1; }
  [ "$URL" = http://undefined ] || wait_until 10 answers "$1"
}

install_recorded() { gupper install --allow-downgrade --to ./app <"record-$1" >/dev/null; }
make_record() { gupper list ./pkgs --range "$1" | gupper fetch >"record-$1"; }

# sweep WAY…: at every STRIDE-th write of its journal the supervisor is killed, while it takes over one version and makes the other live.
sweep() {
  local new=2.0.0 old=1.0.0 n=${FIRST-1} before count=0
  need strace
  make_record 1.0.0
  make_record 2.0.0
  install_recorded 1.0.0
  begin --healthy-for 0 --drain 5s "$@"
  while :; do
    murder
    install_recorded "$new"
    before=$(sqlite_history)
    RUN_OUT=$BATS_TEST_TMPDIR/swept.out RUN_ERR=$BATS_TEST_TMPDIR/swept.err
    spawn "$RUN_OUT" "$RUN_ERR" strace -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal=SIGKILL:when="$n" \
      gupper run --name app --to ./app "${FLAGS[@]}"
    RUN_PID=$SPAWNED_PID
    wait_until 20 swept "$new" || { echo "at write $n" >&2; cat "$RUN_OUT" "$RUN_ERR" >&2; return 1; }
    if ! has_ended "$RUN_PID"; then
      # It has made its last write: the sweep is over.
      kill_tree "$RUN_PID"
      again
      settles "$new"
      stop_alone
      echo "# killed at $count of $((n - 1)) writes" >&3
      [ "$count" -gt 0 ]
      return
    fi
    wait "$RUN_PID" 2>/dev/null || true
    again
    settles "$new" || { echo "killed at write $n" >&2; return 1; }
    truthful "$before" "$new" || { echo "killed at write $n" >&2; gupper status app --history >&2; return 1; }
    count=$((count + 1)) n=$((n + ${STRIDE-12}))
    before=$new new=$old old=$before
  done
}
# stop_alone: the service is told to end, and nothing of it is left.
stop_alone() { stop_service && wait_until 10 nobody_left; }
swept() { has_ended "$RUN_PID" || event activated ".to == \"$1\""; }
kill_tree() { kill_hard "$(pgrep -P "$1")"; wait_until 10 has_ended "$1"; wait "$1" 2>/dev/null || true; RUN_PID=''; }
sqlite_history() { gupper status app --history --count 1000 2>/dev/null | wc -l; }

# truthful BEFORE VERSION: since then, this version was made live once; whatever else was tried came to nothing.
truthful() {
  gupper status app --history --count 1000 | jq -se --argjson before "$1" --arg to "$2" \
    '.[:length - $before] | ([.[] | select(.state == "committed" and .from != .to)] | length == 1 and .[0].to == $to)' >/dev/null
}

@test "killed at writes of its journal all along an activation: the next one makes the new version live, once" {
  local service=$perl_service flags=(--via socket --listen 127.0.0.1:0 --ready fd)
  # By hand, WAY=proxy and WAY=restart, and STRIDE=1 for each write.
  case ${WAY-socket} in
    proxy) service=: flags=(--listen 127.0.0.1:0) ;;
    restart) service='export PORT=0' flags=(--ready 'log:listens at') ;;
  esac
  make_service 1.0.0 "$service"
  make_service 2.0.0 "$service"
  sweep "${flags[@]}"
}

# update_in_background VERSION: installs it and asks for it to be made live; whoever asked may be told that nobody answers any more.
update_in_background() {
  install_service "$1"
  spawn "$BATS_TEST_TMPDIR/asked.out" "$BATS_TEST_TMPDIR/asked.err" sh -c \
    "gupper list ./pkgs --range '$1' | gupper fetch | gupper install --to ./app | gupper activate app"
}
recorded() { gupper status app --history --count 1000 | jq -se "any(.[]; $1)" >/dev/null; }
told_log() { gupper logs app | grep -F "$1"; }

@test "killed while a candidate is probed: the old one is still there, and one that is never ready is held" {
  make_service 1.0.0
  install_service
  make_service 2.0.0 'exec sleep 1000'
  begin --listen 127.0.0.1:0 --ready-within 100s --progress 200s
  program=$(program_pids)
  update_in_background 2.0.0
  wait_until 20 phase probing 2.0.0
  murder
  FLAGS=(--listen 127.0.0.1:0 --ready-within 1s)
  again
  wait_until 20 event activated '.state == "aborted" and .to == "2.0.0"'
  settles 1.0.0
  [ "$(program_pids)" = "$program" ]
  recorded '.event == "undone" and .from == "1.0.0" and .to == "2.0.0" and .state == "aborted"'
  gupper list ./pkgs --range 2.0.0 | gupper fetch >record
  run_sh 65 'gupper install --to ./app <record'
  [ "$(failure code)" = rejected ]
  stop_alone
}

@test "killed while a candidate is proven: it is proven again, and goes live once it was" {
  make_service 1.0.0
  install_service
  make_service 2.0.0
  begin --listen 127.0.0.1:0 --healthy-for 0
  murder
  FLAGS=(--listen 127.0.0.1:0 --healthy-for 100s --progress 200s)
  again
  update_in_background 2.0.0
  wait_until 20 phase proving 2.0.0
  murder
  FLAGS=(--listen 127.0.0.1:0 --healthy-for 0)
  again
  settles 2.0.0
  recorded '.event == "undone" and .to == "2.0.0"'
  recorded '.event == "activated" and .from == "1.0.0" and .to == "2.0.0" and .state == "committed"'
  stop_alone
}

@test "killed with its keeper, where the programs have not kept their environment: never do two run" {
  local hide="exec env -i PATH=\"\$PATH\" PORT=\"\$PORT\" VERSION=\$VERSION node '$ROOT/scripts/services/web.js'"
  make_service 1.0.0 "echo 1.0.0 is \$\$" "$hide"
  install_service
  make_service 2.0.0 "echo 2.0.0 is \$\$" "$hide"
  begin --listen 127.0.0.1:0 --healthy-for 0
  update_in_background 2.0.0
  wait_until 20 is_live 2.0.0
  murder
  kill_hard "$(keeper_pid)"
  again
  wait_until 20 is_live 2.0.0
  wait_until 10 answers 2.0.0
  local pid
  for pid in $(gupper logs app | grep -oE '[12].0.0 is [0-9]+$' | sed '$d; s/.* //'); do has_ended "$pid"; done
  stop_alone
}

# drain_in_flight PHASE [FLAGS…]: a request is under way at the old version when the supervisor is killed in this phase.
drain_in_flight() {
  local in=$1
  shift
  make_service 1.0.0
  install_service
  make_service 2.0.0
  begin --healthy-for 0 "$@"
  [ "$in" != starting ] || URL=http://$(gupper logs app | grep -oE '127.0.0.1:[0-9]+')
  curl -sS --max-time 20 "$URL/slow?ms=2500" >slow.out 2>slow.err 3>&- &
  SLOW=$!
  update_in_background 2.0.0
  wait_until 20 phase "$in" 2.0.0
  murder
  again
  settles 2.0.0
  stop_alone
}

@test "killed while the old version drains at the proxy: the new one stays, the old one goes" {
  drain_in_flight draining --listen 127.0.0.1:0
  wait "$SLOW" || true
  recorded '.to == "2.0.0" and .state == "committed"'
}

@test "killed while the old version drains at the socket: what is under way there is answered all the same" {
  drain_in_flight draining --listen 127.0.0.1:0 --via socket --ready fd
  wait "$SLOW"
  [ "$(cat slow.out)" = 1.0.0 ]
}

@test "killed while the old version is told to end: the new one is started" {
  export PORT=0
  drain_in_flight starting
  wait "$SLOW"
  [ "$(cat slow.out)" = 1.0.0 ]
}

@test "killed together with its program: what ran before is what is gone back to when the new version fails" {
  make_service 1.0.0 "$perl_service"
  install_service
  make_service 2.0.0 'echo the new one gives up' 'exit 3'
  begin --via socket --ready fd --listen 127.0.0.1:0 --healthy-for 0
  install_service 2.0.0
  kill -KILL "$RUN_PID" $(program_pids)
  wait_until 10 has_ended "$RUN_PID"
  again
  settles 1.0.0
  recorded '.to == "2.0.0" and .state == "aborted"'
  grep -q VERSION=1.0.0 app
  stop_alone
}

@test "a keeper, a waiter or a program that is killed: the service goes on, or comes back" {
  make_service 1.0.0 "$perl_service"
  install_service
  begin --via socket --ready fd --listen 127.0.0.1:0 --healthy-for 0
  program=$(program_pids)

  # Nobody tells of its end now; it is noticed.
  kill_hard "$(waiter_pid)"
  answers 1.0.0
  kill_hard "$program"
  wait_until 20 event restarted ".pid != $program"
  settles 1.0.0

  program=$(program_pids)
  kill_hard "$program"
  wait_until 20 event ended ".pid == $program and .signal == \"SIGKILL\""
  settles 1.0.0

  # The program has the only copy of the socket: it goes on, and the next one is started from a new keeper.
  program=$(program_pids)
  kill_hard "$(keeper_pid)"
  answers 1.0.0
  [ "$(program_pids)" = "$program" ]
  kill_hard "$program"
  wait_until 20 event ended ".pid == $program"
  settles 1.0.0
  stop_alone
}

@test "everything but the program is killed: it is replaced, and there are never two" {
  make_service 1.0.0 "$perl_service"
  install_service
  begin --via socket --ready fd --listen 127.0.0.1:0 --healthy-for 0
  program=$(program_pids)
  kill -KILL "$RUN_PID" "$(keeper_pid)" "$(waiter_pid)"
  wait_until 10 has_ended "$RUN_PID"
  again
  has_ended "$program"
  settles 1.0.0
  stop_alone
}

@test "killed, and the program ends before the next one: it is started again, and its last words are in the log" {
  make_service 1.0.0 "trap 'echo these are my last words; echo and these >&2; exit 7' TERM" 'mkfifo ready.fifo 2>/dev/null; echo up' 'while :; do read -r _ <>ready.fifo; done'
  install_service
  begin --healthy-for 0
  program=$(program_pids)
  wait_until 10 told_log up
  murder
  kill -TERM "$program"
  wait_until 10 has_ended "$program"
  again
  settles 1.0.0
  [ "$(program_pids)" != "$program" ]
  told_log 'these are my last words'
  told_log 'and these'
  told_log "1.0.0 ($program) exited with 7, while nobody supervised it"
  stop_alone
}

@test "run by a Node that is too old, it is killed like any other: the next one takes the program over" {
  OLD_NODE=$(find_old_node) || skip "needs an old Node"
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  local pid
  pid=$(gupper status app | field .pid)
  kill_hard "$RUN_PID"
  local old
  spawn old.out old.err "$OLD_NODE" "$ROOT/bin/gupper.js" run --name app --to ./app --listen 127.0.0.1:0 --healthy-for 0
  old=$SPAWNED_PID RUN_OUT=old.out
  wait_until 20 event 'taken over'
  kill_hard "$old"
  # It notices that by itself.
  wait_until 10 is_unsupervised
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  event 'taken over'
  [ "$(gupper status app | field .pid)" = "$pid" ]
}
is_unsupervised() { local status=0; gupper status app >/dev/null 2>&1 || status=$?; [ "$status" -eq 69 ]; }

@test "started twice: the second says 75, the first is not disturbed" {
  make_service 1.0.0 "$perl_service"
  install_service
  begin --via socket --ready fd --listen 127.0.0.1:0 --healthy-for 0
  program=$(program_pids)
  run_gupper 75 run --name app --to ./app "${FLAGS[@]}"
  assert_stderr_has 'app is run by another gupper already'
  [ "$(program_pids)" = "$program" ]
  settles 1.0.0
  stop_alone
}

@test "killed and started with other settings: the program is replaced by one that has them" {
  make_service 1.0.0 "$perl_service"
  install_service
  begin --via socket --ready fd --listen 127.0.0.1:0 --healthy-for 0
  program=$(program_pids)
  port=${URL##*:}
  murder
  # The same address, held by what is there still; another command.
  FLAGS=(--via socket --ready fd --listen "127.0.0.1:$port" --healthy-for 0 -- ./app other)
  again
  has_ended "$program"
  settles 1.0.0
  program=$(program_pids)
  grep -qzx other "/proc/$program/cmdline" || tr '\0' ' ' <"/proc/$program/cmdline" >&2
  murder
  FLAGS=(--via socket --ready fd --listen 127.0.0.1:0 --healthy-for 0)
  again
  has_ended "$program"
  [ "${URL##*:}" != "$port" ]
  settles 1.0.0
  stop_alone
}

@test "a service that is frozen, or was rolled back, is so after a kill" {
  make_service 1.0.0 "$perl_service"
  make_service 2.0.0 "$perl_service"
  install_service 1.0.0
  install_service 2.0.0
  begin --via socket --ready fd --listen 127.0.0.1:0 --healthy-for 0
  run_gupper rollback app
  settles 1.0.0 FREEZE
  murder
  again
  settles 1.0.0 FREEZE
  kill -KILL "$RUN_PID" $(program_pids)
  wait_until 10 has_ended "$RUN_PID"
  again
  settles 1.0.0 FREEZE
  stop_alone
}
