# Shared by the bats files that install a program at ./app.

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

assert_tidy() { [ -z "$(ls -A .gupper/app/tmp)" ] || { ls -A .gupper/app/tmp >&2; return 1; }; }
slots() { find .gupper/app/slots -mindepth 1 -maxdepth 1 | wc -l; }
