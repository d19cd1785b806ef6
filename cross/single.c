/* single PROGRAM [ARGUMENTS]: runs it on a system that knows no trains of datagrams (UDP GSO and GRO).
 *
 * qemu-user hands their control messages through without turning their bytes around, so a guest of the
 * other byte order sends and receives datagrams of 30,725 bytes where it said 1,400. A real kernel of its
 * own byte order does not. The filter answers the questions for both as a kernel before 4.18 does.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

enum { UDP_SEGMENT_ = 103, UDP_GRO_ = 104 };

int main(int argc, char **argv) {
    struct sock_filter filter[] = {
        LOAD(nr),
        IS(SYS_setsockopt, 1, 0),
        IS(SYS_getsockopt, 0, 6),
        LOAD(args[1]),
        IS(IPPROTO_UDP, 0, 4),
        LOAD(args[2]),
        IS(UDP_SEGMENT_, 1, 0),
        IS(UDP_GRO_, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("single");
        return 1;
    }
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 1;
}
