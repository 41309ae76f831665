# Shared by the bats files that ask a server with curl.

get() { curl -sS --max-time 20 "$@"; }
http_status() { get -o /dev/null -w '%{http_code}' --path-as-is "$@"; }

# lists FILE: whether the server lists it.
lists() { get "$SERVER_URL/list" | grep -qF "\"$1\""; }

# A file that curl takes a while to read at the rate that is asked for.
make_large() { head -c "$2" /dev/zero | tr '\0' x >"$1"; }
