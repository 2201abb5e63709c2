# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The machine that every guest runs on. Sourced after scripts/common.sh.
#
#	machine CONFIG SMP MEM		sets the array "machine": QEMU with a kernel, the root file system and the guest's own files;
#					with ICOUNT=1 in the environment its clock counts instructions
#	disk FILE [,OPTION...]		prints the arguments for a further disk (/dev/vdc and on), which does not outlive the run
#	share TAG DIR [,OPTION...]	prints the arguments for a directory of the host
#	no_strange PATH...		dies of a path that QEMU cannot take
#	complaints LOG			prints what a kernel's log must not contain (see qemu/splats); fails if there is nothing

# Where the host's processor can run guests itself: /dev/kvm alone says little, so one tiny boot decides, once after each boot of
# the host.
accelerator() {
	local verdict kernel=$1
	verdict=$CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo || [ ! -w /dev/kvm ]; then
		echo tcg,thread=multi
		return
	fi
	if [ ! -e "$verdict" ]; then
		timeout --foreground --kill-after=5 20 "$TOP/scripts/toolchain" qemu-system-x86_64 -accel kvm -cpu host -machine q35 -m 256 \
			-nodefaults -no-user-config -display none -no-reboot -serial stdio -kernel "$kernel/arch/x86/boot/bzImage" \
			-append "console=ttyS0 panic=-1 root=/dev/none" </dev/null >"$CACHE/log/kvm-probe.log" 2>&1 || true
		if grep -q 'Kernel panic' "$CACHE/log/kvm-probe.log"; then echo kvm; else echo tcg,thread=multi; fi >"$verdict"
	fi
	cat "$verdict"
}

share() {
	echo "-virtfs local,mount_tag=$1,path=$2,security_model=none,multidevs=remap${3:-}"
}

disk() {
	echo "-drive if=virtio,format=raw,cache=unsafe,file=$1${2:-}"
}

no_strange() {
	local word
	for word; do
		[[ $word != *[,[:space:]]* ]] || die "$word: QEMU cannot take a path with a comma or a space"
	done
}

machine() {
	local config=$1 smp=$2 mem=$3 kernel rootfs accel cpu append devices
	kernel=$("$TOP/scripts/kernel" "$config")
	rootfs=$("$TOP/scripts/rootfs")
	no_strange "$kernel" "$rootfs" "$TOP"
	accel=${ACCEL:-$(accelerator "$kernel")}
	# Without five-level page tables: they gain nothing here, and KASAN reports itself on them in early boot.
	cpu=max,la57=off
	[ "$accel" != kvm ] || cpu=host,la57=off
	# The watchdog of the clock takes a busy host for a bad clock. Only one processor until there is user space, which starts the others:
	# emulation with several threads does not bear one of them laying out the PCI bus while another runs (QEMU 10.0 then hangs or
	# aborts, in one boot of fifty).
	append="console=ttyS0 root=/dev/vda rw init=/sbin/guest-init oops=panic panic=-1 tsc=reliable no_timer_check maxcpus=1"
	devices=(-device virtio-rng-pci)
	# One processor, a nanosecond for each instruction, and as little as possible of what differs from run to run.
	if [ -n "${ICOUNT:-}" ]; then
		accel=tcg,thread=single cpu=max,la57=off smp=1
		append="$append nokaslr norandmaps"
		devices=(-icount shift=0,sleep=off -rtc clock=vm -seed 1)
	fi
	# vmlinux, entered by PVH: a bzImage would have to unpack itself first.
	# shellcheck disable=SC2034,SC2207
	machine=(qemu-system-x86_64 -accel "$accel" -cpu "$cpu" -machine q35 -smp "$smp" -m "$mem" -nodefaults -no-user-config
		-display none -no-reboot -kernel "$kernel/vmlinux" -append "$append" "${devices[@]}"
		$(disk "$rootfs/root.img" ,snapshot=on) $(disk "$kernel/modules.img" ,readonly=on) $(share guest "$TOP/qemu/guest" ,readonly=on))
}

complaints() {
	local splats
	splats=$(grep -v '^#' "$TOP/qemu/splats")
	grep -aE -m 5 -A 25 "$splats" "$1" | awk 'NR <= 80'
}
