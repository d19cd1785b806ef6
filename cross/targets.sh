# The targets, one a line; sourced by the scripts beside it.
#
# target     Rust's name
# zig, cpu   zig's names: the C compiler and musl. The ARM processors are the least that Rust's
#            target promises, since zig would otherwise compile musl for its own idea of ARM.
# qemu       the emulator and the processor that the tests run on; native: none
# budget     the most that a stripped smol-kcpd may weigh, in bytes; -: no budget
#
# target                            zig                   cpu                          qemu                       budget
TARGETS='
mips-unknown-linux-musl             mips-linux-musleabi   mips32r2+soft_float          mips:24Kc                  1364000
mipsel-unknown-linux-musl           mipsel-linux-musleabi mips32r2+soft_float          mipsel:24Kc                1364000
armv7-unknown-linux-musleabihf      arm-linux-musleabihf  generic+v7a+vfp3d16          arm:cortex-a7              1004000
armv7-unknown-linux-musleabi        arm-linux-musleabi    generic+v7a+soft_float       arm:cortex-a9              1035000
arm-unknown-linux-musleabi          arm-linux-musleabi    arm1136j_s+soft_float        arm:arm1136                -
aarch64-unknown-linux-musl          aarch64-linux-musl    generic                      aarch64:cortex-a53         -
x86_64-unknown-linux-musl           x86_64-linux-musl     x86_64                       native                     -
'

# fields TARGET: reads its line into $zig, $cpu, $qemu, $budget.
fields() {
    local target
    while read -r target zig cpu qemu budget; do
        [ "$target" != "$1" ] || return 0
    done <<<"$TARGETS"
    echo "$1: not a target; these are: $(awk '{ print $1 }' <<<"$TARGETS" | xargs)" >&2
    return 1
}
