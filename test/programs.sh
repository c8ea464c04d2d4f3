#!/bin/sh
# The real clients and servers that the tests talk to: installs what is missing, where this is Debian and we may; elsewhere
# says what is missing, and the tests that need it fail and say so too. Nothing is installed when nothing is missing.
missing=''
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need git git
need curl curl
need bzip2 bzip2
need unzip unzip
need openssl openssl
need ssh-keygen openssh-client
need git-lfs git-lfs
need strace strace
[ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
/usr/bin/python3 -c 'import gitlab' >/dev/null 2>&1 || missing="$missing python3-gitlab"
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
  echo "installing for the tests:$missing"
  export DEBIAN_FRONTEND=noninteractive
  # A service that a package would start is not ours to run: the tests start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  # shellcheck disable=SC2086
  apt-get update -q >/dev/null && apt-get install -q -y --no-install-recommends $missing >/dev/null
  exit
fi
echo "missing for the tests (install these Debian packages or their like):$missing" >&2
exit 1
