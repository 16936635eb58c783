#!/bin/bash
# Boot a real systemd on a copy of this machine's system, run a script as its only service, and end.
#
#   unshare --mount --pid --fork --cgroup --uts --ipc --net --kill-child bash boot.sh FOLDER
#
# FOLDER has probe.sh, and what it needs in files/, which the copy sees as /root/files. What is written goes to FOLDER/up and
# nowhere else: below it this machine's own root is only read. No network but loopback.
set -e
place=$1
mkdir -p "$place/up" "$place/work" "$place/root"
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/up,workdir=$place/work" "$place/root"
cd "$place/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs none dev -o mode=755
mkdir dev/pts dev/shm
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
touch "$place/console" dev/console
mount --bind "$place/console" dev/console
mount -t devpts none dev/pts -o newinstance,ptmxmode=0666,mode=620
ln -s pts/ptmx dev/ptmx
mount -t tmpfs none dev/shm
mount -t tmpfs none run
mount -t tmpfs none tmp
cp "$place/probe.sh" root/probe.sh
cp -r "$place/files" root/files
# What belongs to a machine with hardware and a network.
for unit in systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
  systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-networkd.service systemd-timesyncd.service \
  systemd-journal-flush.service systemd-random-seed.service systemd-update-utmp.service dev-hugepages.mount \
  dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  sys-kernel-config.mount systemd-remount-fs.service systemd-modules-load.service systemd-sysctl.service \
  apparmor.service systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service network-online.target; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done
cat >etc/systemd/system/probe.target <<'UNIT'
[Unit]
Requires=probe.service
UNIT
cat >etc/systemd/system/probe.service <<'UNIT'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /root/probe.sh
ExecStopPost=/bin/systemctl --force --force exit
TimeoutStartSec=300
UNIT
mkdir .old
pivot_root . .old
umount -l /.old
mount --make-rshared / # as at a boot: credentials are mounted for one service and must be seen there
exec /usr/bin/env -i container=contrada PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=probe.target --log-target=console --log-level=warning --show-status=no
