/* What a router carries in cross/vm.sh: the program behind the tunnel and those before it, all on 127.0.0.1.
 *
 *     load echo PORT                  gives everybody back what comes, and says on which port; 0: on a free one
 *     load port                       says one that is free
 *     load hold PORT TOGETHER N       opens connections, so many at once, until there are N, each of which is answered; at a
 *                                     line of stdin asks all of them again
 *     load busy PORT N SECONDS SIZE   N connections, each of which sends SIZE bytes whenever the last have come back
 *
 * One process and one epoll each. A line on stdout says what came of it, in `key=value`; of `hold` two. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 16384, PATIENCE = 30 };
static char bytes[LARGEST], pattern[LARGEST];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void watch(int poll, int socket) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event)) fail("epoll_ctl");
}

/* A connected socket whose reads and writes give up after PATIENCE seconds; -1 and errno. */
static int connected(const char *port) {
    struct sockaddr_in address = loopback(port);
    struct timeval patience = {PATIENCE, 0};
    int socket_ = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (socket_ < 0) return -1;
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!connect(socket_, (struct sockaddr *)&address, sizeof address)) return socket_;
    int why = errno;
    close(socket_);
    errno = why;
    return -1;
}

/* A listener, whose port is said. */
static int listening(const char *port) {
    struct sockaddr_in address = loopback(port);
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 1024)) fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &len)) fail("getsockname");
    printf("port=%d\n", ntohs(address.sin_port));
    return listener;
}

static void echo(const char *port) {
    struct epoll_event events[64];
    int listener = listening(port), poll = epoll_create1(0);
    watch(poll, listener);
    for (;;) {
        int ready = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            int from = events[i].data.fd;
            if (from == listener) {
                int accepted = accept(listener, 0, 0);
                if (accepted < 0) fail("accept");
                watch(poll, accepted);
                continue;
            }
            /* Blocking writes: nobody here sends more than he has read. */
            ssize_t got = read(from, bytes, sizeof bytes), sent = 0;
            while (sent < got) {
                ssize_t wrote = write(from, bytes + sent, got - sent);
                if (wrote < 0) break;
                sent += wrote;
            }
            if (got <= 0 || sent < got) close(from);
        }
    }
}

enum { ASKED = 16 };

/* A number goes there. */
static int ask(int socket, unsigned number) {
    char sent[ASKED];
    snprintf(sent, sizeof sent, "%015u", number);
    return write(socket, sent, sizeof sent) == sizeof sent;
}

/* It comes back. */
static int answers(int socket, unsigned number) {
    char sent[ASKED], got[ASKED];
    snprintf(sent, sizeof sent, "%015u", number);
    for (size_t have = 0; have < sizeof got;) {
        ssize_t more = read(socket, got + have, sizeof got - have);
        if (more <= 0) return 0;
        have += more;
    }
    return !memcmp(sent, got, sizeof sent);
}

/* Opens connections, `together` at once, until there are `wanted`; the first that fails ends it. Then asks them again. */
static int hold(const char *port, int together, int wanted) {
    const char *why = "all";
    double began = now();
    int *sockets = calloc(wanted, sizeof *sockets), open = 0, good = 0, line;
    while (open < wanted && !strcmp(why, "all")) {
        int end = open + together < wanted ? open + together : wanted, next = open;
        errno = 0;
        for (; next < end; next++) {
            sockets[next] = connected(port);
            if (sockets[next] < 0) break;
            if (!ask(sockets[next], next)) {
                next++;
                break;
            }
        }
        for (; open < end && open < next && answers(sockets[open], open); open++);
        if (open < end) {
            why = errno ? strerror(errno) : "closed";
            while (next > open) close(sockets[--next]);
        }
    }
    printf("held=%d seconds=%.1f why=%s\n", open, now() - began, why);
    while ((line = getchar()) != '\n' && line != EOF);
    for (int i = 0, asked = 0; i < open; i++) {
        for (; asked < open && asked < i + together; asked++) ask(sockets[asked], asked);
        good += answers(sockets[i], i);
    }
    printf("again=%d\n", good);
    return good != open;
}

static int busy(const char *port, int wanted, double seconds, size_t size) {
    struct { int socket; size_t back; } *all = calloc(wanted, sizeof *all);
    struct epoll_event events[64];
    unsigned long long rounds = 0, wrong = 0;
    int poll = epoll_create1(0);
    for (size_t i = 0; i < size; i++) pattern[i] = i * 7;
    for (int i = 0; i < wanted; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        all[i].socket = connected(port);
        if (all[i].socket < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, all[i].socket, &event)) fail("connect");
    }
    double began = now();
    for (int i = 0; i < wanted; i++)
        if (write(all[i].socket, pattern, size) != (ssize_t)size) fail("write");
    while (now() - began < seconds) {
        int ready = epoll_wait(poll, events, 64, 1000);
        for (int k = 0; k < ready; k++) {
            int i = events[k].data.u32;
            ssize_t got = read(all[i].socket, bytes, size - all[i].back);
            if (got <= 0) fail("read");
            wrong += !!memcmp(bytes, pattern + all[i].back, got);
            all[i].back += got;
            if (all[i].back < size) continue;
            all[i].back = 0;
            rounds++;
            if (write(all[i].socket, pattern, size) != (ssize_t)size) fail("write");
        }
    }
    double took = now() - began;
    printf("rounds=%llu wrong=%llu megabytes_each_way_per_second=%.2f\n", rounds, wrong, rounds * size / took / 1e6);
    return wrong > 0 || !rounds;
}

int main(int count, char **words) {
    struct rlimit most = {32768, 32768};
    setrlimit(RLIMIT_NOFILE, &most);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, 0, _IOLBF, 0);
    if (count == 3 && !strcmp(words[1], "echo")) echo(words[2]);
    if (count == 2 && !strcmp(words[1], "port")) return close(listening("0"));
    if (count == 5 && !strcmp(words[1], "hold") && atoi(words[3]) > 0) return hold(words[2], atoi(words[3]), atoi(words[4]));
    if (count == 6 && !strcmp(words[1], "busy") && atoi(words[5]) <= LARGEST)
        return busy(words[2], atoi(words[3]), atof(words[4]), atoi(words[5]));
    fprintf(stderr, "load echo PORT | port | hold PORT TOGETHER N | busy PORT N SECONDS SIZE\n");
    return 2;
}
