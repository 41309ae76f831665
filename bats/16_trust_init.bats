#!/usr/bin/env bats
# gupper trust init: a signed repository and its keys in one command, and nothing that is there is lost.

load helpers
setup() { common_setup; }
teardown() { common_teardown; }

mode() { stat -c %a "$1"; }
root_field() { tr -d '\n' <repo/metadata/1.root.json | field ".signed.$1"; }

@test "trust init: a repository, three keys, and what to do next" {
  run_gupper trust init repo --keys keys
  [ "$(field .root <<<"$output")" = "$PWD/repo/metadata/1.root.json" ]
  assert_stderr_has "repo/metadata/1.root.json to your clients"
  assert_stderr_has "offline"
  [ "$(ls keys | xargs)" = 'online.pem root.json root.pem targets.pem' ]
  [ "$(mode keys)" = 700 ]
  for name in root targets online; do [ "$(mode keys/$name.pem)" = 600 ]; done
  [ "$(ls repo/metadata | xargs)" = '1.root.json 1.snapshot.json 1.targets.json timestamp.json' ]
  [ "$(root_field consistent_snapshot)" = true ]
  [ "$(root_field roles.snapshot.keyids)" = "$(root_field roles.timestamp.keyids)" ]
  [ "$(root_field roles.root.keyids)" != "$(root_field roles.targets.keyids)" ]
  run -0 --separate-stderr gupper trust init other --keys other-keys --quiet
  [ -z "$stderr" ]
}

@test "trust init: whatever the umask, keys are private and metadata is public" {
  (umask 000; gupper trust init one --keys one-keys --quiet >/dev/null)
  (umask 077; gupper trust init two --keys two-keys --quiet >/dev/null)
  for name in one two; do
    [ "$(mode $name-keys)" = 700 ]
    [ "$(mode $name-keys/root.pem)" = 600 ]
    for file in $name/metadata/*; do [ "$(mode "$file")" = 644 ]; done
    [ "$(mode $name/metadata)" = 755 ] && [ "$(mode $name/targets)" = 755 ]
  done
}

@test "trust init: the types of keys, read by openssl" {
  need openssl
  local type
  for type in ed25519 ecdsa rsa; do
    run_gupper trust init "$type" --keys "$type-keys" --type "$type"
    openssl pkey -in "$type-keys/root.pem" -noout -text >text
    case $type in
    ed25519) grep -q ED25519 text ;;
    ecdsa) grep -q 'P-256' text ;;
    rsa) grep -q '3072 bit' text ;;
    esac
  done
  run_gupper 64 trust init more --keys more-keys --type dsa
  assert_stderr_has "ed25519, ecdsa, rsa"
  [ ! -e more ] && [ ! -e more-keys ]
}

@test "trust init: a passphrase from a file or the environment encrypts the keys, and opens them" {
  need openssl
  (umask 077; echo 'correct horse' >phrase; echo wrong >wrong)
  run_gupper trust init repo --keys keys --passphrase-file phrase
  grep -q 'BEGIN ENCRYPTED PRIVATE KEY' keys/root.pem
  openssl pkey -in keys/root.pem -passin file:phrase -noout
  make_package pkgs 1.0.0 >/dev/null
  run_gupper 78 publish --to repo --keys keys pkgs/*
  assert_stderr_has "is encrypted, and no passphrase is given"
  assert_stderr_has "--passphrase-file"
  run_gupper 78 publish --to repo --keys keys --passphrase-file wrong pkgs/*
  assert_stderr_has "cannot be opened with this passphrase"
  GUPPER_PASSPHRASE='correct horse' run_gupper publish --to repo --keys keys pkgs/*
  run_gupper yank app@1.0.0 --to repo --keys keys --passphrase-file phrase
  [ -z "$stderr" ]
  chmod 644 phrase
  run_gupper trust refresh repo --keys keys --passphrase-file phrase
  assert_stderr_has "can be read by others"
  : >empty
  run_gupper 78 trust refresh repo --keys keys --passphrase-file empty
  GUPPER_PASSPHRASE= run_gupper 78 trust init other --keys other-keys
  assert_stderr_has "GUPPER_PASSPHRASE is empty"
  [ ! -e other-keys/root.pem ]
}

@test "trust init: a passphrase is asked for on the terminal, twice, and not shown" {
  need script
  need openssl
  mkfifo keyboard
  script -qfc 'gupper trust init repo --keys keys --passphrase; echo $? >status' shown <keyboard >/dev/null 2>&1 3>&- &
  SPAWNED+=($!)
  exec 9>keyboard
  wait_until 20 grep -q 'keys: ' shown
  printf 'typo\177\177\177\177secret words\n' >&9
  wait_until 20 grep -q 'once more: ' shown
  printf 'secret words\n' >&9
  wait_until 20 has_line status
  exec 9>&-
  [ "$(cat status)" = 0 ]
  run ! grep -q 'secret' shown
  openssl pkey -in keys/root.pem -passin 'pass:secret words' -noout
}

@test "trust init: two different passphrases make nothing, 64" {
  need script
  printf 'one\ntwo\n' | script -qec 'gupper trust init repo --keys keys --passphrase; echo $? >status' shown >/dev/null
  [ "$(cat status)" = 64 ]
  grep -q 'the two passphrases differ' shown
  [ ! -e repo ] && [ ! -e keys ]
}

@test "trust init: without a terminal, --passphrase says how else to give it" {
  need setsid
  run -64 --separate-stderr setsid -w gupper trust init repo --keys keys --passphrase
  assert_stderr_has "--passphrase-file FILE"
  [ ! -e repo ] && [ ! -e keys ]
}

@test "trust init: keys that are there are used, also those of openssl" {
  need openssl
  mkdir -m 700 keys
  (umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out keys/root.pem 2>/dev/null)
  sha256sum keys/root.pem >before
  run_gupper trust init repo --keys keys
  sha256sum -c --quiet before
  run_gupper trust init second --keys keys
  sha256sum -c --quiet before
  grep -q ecdsa-sha2-nistp256 repo/metadata/1.root.json
  cp keys/root.pem keys/targets.pem
  run_gupper 78 trust init third --keys keys
  assert_stderr_has "are the same key"
}

@test "trust init: twice says that it exists, 65, and destroys nothing" {
  gupper trust init repo --keys keys --quiet >/dev/null
  sums repo keys >before
  run_gupper 65 trust init repo --keys keys
  assert_stderr_has "is a signed repository already"
  run_gupper 65 trust init repo --keys new-keys
  [ ! -e new-keys ]
  sha256sum -c --quiet before
  rm repo/metadata/timestamp.json
  gupper publish --to repo --keys keys --help >/dev/null
  mv repo/metadata/1.targets.json repo/metadata/7.targets.json
  run_gupper 65 trust init repo --keys keys
  assert_stderr_has "7.targets.json, but no timestamp.json"
}

@test "trust init: expiries by flag" {
  run_gupper trust init repo --keys keys --expires root=730d --expires timestamp=1d
  node -e '
    const days = (name) => (Date.parse(JSON.parse(require("node:fs").readFileSync(`repo/metadata/${name}.json`)).signed.expires) - Date.now()) / 86_400_000
    for (const [name, wanted] of [["1.root", 730], ["1.targets", 365], ["1.snapshot", 30], ["timestamp", 1]])
      if (Math.abs(days(name) - wanted) > 0.1) throw new Error(`${name}: ${days(name)}`)'
  run_gupper 64 trust init other --keys other-keys --expires mirrors=1d
  run_gupper 64 trust init other --keys other-keys --expires root=never
  [ ! -e other ] && [ ! -e other-keys ]
}

# Misbehaviour

@test "trust init: keys inside of what is published are refused, 64" {
  run_gupper 64 trust init repo --keys repo/keys
  assert_stderr_has "inside of what is published"
  [ ! -e repo/keys ]
  mkdir -p repo && ln -s repo link
  run_gupper 64 trust init repo --keys link/keys
  run_gupper 64 trust init repo --keys repo
  [ -z "$(ls -A repo)" ]
  run_gupper trust init other --keys keys
  run_gupper 64 trust key other/root9.pem
  assert_stderr_has "inside of what is published"
  [ ! -e other/root9.pem ]
  run_gupper 64 trust init repo
  run_gupper 64 trust init
}

@test "trust init: a key file that is none, 78, and keys that others can read are warned of" {
  mkdir -m 700 keys
  (umask 077; echo 'no key' >keys/targets.pem)
  run_gupper 78 trust init repo --keys keys
  assert_stderr_has "targets.pem holds no private key"
  rm keys/targets.pem
  run_gupper trust init repo --keys keys
  chmod 644 keys/online.pem
  run_gupper trust refresh repo --keys keys
  assert_stderr_has "online.pem can be read by others"
  assert_stderr_has "chmod 600"
}

@test "trust init: two at once make one repository" {
  spawn one.out one.err gupper trust init repo --keys keys --quiet
  local one=$SPAWNED_PID first=0 second=0
  spawn two.out two.err gupper trust init repo --keys keys --quiet
  wait "$one" || first=$?
  wait "$SPAWNED_PID" || second=$?
  [ $((first + second)) -eq 65 ]
  run_gupper trust refresh repo --keys keys
  [ "$(ls -A keys | xargs)" = 'online.pem root.json root.pem targets.pem' ]
}

@test "trust init: places that cannot be written, 73" {
  echo file >file
  run_gupper 73 trust init file --keys keys
  run_gupper 73 trust init repo --keys file/keys
  assert_no_trace
}

@test "trust init: what lies in the directory stays, and can be signed" {
  make_package repo 1.0.0 >/dev/null
  run_gupper trust init repo --keys keys
  run_gupper publish --to repo --keys keys repo/app-*
  [ "$(field .publication.changed <<<"$output")" = true ]
  run_gupper list --all repo
  [ "${#lines[@]}" -eq 1 ]
}
