#!/usr/bin/env bats
# What gupper signs is read by the real openssl, and what openssl signs by gupper.

load helpers
load repository
setup() { common_setup; }
teardown() { common_teardown; }

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
