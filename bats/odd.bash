# Shared by the bats files of odd machines: packages of a program in ./pkgs, and how an error is told.

# app VERSION [DIR]: makes a package of that version.
app() { make_package "${2:-pkgs}" "$1" >/dev/null; }

# fetched VERSION: its record as fetch writes it.
fetched() { gupper list pkgs --all --range "$1" | gupper fetch; }

# served: serves pkgs, and keeps the records of all that is there in ./served.
served() {
  start_server pkgs --settle 100ms
  gupper list "$SERVER_URL" --all >served
}

# refused STATUS WORDS: that is how the last command ended; these words are in its message, with a hint and no trace.
refused() {
  [ "$status" -eq "$1" ] || return 1
  assert_stderr_has "$2"
  assert_stderr_has 'hint: '
  assert_no_trace
}
