load helpers
setup() {
  common_setup
  mkdir -p "here/a dir"
  touch "here/a file"
}
teardown() { common_teardown; }

# in_bash WORD…: what bash would offer for the last word.
in_bash() {
  gupper completion bash >gupper.bash
  run -0 --separate-stderr bash --norc -c '
    source ./gupper.bash
    COMP_WORDS=(gupper "$@") COMP_CWORD=$#
    "$(complete -p gupper | sed "s/.*-F \([^ ]*\) .*/\1/")"
    printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
  [ -z "$stderr" ]
}

# in_fish LINE: what fish would offer at its end, without the descriptions.
in_fish() {
  need fish
  gupper completion fish >gupper.fish
  run -0 --separate-stderr fish --no-config -c 'source ./gupper.fish; complete -C $argv[1] | string replace -r "\t.*" ""; true' "$1"
  [ -z "$stderr" ]
}

# typed SHELL LINE WANTED: types the line and a tab into a real shell on a real terminal, until it shows what is wanted.
typed() {
  need zsh
  gupper completion "$1" >"gupper.$1"
  run -0 timeout 20 zsh -f -c '
    zmodload zsh/zpty
    case $1 in
    bash) zpty -e shell "INPUTRC=/dev/null TERM=dumb PS1=\"ready\"\"> \" bash --norc --noprofile -i" ;;
    zsh) zpty -e shell "PS1=\"ready\"\"> \" TERM=dumb zsh -f -i" ;;
    esac
    zpty -r -m shell first "*ready> *"
    case $1 in
    bash) zpty -w shell "source ./gupper.bash; cd here; echo so\"\"urced" ;;
    zsh) zpty -w shell "autoload -U compinit; compinit -u -D; source ./gupper.zsh; cd here; echo so\"\"urced" ;;
    esac
    zpty -r -m shell second "*sourced*ready> *"
    zpty -w -n shell "$2"$'"'\\t'"'
    zpty -r -m shell third "*$3*"
    print -r -- "$third"
    zpty -d shell' zsh "$@"
  [[ $output == *"$3"* ]]
}

@test "bash completes verbs, and verbs below verbs" {
  in_bash ver
  assert_output_is verify
  in_bash cache ''
  assert_output_has prune
  in_bash ''
  for verb in list select fetch verify install help; do [[ " ${lines[*]} " == *" $verb "* ]]; done
}

@test "bash completes the flags of the verb at hand, and no others" {
  in_bash verify --ch
  assert_output_is --checksums
  in_bash select --ch
  assert_output_is --channel
  in_bash verify -
  [[ " ${lines[*]} " == *" -q "* && " ${lines[*]} " == *" --help "* && " ${lines[*]} " != *" --range "* ]]
}

@test "bash completes the values of flags, behind a space and behind =" {
  in_bash list --os w
  assert_output_is windows
  in_bash list --os = w
  assert_output_is windows
  in_bash list --os =
  assert_output_has darwin
  in_bash list --name l
  assert_output_is ""
  in_bash verify --require mini
  assert_output_is minisign
  in_bash run --restart f
  assert_output_is failure
  in_bash run --via h
  assert_output_is handover
  in_bash completion z
  assert_output_is zsh
  in_bash help exit
  assert_output_is exit-codes
}

@test "bash completes a command after --, where the verb runs one" {
  in_bash reexec -- gupper
  assert_output_has gupper
  in_bash select -- gupper
  assert_output_is ""
}

@test "bash completes paths with spaces on a terminal" {
  typed bash "gupper verify a\\ f" "a\\ file"
}

@test "fish completes verbs, flags, values and paths" {
  in_fish "gupper ver"
  assert_output_is verify
  in_fish "gupper cache pr"
  assert_output_is prune
  in_fish "gupper verify --ch"
  assert_output_is --checksums
  in_fish "gupper list --os w"
  assert_output_is windows
  in_fish "gupper fetch --into here/"
  assert_output_is "here/a dir/"
  in_fish "gupper verify here/a\\ f"
  assert_output_is "here/a file"
  in_fish "gupper completion z"
  assert_output_is zsh
  in_fish "gupper schema h"
  assert_output_is ""
}

@test "zsh completes verbs, flags, values and paths on a terminal" {
  typed zsh "gupper ver" "gupper verify"
  typed zsh "gupper cache pr" "gupper cache prune"
  typed zsh "gupper verify --che" "--checksums"
  typed zsh "gupper list --os wi" "windows"
  typed zsh "gupper verify a\\ f" "a\\ file"
  typed zsh "gupper reexec -- gup" "gupper reexec -- gupper"
}

@test "completion for an unknown shell, or none, is a usage error that names the shells" {
  run_gupper 64 completion tcsh
  assert_stderr_has "bash|zsh|fish"
  run_gupper 64 completion
  assert_stderr_has "bash|zsh|fish"
}

@test "man renders the manual page without a warning" {
  need man
  gupper man >gupper.1
  run -0 --separate-stderr env LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l gupper.1
  [ -z "$stderr" ]
  assert_output_has "EXIT STATUS"
  assert_output_has "gupper verify"
}
