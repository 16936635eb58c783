# Run by boot.sh inside: the package is installed, a unit is made and served, everything as docs/deploy.md says it.
exec >/root/said 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "== $*"; }

ip link set lo up
systemctl start dbus.socket
dpkg -i /root/files/contrada.deb
say "installed $?"
say "enabled: $(systemctl is-enabled contrada-unit contrada-router contrada-ledger contrada-witness | sort -u)"
say "active: $(systemctl is-active contrada-unit contrada-router contrada-ledger contrada-witness | sort -u)"
say "users: $(getent passwd | grep -c '^contrada-')"
say "credential: $(stat -c '%U %a' /etc/credstore.encrypted/contrada.unit.secret)"
say "compiled: $(find /usr/lib/contrada -name '*.pyc' | wc -l)"
say "verify: $(dpkg --verify contrada)"

systemctl start contrada-unit
say "without a home: $(systemctl show contrada-unit -p SubState -p ExecMainStatus | sort | tr '\n' ' ')"
install -m 0644 /root/files/root.cbor /etc/contrada/root.cbor
contrada-as unit --kafka 127.0.0.1:9 --kafka-security plain unit init fr --root /etc/contrada/root.cbor --contact desk
say "made $?"
say "home: $(stat -c '%U %a' /var/lib/contrada-unit) $(ls /var/lib/contrada-unit | grep -c secret)"
contrada-as unit unit run --check-config
say "checked $?"
contrada-as unit unit fly
say "a slip $?"
systemctl enable --now contrada-unit
say "started $?"
pid=$(systemctl show contrada-unit -p MainPID --value)
say "runs: $(systemctl is-active contrada-unit) $(stat -c %U /proc/$pid)"
say "status: $(grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/$pid/status | tr -d '\t' | tr '\n' ' ')"
contrada-as unit unit status --json >/dev/null
say "asked $?" # 3: Kafka is not there, and it says so
kill -STOP "$pid"
say "notices: $(systemctl show contrada-unit -p WatchdogUSec --value)"
kill -CONT "$pid"
before=$pid
dpkg -i /root/files/contrada.deb
say "upgraded $?: $(systemctl is-active contrada-unit contrada-router | tr '\n' ' ')$([ "$before" != "$(systemctl show contrada-unit -p MainPID --value)" ] && echo anew)"

# The ledger stands back behind routers, under the filter of system calls that its service has.
mkdir -p /run/systemd/system/contrada-ledger.service.d
cat >/run/systemd/system/contrada-ledger.service.d/probe.conf <<'UNIT'
[Service]
Type=oneshot
WatchdogSec=0
Restart=no
ExecStart=
ExecStart=/usr/lib/contrada/bin/python3 -I -c "import os; os.nice(5)"
UNIT
systemctl daemon-reload
systemctl start contrada-ledger
say "nice $?"

contrada-credential unit
say "never twice $?"
head -c 31 /dev/urandom >/root/short
contrada-credential router /root/short
say "no secret $?"
head -c 32 /dev/urandom >/root/secret
contrada-credential router /root/secret
systemd-creds decrypt --name=router.secret /etc/credstore.encrypted/contrada.router.secret - | cmp - /root/secret
say "taken in $?"

systemctl reset-failed
dpkg --purge contrada
say "removed $?: $(ls /usr/lib/contrada 2>/dev/null | wc -l) $(systemctl is-active contrada-unit)"
say "kept: $(ls -d /var/lib/contrada-unit/keys /etc/credstore.encrypted/contrada.unit.secret | wc -l)"
