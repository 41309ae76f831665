#!/usr/bin/env bats
# What gupper signs is read by the real minisign and openssl, and what they sign by gupper.

load helpers

setup() {
  common_setup
  unset GUPPER_KEYS GUPPER_PASSPHRASE GUPPER_TRUST
}
teardown() { common_teardown; }

# make_minisign NAME…: key pairs of the real minisign, not encrypted: NAME.pub and NAME.key.
make_minisign() {
  local name
  need minisign
  for name in "$@"; do minisign -G -W -p "$name.pub" -s "$name.key" >/dev/null; done
}

init() {
  gupper trust init repo --keys keys --quiet >/dev/null
  cp repo/metadata/1.root.json root.json
}
publish() { gupper publish --to repo --keys keys "$@"; }
file_of() { basename "$(ls pkgs/app-"$1"-*)"; }

@test "minisign reads what publish signed: beside the package, and beside the target" {
  make_minisign one two
  init
  make_package pkgs 1.0.0 | publish --minisign one.key >record
  local file place
  file=$(file_of 1.0.0)
  [ "$(field .publication.minisign <record)" = "$(head -1 one.pub | sed 's/.* //')" ]
  for place in "repo/$file" repo/targets/*."$file"; do
    minisign -V -H -p one.pub -m "$place" >said
    grep -q "^Trusted comment: timestamp:[0-9]*	file:$file	hashed$" said
    run ! minisign -V -q -p two.pub -m "$place"
  done
  run_gupper verify --minisign one.pub --require minisign "repo/$file"
  run_gupper 77 verify --minisign two.pub "repo/$file"
}

@test "publish reads secret keys of minisign, encrypted, with the passphrase that opens the others too" {
  need minisign
  printf 'pass word\npass word\n' | minisign -G -p one.pub -s one.key >/dev/null 2>&1 || skip 'this minisign asks on a terminal only'
  echo 'pass word' >phrase && chmod 600 phrase
  gupper trust init repo --keys keys --quiet --passphrase-file phrase >/dev/null
  make_package pkgs 1.0.0 >record
  run_sh 78 'gupper publish --to repo --keys keys --minisign one.key <record'
  assert_stderr_has "is encrypted, and no passphrase is given"
  GUPPER_PASSPHRASE=wrong run_sh 78 'gupper publish --to plain --minisign one.key <record'
  assert_stderr_has "wrong passphrase for the key $PWD/one.key"
  [ ! -e plain ]
  run_sh 'gupper publish --to repo --keys keys --minisign one.key --passphrase-file phrase <record'
  minisign -V -q -p one.pub -m "repo/$(file_of 1.0.0)"
}

@test "publish signs in a plain directory too, and neither list nor serve take signatures for packages" {
  make_minisign one
  make_package pkgs 1.0.0 >/dev/null
  run_gupper publish --to plain --minisign one.key pkgs/*
  local file
  file=$(file_of 1.0.0)
  minisign -V -q -p one.pub -m "plain/$file"
  run_gupper list --all plain
  [ "${#lines[@]}" -eq 1 ]
  tar -cf plain.tar -C plain .
  run_gupper list --all plain.tar
  [ "${#lines[@]}" -eq 1 ]
  start_server plain
  run_gupper list --all "$SERVER_URL"
  [ "${#lines[@]}" -eq 1 ]
  curl -fsS "$SERVER_URL/download/$file.minisig" | cmp - "plain/$file.minisig"
  run_sh "gupper list $SERVER_URL | gupper fetch | gupper verify --minisign one.pub --require minisign"
}

@test "publish that lacks a key, or is given another file for one, says so and publishes nothing" {
  make_minisign one
  make_package pkgs 1.0.0 >record
  run_sh 78 'gupper publish --to plain --minisign one.pub <record'
  assert_stderr_has "is a public key"
  run_sh 69 'gupper publish --to plain --minisign nowhere <record'
  run_sh 64 'gupper publish --to plain --minisign "" <record'
  chmod 644 one.key
  run_sh 'gupper publish --to plain --minisign one.key <record'
  assert_stderr_has "can be read by others"
  assert_no_trace
}

@test "two of tuf and minisign: an update goes through a server with both, and with neither alone" {
  make_minisign one two
  init
  make_package pkgs 1.0.0 | publish --minisign one.key >/dev/null
  start_server repo
  both() { run_gupper "$@" update "$SERVER_URL" --trust root.json --minisign one.pub --require 2of:tuf,minisign --to app; }
  both
  [ "$(./app --version)" = 'app version 1.0.0' ]
  [ "$(field .proofs <<<"$output" | grep -o '"by":"[a-z]*"' | sort | xargs)" = 'by:digest by:minisign by:tuf' ]
  # Without a repository that vouches for it.
  run_gupper 77 update repo --minisign one.pub --require 2of:tuf,minisign --to other
  assert_stderr_has "is not proven by tuf"
  [ ! -e other ]
  # Without the signature.
  make_package pkgs 1.1.0 | publish >/dev/null
  both 77
  assert_stderr_has "has no signature"
  # With a stranger's.
  gupper publish --to repo --keys keys --minisign two.key pkgs/app-1.1.0-* >/dev/null
  both 77
  assert_stderr_has "was signed with key"
  [ "$(./app --version)" = 'app version 1.0.0' ]
  # With one over other bytes.
  cp "repo/$(file_of 1.0.0).minisig" "$(echo repo/targets/*app-1.1.0*.minisig)"
  both 77
  [ "$(./app --version)" = 'app version 1.0.0' ]
  # Published again with the right key, which adds nothing else.
  cp -r repo/metadata before
  publish --minisign one.key pkgs/app-1.1.0-* >/dev/null
  diff -r before repo/metadata
  both
  [ "$(./app --version)" = 'app version 1.1.0' ]
}

@test "a signature of minisign itself, also a legacy one, counts beside tuf as one of ours does" {
  make_minisign one
  init
  make_package pkgs 1.0.0 | publish >/dev/null
  start_server repo
  local target file way
  target=$(echo repo/targets/*)
  for way in '' -l; do
    for file in "$target" pkgs/*; do
      minisign -S $way -s one.key -m "$file" -x "$target.minisig" >/dev/null
      rm -rf app .gupper
      run_gupper update "$SERVER_URL" --trust root.json --minisign one.pub --require 2of:tuf,minisign --to app
      [ "$(./app --version)" = 'app version 1.0.0' ]
      rm -rf app .gupper
      run_gupper update repo --trust root.json --minisign one.pub --require 2of:tuf,minisign --to app
      [ "$(./app --version)" = 'app version 1.0.0' ]
    done
  done
  # Signed as another package: its publisher vouched for these bytes, but not under this name.
  cp pkgs/* app-2.0.0-any-any
  minisign -S -s one.key -m app-2.0.0-any-any -x "$target.minisig" >/dev/null
  run_gupper 77 update repo --trust root.json --minisign one.pub --require 2of:tuf,minisign --to other
  assert_stderr_has "it is another package"
}

@test "yank takes the signature back with the package, and leaves the target's" {
  make_minisign one
  init
  make_package pkgs 1.0.0 | publish --minisign one.key >/dev/null
  find repo/targets | sort >before
  run_gupper yank app@1.0.0 --to repo --keys keys
  run ! compgen -G 'repo/app-*'
  find repo/targets | sort | diff before -
  run_gupper yank app@1.0.0 --to repo --keys keys --undo
  minisign -V -q -p one.pub -m "repo/$(file_of 1.0.0)"
}

# sign_outside KIND KEY: signs ./bytes into ./sig with openssl alone.
sign_outside() {
  case $1 in
    ed25519) openssl pkeyutl -sign -rawin -inkey "$2" -in bytes -out sig ;;
    ec) openssl dgst -sha256 -sign "$2" -out sig bytes ;;
    rsa) openssl dgst -sha256 -sign "$2" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -out sig bytes ;;
  esac
}

make_outside() {
  case $1 in
    ed25519) openssl genpkey -algorithm ed25519 -out "$2.pem" ;;
    ec) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$2.pem" ;;
    rsa) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out "$2.pem" 2>/dev/null ;;
  esac
  openssl pkey -in "$2.pem" -pubout -out "$2.pub"
}

@test "trust sign: a root key that only openssl ever holds joins, and signs, in a file that is carried" {
  need openssl
  local kind
  for kind in ed25519 ec rsa; do
    rm -rf repo keys && init
    make_outside "$kind" card
    run_gupper trust add-key root repo --key card.pub --threshold 2 --keys keys
    [ "$(field .pending <<<"$output")" = true ]
    cp repo/.gupper/pending/2.root.json .
    gupper trust sign 2.root.json --bytes >bytes 2>said
    grep -q 'version 2 of root' said
    gupper trust sign repo --bytes --quiet 2>/dev/null | cmp - bytes
    sign_outside "$kind" card.pem
    run_gupper trust sign 2.root.json --signature sig --key card.pub
    [ "$(field .missing <<<"$output")" = 0 ]
    assert_stderr_has "complete: bring it back"
    [ ! -e repo/metadata/2.root.json ]
    run_gupper trust sign repo 2.root.json
    [ "$(field .committed <<<"$output")" = true ]
    [ -e repo/metadata/2.root.json ]
    make_package "pkgs-$kind" 1.0.0 | publish >/dev/null
    run_gupper list repo --trust root.json
    [ "${#lines[@]}" -eq 1 ]
  done
}

@test "trust sign: a signature made outside is held against its key first" {
  need openssl
  init
  make_outside ec card
  make_outside ec other
  gupper trust add-key root repo --key card.pub --threshold 2 --keys keys --quiet >/dev/null
  gupper trust sign repo --bytes >bytes 2>/dev/null
  sha256sum repo/.gupper/pending/* >before
  sign_outside ec other.pem
  run_gupper 77 trust sign repo --signature sig --key card.pub
  assert_stderr_has "is no signature of root by the key"
  run_gupper 78 trust sign repo --signature sig --key other.pub
  assert_stderr_has "may not sign root"
  run_gupper 64 trust sign repo --signature sig --key card.pem
  assert_stderr_has "private key"
  run_gupper 64 trust sign repo --signature sig
  run_gupper 64 trust sign repo --key card.pub
  run_gupper 64 trust sign repo --bytes --signature sig --key card.pub
  run_gupper 69 trust sign repo --signature nowhere --key card.pub
  assert_no_trace
  sha256sum -c --quiet before
}

@test "openssl reads what gupper signed: the served metadata, with the public key of a role" {
  need openssl
  local kind
  for kind in ed25519 ec rsa; do
    rm -rf repo keys && mkdir keys
    make_outside "$kind" outside
    mv outside.pem keys/targets.pem
    chmod 600 keys/targets.pem
    init
    make_package "pkgs-$kind" 1.0.0 | publish >/dev/null
    # Canonical JSON of what is served, by another hand: no escapes, no floats and sorted members are all there is to it here.
    node -e '
      const { readFileSync, writeFileSync } = require("node:fs")
      const { signed, signatures } = JSON.parse(readFileSync("repo/metadata/2.targets.json"))
      const sort = (v) => v && typeof v === "object" && !Array.isArray(v)
        ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sort(v[k])])) : Array.isArray(v) ? v.map(sort) : v
      writeFileSync("bytes", JSON.stringify(sort(signed)))
      writeFileSync("sig", Buffer.from(signatures[0].sig, "hex"))'
    case $kind in
      ed25519) openssl pkeyutl -verify -rawin -pubin -inkey outside.pub -in bytes -sigfile sig ;;
      ec) openssl dgst -sha256 -verify outside.pub -signature sig bytes ;;
      rsa) openssl dgst -sha256 -verify outside.pub -signature sig -sigopt rsa_padding_mode:pss bytes ;;
    esac
  done
}
