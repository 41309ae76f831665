# Shared by the bats files that publish into a signed repository at ./repo with the keys in ./keys.

# init [FLAGS…]: makes it; the root that its clients hold is in ./root.json.
init() {
  gupper trust init repo --keys keys --quiet "$@" >/dev/null
  cp repo/metadata/1.root.json root.json
}

app() { make_package pkgs "$@"; }
publish() { gupper publish --to repo --keys keys "$@"; }

# offered: the versions that the repository offers to clients without trust, in order.
offered() { gupper list --all repo | grep -o '"version":"[^"]*"' | cut -d'"' -f4 | sort | xargs; }

# listed: how many packages a client with the first root finds.
listed() { gupper list --all repo --trust root.json | grep -c .; }

# role_status ROLE [FIELD]: how the role stands.
role_status() { gupper trust status repo | grep "\"role\":\"$1\"" | field "${2:-.state}"; }

# said ROLE: the version of a role that timestamp.json leads to.
said() {
  node -e '
    const read = (name) => JSON.parse(require("node:fs").readFileSync(`repo/metadata/${name}.json`)).signed
    const timestamp = read("timestamp")
    const snapshot = timestamp.meta["snapshot.json"].version
    const versions = { timestamp: timestamp.version, snapshot }
    console.log(versions[process.argv[1]] ?? read(`${snapshot}.snapshot`).meta[`${process.argv[1]}.json`].version)' "$1"
}

# forge KEY.pem FILE JS [TO]: what a thief signs with a key (Ed25519): a file of metadata, whose `signed` is first changed by JS.
forge() {
  node -e '
    const [fs, crypto] = [require("node:fs"), require("node:crypto")]
    const [pem, file, change, to = file] = process.argv.slice(1)
    const { signed, signatures, ...more } = JSON.parse(fs.readFileSync(file))
    new Function("signed", change)(signed)
    const sorted = (_, value) =>
      value?.constructor === Object ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value
    const bytes = Buffer.from(JSON.stringify(signed, sorted))
    const sig = crypto.sign(null, bytes, crypto.createPrivateKey(fs.readFileSync(pem))).toString("hex")
    fs.writeFileSync(to, JSON.stringify({ signed, signatures: [{ ...signatures[0], sig }], ...more }))' "$@"
}
