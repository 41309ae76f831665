load helpers
setup() { common_setup; }
teardown() { common_teardown; }

changed='{"schema":1,"name":"app","version":"1.0.0","os":"any","arch":"any","file":"app-1.0.0-any-any","installed":{"path":"/x/app","changed":true}}'
same=${changed/true/false}
failure='{"error":{"step":"fetch","code":"unreachable","exit":69,"message":"no"}}'

@test "reexec becomes the command when something changed" {
  run -0 --separate-stderr gupper reexec -- echo new version <<<"$changed"
  assert_output_is "new version"
}

@test "reexec keeps the PID, the environment and the working directory" {
  export GREETING="hello there"
  printf '%s\n' "$changed" >records
  run -0 --separate-stderr sh -c 'echo $$; exec gupper reexec -- sh -c "echo \$\$; pwd; echo \$GREETING" <records'
  [ "${lines[0]}" = "${lines[1]}" ]
  [ "${lines[2]}" = "$PWD" ]
  [ "${lines[3]}" = "hello there" ]
}

@test "the program gets its arguments as they were, whatever is in them" {
  run -0 --separate-stderr gupper reexec -- printf '[%s]\n' "a b" "it's" '$HOME' '' --json -- '*' <<<"$changed"
  [ "${lines[*]}" = "[a b] [it's] [\$HOME] [] [--json] [--] [*]" ]
}

@test "the program's standard input is clean, not the pipe of records" {
  run -0 --separate-stderr sh -c "printf '%s\n' '$changed' '$changed' | setsid gupper reexec -- sh -c 'cat; readlink /proc/self/fd/0'"
  if [ -d /proc/self ]; then assert_output_is /dev/null; else assert_output_is ""; fi
}

@test "the program gets back what Node changed: signals, blocking streams, the limit on open files" {
  [ -r /proc/self/status ] || skip "needs /proc"
  ulimit -S -n 256
  printf '%s\n' "$changed" >records
  run -0 --separate-stderr sh -c 'gupper reexec -- sh -c "grep SigIgn /proc/\$\$/status; ulimit -S -n; grep flags /proc/\$\$/fdinfo/1" <records | cat'
  [[ ${lines[0]} == *0000000000000000 ]]
  [ "${lines[1]}" = 256 ]
  # 04000 is O_NONBLOCK
  [ $((0${lines[2]##*$'\t'} & 04000)) -eq 0 ]
}

@test "nothing changed: the command is not run, and the records pass through" {
  run -0 --separate-stderr gupper reexec -- touch started <<<"$same"
  assert_output_is "$same"
  [ ! -e started ]
  run -0 --separate-stderr gupper reexec -- touch started </dev/null
  assert_silent
  [ ! -e started ]
}

@test "--always runs the command also when nothing changed" {
  run -0 --separate-stderr gupper reexec --always -- echo running </dev/null
  assert_output_is running
}

@test "a failed step: the command is not run, and the failure is the exit status" {
  run -69 --separate-stderr gupper reexec -- touch started <<<"$changed"$'\n'"$failure"
  [ ! -e started ]
  assert_output_has '"exit":69'
}

@test "--always runs the command also when a step failed: an outage does not keep a program from starting" {
  run -0 --separate-stderr gupper reexec --always -- echo running <<<"$failure"
  assert_output_is running
}

@test "in a stream that does not end, the first change is acted on at once" {
  mkfifo pipe
  exec {hold}<>pipe
  printf '%s\n' "${changed/\"installed\"/\"watched\":{\"at\":\"2026-11-20T10:00:00Z\"\},\"installed\"}" >&"$hold"
  run -0 --separate-stderr gupper reexec -- echo at once <pipe
  exec {hold}>&-
  assert_output_is "at once"
}

@test "the exit status is the program's own" {
  run -7 --separate-stderr gupper reexec -- sh -c 'exit 7' <<<"$changed"
}

@test "misbehaviour: no command, no such program, one that may not be run, a directory" {
  run -64 --separate-stderr gupper reexec <<<"$changed"
  assert_stderr_has "no command is given"
  run -64 --separate-stderr gupper reexec -- <<<"$changed"
  run -64 --separate-stderr gupper reexec -- ./nothing <<<"$changed"
  assert_stderr_has "cannot run ./nothing"
  run -64 --separate-stderr gupper reexec -- no-such-program-anywhere <<<"$changed"
  assert_stderr_has "not in PATH"
  touch plain
  run -64 --separate-stderr gupper reexec -- ./plain <<<"$changed"
  run -64 --separate-stderr gupper reexec -- . <<<"$changed"
  assert_no_trace
}

@test "misbehaviour: malformed records are 65 and nothing is run" {
  run -65 --separate-stderr gupper reexec -- touch started <<<"$changed"$'\n'nonsense
  assert_stderr_has "line 2"
  [ ! -e started ]
}
