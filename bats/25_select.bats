load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# record VERSION [MORE]: a record for any machine, with a digest that is particular to it; MORE is JSON after a comma.
record() {
  printf '{"schema":1,"name":"app","version":"%s","os":"any","arch":"any","file":"app-%s-any-any","digest":"sha256:%s"%s}\n' \
    "$1" "$1" "$(printf %s "$1" | sha256sum | cut -d' ' -f1)" "${2:+,$2}"
}
records() { for version; do record "$version"; done; }
# selecting FILE [STATUS] FLAGS…
selecting() {
  local from=$1 status_wanted=0
  shift
  [[ $1 =~ ^[0-9]+$ ]] && { status_wanted=$1; shift; }
  run -"$status_wanted" --separate-stderr with_deadline gupper select "$@" <"$from"
  keep_output
}
STATE() { printf '%s/gupper' "$XDG_STATE_HOME"; }
# chooses FLAGS…: whether anything of ./in is chosen.
chooses() { [ -n "$(gupper select "$@" <in)" ]; }
half='"rollout":{"waves":[{"at":"2020-01-01T00:00:00Z","percent":50}]}'
nobody='"rollout":{"start":"2020-01-01T00:00:00Z","rate":"0%/h"}'
everybody='"rollout":{"start":"2020-01-01T00:00:00Z","rate":"10%/h"}'

@test "select keeps the newest of each name, and of a stream with --all what fits, untouched" {
  { records 1.0.0 2.0.0 1.5.0; record 3.0.0-rc.1; record 0.1.0 '"name":"bee","mine":{"deep":[1,null]}'; } >in
  selecting in
  [ "$(versions)" = "2.0.0 0.1.0 " ]
  assert_output_has '"mine":{"deep":[1,null]}'
  selecting in --all --name app --range '^1'
  [ "$(versions)" = "1.0.0 1.5.0 " ]
  selecting in --channel rc --name app
  [ "$(versions)" = "3.0.0-rc.1 " ]
  [ ! -e "$XDG_STATE_HOME" ]
}

@test "select is silent with 0 where nothing fits, and passes failures on with their status" {
  records 1.0.0 >in
  selecting in --newer-than 1.0.0
  assert_silent
  echo '{"error":{"step":"list","code":"unreachable","exit":69,"message":"no answer"}}' >>in
  selecting in 69
  assert_output_has '"version":"1.0.0"'
  assert_output_has '"exit":69'
}

@test "a floor makes older installations step through an older release" {
  { records 1.0.0 2.0.0; record 3.0.0 '"floor":"2.0.0"'; } >in
  selecting in --newer-than 1.0.0
  [ "$(versions)" = "2.0.0 " ]
  selecting in --newer-than 2.0.0
  [ "$(versions)" = "3.0.0 " ]
  selecting in
  [ "$(versions)" = "3.0.0 " ]
  make_program ./app 1.4.0
  selecting in --newer-than ./app
  [ "$(versions)" = "2.0.0 " ]
  selecting in --newer-than ./missing
  [ "$(versions)" = "3.0.0 " ]
}

@test "a rollout reaches some machines and gives the others the version before, each machine always the same" {
  { records 1.0.0 1.9.0; record 2.0.0 "$half"; } >in
  local i first again new=0
  for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    first=$(XDG_STATE_HOME=$HOME/machine$i gupper select <in | field .version)
    again=$(XDG_STATE_HOME=$HOME/machine$i gupper select <in | field .version)
    [ "$first" = "$again" ]
    case $first in 2.0.0) new=$((new + 1)) ;; 1.9.0) ;; *) false ;; esac
    [[ $(cat "$HOME/machine$i/gupper/seed") =~ ^[0-9a-f]{32}$ ]]
  done
  # Fails once in two thousand runs of an honest coin.
  [ "$new" -gt 0 ] && [ "$new" -lt 12 ]
}

@test "nobody, everybody, critical ones, --now and --all need no seed" {
  { records 1.0.0; record 2.0.0 "$nobody"; } >nobody
  { records 1.0.0; record 2.0.0 "$everybody"; } >everybody
  { records 1.0.0; record 2.0.0 "$nobody,\"critical\":true"; } >critical
  selecting nobody
  [ "$(versions)" = "1.0.0 " ]
  selecting everybody
  [ "$(versions)" = "2.0.0 " ]
  selecting critical
  [ "$(versions)" = "2.0.0 " ]
  selecting nobody --now
  [ "$(versions)" = "2.0.0 " ]
  selecting nobody --all
  [ "$(versions)" = "1.0.0 2.0.0 " ]
  [ ! -e "$XDG_STATE_HOME" ]
}

@test "processes that choose at once on a new machine choose alike" {
  { records 1.0.0; record 2.0.0 "$half"; } >in
  local i
  for i in 1 2 3 4 5 6; do spawn out.$i err.$i sh -c 'gupper select <in'; done
  for i in 1 2 3 4 5 6; do wait_until 30 has_line out.$i; done
  [ "$(cat out.* | sort -u | wc -l)" -eq 1 ]
  [ "$(ls "$(STATE)")" = seed ]
  [ -z "$(cat err.*)" ]
}

@test "--min-age holds back what this machine has not known for so long; the newest old enough takes its place" {
  records 1.0.0 2.0.0 >in
  selecting in --min-age 2s
  assert_silent
  wait_until 20 chooses --min-age 2s
  # What a server says of the time is no matter.
  record 3.0.0 '"published":"2000-01-01T00:00:00Z"' >>in
  selecting in --min-age 2s
  [ "$(versions)" = "2.0.0 " ]
  selecting in --min-age 24h
  assert_silent
  selecting in --min-age 0
  [ "$(versions)" = "3.0.0 " ]
}

@test "--min-age on list and update: nothing is installed early, and no build is forgotten" {
  make_package pkgs 1.0.0 >/dev/null
  start_server pkgs
  local from
  for from in pkgs "$SERVER_URL"; do
    run_gupper list "$from" --min-age 24h
    assert_silent
    run_gupper update "$from" --to ./app --min-age 24h
    assert_silent
    [ ! -e app ]
  done
  # A day ago, as far as this machine remembers.
  node -e '
    const fs = require("node:fs")
    const text = fs.readFileSync(process.argv[1], "utf8").replace(/ (\d+)$/gm, (_, s) => ` ${s - 86400000}`)
    fs.writeFileSync(process.argv[1], text)' "$(STATE)/first-seen"
  make_package pkgs 2.0.0 >/dev/null
  served() { gupper list "$SERVER_URL" | grep -q 2.0.0; }
  wait_until 10 served
  for from in pkgs "$SERVER_URL"; do
    run_gupper list "$from" --min-age 24h
    [ "$(versions)" = "1.0.0 " ]
  done
  run_gupper update "$SERVER_URL" --to ./app --min-age 24h
  [ "$(./app --version)" = "app version 1.0.0" ]
  run_gupper update "$SERVER_URL" --to ./app
  [ "$(./app --version)" = "app version 2.0.0" ]
}

@test "watch writes a record when it has come of age, without word from the source" {
  make_package pkgs 1.0.0 >/dev/null
  start_server pkgs
  spawn new.out new.err gupper watch "$SERVER_URL" --min-age 3s --count 1 --every 1s
  wait_until 20 has_line new.out
  [ "$(field .version <new.out)" = 1.0.0 ]
  [ -z "$(cat new.err)" ]
}

@test "select behind watch writes a record when it has come of age" {
  make_package pkgs 1.0.0 >/dev/null
  mkfifo pipe
  spawn /dev/null watch.err sh -c 'exec gupper watch pkgs >pipe'
  spawn new.out new.err sh -c 'exec gupper select --min-age 2s <pipe'
  wait_until 30 has_line new.out
  [ "$(field .version <new.out)" = 1.0.0 ]
}

@test "a clock that was set back is noticed, and lets nothing through early" {
  records 1.0.0 >in
  mkdir -p "$(STATE)"
  echo '{"latest":"2999-01-01T00:00:00Z"}' >"$(STATE)/clock.json"
  selecting in --min-age 1s
  assert_output_is ""
  assert_stderr_has "2999-01-01T00:00:00Z was seen here before: it was set back"
  assert_stderr_has "delete $(STATE)/clock.json"
  [ "$(grep -c 'set back' <<<"$stderr")" -eq 1 ]
  # A day that never was locks nobody out for ever.
  rm "$(STATE)/clock.json"
  selecting in --min-age 1s
  assert_silent
  wait_until 20 chooses --min-age 1s
}

@test "misbehaviour: damaged state makes builds new, never old" {
  records 1.0.0 >in
  selecting in --min-age 1s
  wait_until 20 chooses --min-age 1s
  # Cut off in the middle of the line.
  truncate -s -3 "$(STATE)/first-seen"
  selecting in --min-age 1h
  assert_silent
  head -c 4000 /dev/urandom >"$(STATE)/first-seen"
  echo garbage >"$(STATE)/clock.json"
  selecting in --min-age 1h
  assert_output_is ""
  assert_no_trace
  wait_until 20 chooses --min-age 1s
}

@test "misbehaviour: a state that cannot be kept fails where it matters, and nowhere else" {
  { records 1.0.0; record 2.0.0 "$half"; } >in
  touch file
  export XDG_STATE_HOME=$PWD/file
  selecting in
  [ "$(versions)" = "1.0.0 " ]
  assert_stderr_has "until a rollout is complete, the version before it is chosen"
  selecting in --now
  [ "$(versions)" = "2.0.0 " ]
  [ -z "$stderr" ]
  selecting in 73 --min-age 1h
  assert_output_has '"code":"cannot-write"'
  assert_no_trace
  unset XDG_STATE_HOME
  HOME= selecting in 78 --min-age 1h
}

@test "misbehaviour: a read-only state directory" {
  records 1.0.0 >in
  selecting in --min-age 0
  chmod 444 "$(STATE)"/* && chmod 555 "$(STATE)"
  # What is known needs no writing; what is new cannot be remembered.
  as_plain 0 gupper select --min-age 0 <in
  [ "$(versions)" = "1.0.0 " ]
  [ -z "$stderr" ]
  record 2.0.0 >>in
  as_plain 73 gupper select --min-age 0 <in
  assert_stderr_has "cannot write $(STATE)/first-seen: permission denied"
  record 3.0.0 "$half" >>in
  as_plain 0 gupper select <in
  [ "$(versions)" = "2.0.0 " ]
  assert_stderr_has "cannot write $(STATE)/seed: permission denied"
  chmod 755 "$(STATE)"
}

@test "misbehaviour: times and rollouts that are none, lines that are none" {
  records 1.0.0 >in
  selecting in 64 --min-age yesterday
  assert_stderr_has "--min-age takes a time"
  record 2.0.0 '"rollout":{"rate":"fast"}' >>in
  record 3.0.0 '"floor":"two"' >>in
  record 4.0.0 '"critical":"yes"' >>in
  selecting in 65
  assert_output_has '"version":"1.0.0"'
  [ "$(grep -c '"code":"bad-record"' <<<"$output")" -eq 3 ]
  assert_no_trace
}
