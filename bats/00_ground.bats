load helpers
setup() { common_setup; }
teardown() { common_teardown; }

record() { printf '{"schema":1,"name":"%s","version":"%s","os":"any","arch":"any","file":"%s-%s-any-any"}\n' "$1" "$2" "$1" "$2"; }

need_old_node() { OLD_NODE=$(find_old_node) || skip "needs an old Node"; }

@test "gupper --version prints the version of the package" {
  run_gupper --version
  assert_output_is "$(node -p "require('$ROOT/package.json').version")"
}

@test "gupper without a verb explains itself on stderr and exits 64" {
  run_gupper 64
  assert_output_is ""
  assert_stderr_has "usage: gupper VERB"
}

@test "gupper --help lists the verbs on stdout" {
  run_gupper --help
  assert_output_has "select"
  [ -z "$stderr" ]
}

@test "an unknown verb is a usage error that also travels down the pipe" {
  run_sh 64 'gupper lsit | gupper select'
  assert_stderr_has 'there is no verb "lsit"'
  [ "$(field .error.exit <<<"$output")" = 64 ]
  assert_no_trace
}

@test "an unknown flag names the flag, exits 64, and fails the end of a pipe without pipefail" {
  run_sh 64 'gupper select --wrong </dev/null | gupper select'
  assert_stderr_has '--wrong'
  assert_no_trace
}

@test "help exit-codes prints the one table" {
  run_gupper help exit-codes
  [ "$(wc -l <<<"$output")" -eq 12 ]
  assert_output_has '"exit":"77"'
  run_gupper help exit-codes --text
  assert_output_has '75       locked; try again'
  run_gupper 64 help exit-codes --text --json
}

@test "every verb has a help with examples" {
  for verb in $(gupper --help | sed -n 's/^  \([a-z-]*\)  .*/\1/p' | grep -v '^gupper' | sort -u); do
    run_gupper "$verb" --help
    assert_output_has "examples:"
    assert_output_has "gupper $verb"
    [ -z "$stderr" ]
  done
}

@test "a Node that is too old is told so in one line" {
  mkdir -p alone/bin
  cp "$ROOT/bin/gupper.js" "$ROOT/package.json" alone/ && mv alone/gupper.js alone/bin/
  need_old_node
  run -78 --separate-stderr "$OLD_NODE" alone/bin/gupper.js --version
  [ "${#stderr_lines[@]}" -eq 1 ]
  assert_stderr_has "is too old"
}

@test "a Node that is too old hands over to the one that npm ci brought" {
  need_old_node
  run -0 --separate-stderr "$OLD_NODE" "$ROOT/bin/gupper.js" --version
  [ -z "$stderr" ]
  record a 1.0.0 | run -65 --separate-stderr "$OLD_NODE" "$ROOT/bin/gupper.js" select --json <<<'[]'
}

@test "output is JSON lines in a pipe, a table with --text" {
  run_sh "$(declare -f record); record app 1.9.0 | gupper select"
  assert_output_is "$(record app 1.9.0)"
  run_sh "$(declare -f record); record app 1.9.0 | gupper select --text"
  [[ ${lines[0]} == NAME* ]]
  [[ ${lines[1]} == "app "*1.9.0* ]]
}

@test "a failure of an earlier step travels on and is the exit status of the pipe" {
  failure='{"error":{"step":"list","code":"unreachable","exit":69,"message":"no"}}'
  run_sh 69 "printf '%s\n' '$failure' | gupper select | gupper select"
  assert_output_is "$failure"
}

@test "malformed lines are named by number, exit 65, and the good lines still pass" {
  run_sh 65 "$(declare -f record); { record a 1.0.0; echo nonsense; echo '[1]'; echo '{\"schema\":1}'; record b 1.0.0; } | gupper select --all"
  assert_stderr_has "line 2: not JSON: nonsense"
  assert_stderr_has "line 3: not a JSON object"
  assert_stderr_has 'line 4: field "name" is missing'
  assert_output_has '"name":"b"'
  assert_no_trace
}

@test "a line of 100 MB is refused by number without being kept in memory" {
  run_sh 65 "$(declare -f record); { head -c 100000000 /dev/zero | tr '\\0' x; echo; record b 1.0.0; } | gupper select"
  assert_stderr_has "line 1: longer than 16 MiB"
  assert_output_has '"name":"b"'
}

@test "a record nested so deeply that it could not be written again is 65, by number" {
  run_sh 65 "$(declare -f record); { record a 1.0.0 | sed 's/}\$/,\"x\":/' | tr -d '\\n'; head -c 100000 /dev/zero | tr '\\0' '['; head -c 100000 /dev/zero | tr '\\0' ']'; echo '}'; } | gupper select"
  assert_stderr_has "line 1: nested too deeply"
}

@test "a closed pipe ends a step quietly with 0" {
  record a 1.0.0 >one
  for _ in $(seq 15); do cat one one >two && mv two one; done
  run_sh 'gupper select --all <one 2>err | head -1; cat err >&2'
  assert_output_is "$(record a 1.0.0)"
  [ -z "$stderr" ]
  run -0 bash -c 'set -o pipefail; gupper select --all <one | head -1 >/dev/null'
}

@test "a hundred thousand records come out as a hundred thousand records" {
  record a 1.0.0 | awk '{for (i = 0; i < 100000; i++) print}' >many
  run_sh 'gupper select --all <many | wc -l'
  [ "$((output))" -eq 100000 ]
}

@test "--log json writes complaints as JSON lines" {
  run_sh 65 'echo nonsense | gupper select --log json'
  [ "$(field .level <<<"$stderr")" = error ]
  [ "$(field .step <<<"$stderr")" = select ]
}

@test "a step that is stopped by SIGTERM exits 143" {
  mkfifo input
  exec {hold}<>input
  gupper select <input >out 2>err {hold}>&- &
  pid=$!
  SPAWNED+=("$pid")
  printf '%s\n' "$(record a 1.0.0)" nonsense >&"$hold"
  wait_until 10 test -s err
  kill -TERM "$pid"
  ends_with 143 "$pid"
  exec {hold}>&-
}
