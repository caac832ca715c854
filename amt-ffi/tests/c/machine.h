/* A virtual machine for a test: `amt sim` of AMT_BIN in a process of its own. POSIX. */
#ifndef MACHINE_H
#define MACHINE_H

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct machine {
    pid_t process;
    char address[64];
    char uuid[64];
    int control; /* socket to ask the firmware itself */
};

static pid_t machine_process; /* for machine_stop at any exit */

static inline void machine_stop(void)
{
    if (machine_process > 0) {
        kill(machine_process, SIGTERM);
        waitpid(machine_process, NULL, 0);
        machine_process = 0;
    }
}

/* Starts one factory-fresh machine of a persona at `address` that trusts the test root and is in example.com, and says hello to `hello` unless that is
 * null. */
static inline struct machine machine_start_as(const char *persona_name, const char *address, const char *hello)
{
    struct machine machine = {0, "", "", -1};
    struct sockaddr_in control = {0};
    char root[1024], line[256], persona[64];
    const char *amt = getenv("AMT_BIN"), *end = strstr(__FILE__, "amt-ffi/tests/c/");
    unsigned port = 0;
    int out[2];
    FILE *lines;

    if (amt == NULL || end == NULL) {
        fprintf(stderr, "set AMT_BIN to the amt program\n");
        exit(1);
    }
    snprintf(root, sizeof root, "%.*stestdata/provisioning/root.pem", (int)(end - __FILE__), __FILE__);
    CHECK(pipe(out) == 0);
    machine.process = fork();
    CHECK(machine.process >= 0);
    if (machine.process == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(amt, amt, "sim", "--root", root, "--suffix", "example.com", "--base-address", address, "--persona",
              persona_name, "--control", "127.0.0.1:0", "--time-scale", "20", hello == NULL ? (char *)NULL : "--hello", hello, (char *)NULL);
        perror(amt);
        _exit(127);
    }
    machine_process = machine.process;
    atexit(machine_stop);
    close(out[1]);
    lines = fdopen(out[0], "r");
    CHECK(lines != NULL);
    CHECK(fgets(line, sizeof line, lines) != NULL);
    CHECK(sscanf(line, "%63s %63s %63s", machine.address, machine.uuid, persona) == 3);
    CHECK(fgets(line, sizeof line, lines) != NULL);
    CHECK(sscanf(line, "control socket: 127.0.0.1:%u", &port) == 1);

    control.sin_family = AF_INET;
    control.sin_port = htons((uint16_t)port);
    control.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    machine.control = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(machine.control, (struct sockaddr *)&control, sizeof control) == 0);
    return machine;
}

static inline struct machine machine_start_saying(const char *address, const char *hello)
{
    return machine_start_as("16.0", address, hello);
}

static inline struct machine machine_start(const char *address)
{
    return machine_start_saying(address, NULL);
}

/* Sends one line to the control socket and receives one line into `reply`. */
static inline void machine_ask(const struct machine *machine, const char *request, char *reply, size_t size)
{
    size_t at = 0;
    CHECK(write(machine->control, request, strlen(request)) == (ssize_t)strlen(request));
    while (at + 1 < size) {
        ssize_t count = read(machine->control, reply + at, size - 1 - at);
        CHECK(count > 0);
        at += (size_t)count;
        if (reply[at - 1] == '\n') {
            break;
        }
    }
    reply[at] = '\0';
}

/* Whether the firmware itself says that this is the password of admin. */
static inline int machine_has_admin_password(const struct machine *machine, const char *password, size_t len)
{
    char request[512], reply[256];
    snprintf(request, sizeof request, "{\"command\":\"check-admin-password\",\"uuid\":\"%s\",\"password\":\"%.*s\"}\n",
             machine->uuid, (int)len, password);
    machine_ask(machine, request, reply, sizeof reply);
    CHECK(strstr(reply, "\"matches\"") != NULL);
    return strstr(reply, "true") != NULL;
}

/* Whether the firmware's own truth about itself contains `part`, for example `"control_mode":"admin"`. */
static inline int machine_says(const struct machine *machine, const char *part)
{
    static char reply[1 << 20];
    machine_ask(machine, "{\"command\":\"truth\"}\n", reply, sizeof reply);
    return strstr(reply, part) != NULL;
}

#endif
