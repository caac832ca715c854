/*
 * A program for /dev/meiN, written from the layout in the kernel's header alone: it shares no code with the simulator, and is
 * what any third party's program does. Each command tests one thing and says what it saw on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct mei_client { uint32_t max_msg_length; uint8_t protocol_version; uint8_t reserved[3]; };
struct mei_connect { union { uint8_t in_client_uuid[16]; struct mei_client out; } u; };
#define CONNECT_CLIENT _IOWR('H', 0x01, struct mei_connect)

static const uint8_t AMTHI[16] = {0x28, 0, 0xf8, 0x12, 0xb7, 0xb4, 0x2d, 0x4b, 0xac, 0xa8, 0x46, 0xe0, 0xff, 0x65, 0x81, 0x4c};
static const uint8_t GET_VERSIONS[12] = {1, 1, 0, 0, 0x1a, 0, 0, 4, 0, 0, 0, 0};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void must(int ok, const char *what) {
    if (!ok) { printf("%s: errno %d (%s)\n", what, errno, strerror(errno)); exit(1); }
}

static int open_device(const char *path, int flags) {
    int fd = open(path, O_RDWR | O_CLOEXEC | flags);
    must(fd >= 0, "open");
    return fd;
}

static int connect_to(int fd, const uint8_t *guid, struct mei_connect *c) {
    memset(c, 0, sizeof *c);
    memcpy(c->u.in_client_uuid, guid, 16);
    return ioctl(fd, CONNECT_CLIENT, c);
}

static int connected(const char *path, int flags) {
    struct mei_connect c;
    int fd = open_device(path, flags);
    must(connect_to(fd, AMTHI, &c) == 0, "connect");
    return fd;
}

static uint32_t u32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
static uint16_t u16(const uint8_t *p) { return p[0] | p[1] << 8; }

/* Versions by name, as the answer orders them. */
static void versions(const char *path) {
    struct mei_connect c;
    uint8_t buffer[8192];
    int fd = open_device(path, 0);
    must(connect_to(fd, AMTHI, &c) == 0, "connect");
    printf("max %u version %u\n", c.u.out.max_msg_length, c.u.out.protocol_version);
    must(write(fd, GET_VERSIONS, sizeof GET_VERSIONS) == sizeof GET_VERSIONS, "write");
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    struct timeval limit = {5, 0};
    must(select(fd + 1, &set, NULL, NULL, &limit) == 1, "select");
    ssize_t n = read(fd, buffer, sizeof buffer);
    must(n > 85 && u32(buffer + 4) == 0x0480001a && u32(buffer + 8) == (uint32_t)n - 12 && u32(buffer + 12) == 0, "reply");
    uint32_t count = u32(buffer + 81);
    must((size_t)n == 85 + count * 44, "length");
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = buffer + 85 + i * 44;
        must(entry[2 + u16(entry)] == 0 && entry[24 + u16(entry + 22)] == 0, "NUL at [len]");
        printf("%s=%s\n", entry + 2, entry + 24);
    }
    close(fd);
}

static void errors(const char *path) {
    struct mei_connect c;
    uint8_t big[8192] = {0}, none[16] = {9};
    int fd = open_device(path, O_NONBLOCK);
    errno = 0;
    printf("write unbound %d\n", write(fd, GET_VERSIONS, 12) < 0 ? errno : 0);
    printf("read unbound %d\n", read(fd, big, 12) < 0 ? errno : 0);
    struct pollfd p = {fd, POLLIN, 0};
    poll(&p, 1, 0);
    printf("poll unbound %d\n", (p.revents & POLLERR) != 0);
    printf("unknown client %d\n", connect_to(fd, none, &c) < 0 ? errno : 0);
    printf("unknown ioctl %d\n", ioctl(fd, _IOWR('H', 0x77, struct mei_connect), &c) < 0 ? errno : 0);
    must(connect_to(fd, AMTHI, &c) == 0, "connect");
    uint32_t longest = c.u.out.max_msg_length;
    printf("again %d\n", connect_to(fd, AMTHI, &c) < 0 ? errno : 0);
    printf("nothing yet %d\n", read(fd, big, sizeof big) < 0 ? errno : 0);
    printf("longest %d\n", write(fd, big, longest) < 0 ? errno : 0);
    printf("longer %d\n", write(fd, big, longest + 1) < 0 ? errno : 0);
    int second = open_device(path, 0), third = open_device(path, 0);
    must(connect_to(second, AMTHI, &c) == 0, "second");
    printf("third %d\n", connect_to(third, AMTHI, &c) < 0 ? errno : 0);
    close(second);
    double until = now() + 2;
    while (connect_to(third, AMTHI, &c) < 0 && now() < until) usleep(1000);
    printf("freed %d\n", connect_to(third, AMTHI, &c) < 0 ? errno : 0);
    close(third);
    close(fd);
}

/* A reply in two reads. */
static void rest(const char *path) {
    uint8_t buffer[8192];
    int fd = connected(path, 0);
    must(write(fd, GET_VERSIONS, 12) == 12, "write");
    ssize_t first = read(fd, buffer, 10);
    ssize_t second = read(fd, buffer + 10, sizeof buffer - 10);
    printf("first %zd whole %d\n", first, first == 10 && u32(buffer + 8) == (uint32_t)(first + second - 12));
    close(fd);
}

static int shared_fd;
static void *reader(void *out) {
    uint8_t buffer[8192];
    *(ssize_t *)out = read(shared_fd, buffer, sizeof buffer);
    return NULL;
}

/* One thread waits in read, another writes on the same descriptor. */
static void both(const char *path) {
    ssize_t got = 0;
    pthread_t thread;
    shared_fd = connected(path, 0);
    pthread_create(&thread, NULL, reader, &got);
    usleep(200000);
    double begun = now();
    must(write(shared_fd, GET_VERSIONS, 12) == 12, "write");
    double written = now() - begun;
    pthread_join(thread, NULL);
    printf("write %s read %s\n", written < 0.5 ? "at once" : "late", got > 85 && now() - begun < 1 ? "at once" : "late");
}

static void on_alarm(int signal) { (void)signal; }

/* A signal ends a read that waits. */
static void interrupted(const char *path) {
    uint8_t buffer[512];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    int fd = connected(path, 0);
    for (int round = 0; round < 3; round++) {
        ualarm(300000, 0);
        double begun = now();
        ssize_t n = read(fd, buffer, sizeof buffer);
        int error = errno;
        printf("%s %s\n", n < 0 && error == EINTR ? "EINTR" : "other", now() - begun < 1.3 ? "in time" : "late");
    }
    must(write(fd, GET_VERSIONS, 12) == 12, "write afterwards");
    uint8_t large[8192];
    printf("afterwards %s\n", read(fd, large, sizeof large) > 85 ? "works" : "fails");
}

/* A reader that is killed goes at once, and its connection is free. */
static void killed(const char *path) {
    for (int round = 0; round < 3; round++) {
        pid_t child = fork();
        if (child == 0) {
            uint8_t buffer[512];
            int fd = connected(path, 0);
            ssize_t n = read(fd, buffer, sizeof buffer);
            _exit(n < 0);
        }
        usleep(300000);
        double begun = now();
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        printf("%s %s\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "killed" : "exited", now() - begun < 1 ? "in time" : "late");
    }
    double until = now() + 2;
    struct mei_connect c;
    int fd = open_device(path, 0);
    while (connect_to(fd, AMTHI, &c) < 0 && now() < until) usleep(1000);
    printf("free %d\n", now() < until);
}

/* poll waits, and wakes when the reply comes. */
static void polled(const char *path) {
    int fd = connected(path, O_NONBLOCK);
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 1000);
    printf("out %d in %d\n", (p.revents & POLLOUT) != 0, (p.revents & POLLIN) != 0);
    p.events = POLLIN;
    double begun = now();
    int ready = poll(&p, 1, 300);
    printf("nothing %d %s\n", ready, now() - begun > 0.25 ? "waited" : "early");
    must(write(fd, GET_VERSIONS, 12) == 12, "write");
    begun = now();
    ready = poll(&p, 1, 5000);
    printf("reply %d %s\n", ready, now() - begun < 1 ? "woken" : "late");
    uint8_t buffer[8192];
    printf("read %d\n", read(fd, buffer, sizeof buffer) > 85);
}

/* A message that nobody asked for by a read or a poll has not come, and the next one needs a read or a poll of its own. */
static void credit(const char *path) {
    uint8_t buffer[8192];
    int fd = connected(path, O_NONBLOCK);
    must(write(fd, GET_VERSIONS, 12) == 12 && write(fd, GET_VERSIONS, 12) == 12, "write");
    usleep(200000);
    printf("unasked %d\n", read(fd, buffer, sizeof buffer) < 0 ? errno : 0);
    for (int round = 0; round < 2; round++) {
        struct pollfd p = {fd, POLLIN, 0};
        double begun = now();
        int ready = poll(&p, 1, 5000);
        ssize_t n = read(fd, buffer, sizeof buffer);
        printf("reply %d %s read %d then %d\n", ready, now() - begun < 1 ? "woken" : "late", n > 85,
               read(fd, buffer, sizeof buffer) < 0 ? errno : 0);
    }
    close(fd);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct { const char *name; void (*run)(const char *); } all[] = {
        {"versions", versions}, {"errors", errors}, {"rest", rest}, {"both", both},
        {"interrupted", interrupted}, {"killed", killed}, {"polled", polled},
        {"credit", credit},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(argv[1], all[i].name) == 0) { all[i].run(argv[2]); return 0; }
    return 2;
}
