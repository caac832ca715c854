/* Hellos of a virtual machine, and what is none, at a port of the library. POSIX. */
#define _DEFAULT_SOURCE
#include "machine.h"

#include <pthread.h>

static amt_listener *listening(uint16_t *port)
{
    amt_error *err = NULL;
    amt_listener *listener = NULL;
    const char *text;
    size_t len;
    char copy[64];
    unsigned chosen = 0;

    OK(amt_listener_new("127.0.0.1:0", 11, &listener, &err));
    OK(amt_listener_addresses(listener, &text, &len, &err));
    CHECK(len < sizeof copy);
    memcpy(copy, text, len);
    copy[len] = '\0';
    CHECK(sscanf(copy, "127.0.0.1:%u", &chosen) == 1 && chosen > 0);
    *port = (uint16_t)chosen;
    return listener;
}

static void say(uint16_t port, const void *data, size_t len)
{
    struct sockaddr_in to = {0};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(client, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(write(client, data, len) == (ssize_t)len);
    close(client);
}

static amt_arrival *arrival_at(amt_listener *listener)
{
    amt_error *err = NULL;
    amt_arrival *arrival = NULL;
    OK(amt_listener_next(listener, 20000, &arrival, &err));
    CHECK(arrival != NULL);
    return arrival;
}

/* Nothing is lost while nobody asks; what is no hello is told, and the next one comes all the same. */
static void hellos_and_rubbish_arrive_in_turn(void)
{
    static const uint8_t HELLO[32] = {0, 0, 2};
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    amt_arrival *arrival = NULL;
    const uint8_t *bytes;
    const char *text;
    size_t len;
    uint32_t repeat = 9, kind = 0;
    uint64_t received = 0;
    uint16_t port;
    amt_listener *listener = listening(&port);

    OK(amt_listener_next(listener, 10, &arrival, &err));
    CHECK(arrival == NULL);

    say(port, "\xff\xff\xff no hello", 12);
    arrival = arrival_at(listener);
    FAILS(amt_arrival_hello(arrival, &hello, &err), AMT_E_DECODE_INVALID);
    CHECK(hello == NULL);
    OK(amt_arrival_bytes(arrival, &bytes, &len, &err));
    CHECK(len > 0 && bytes[0] == 0xff);
    CHECK(amt_arrival_free(arrival) == AMT_OK);

    say(port, HELLO, 20);
    arrival = arrival_at(listener);
    FAILS(amt_arrival_hello(arrival, &hello, &err), AMT_E_DECODE_TRUNCATED);
    CHECK(amt_arrival_free(arrival) == AMT_OK);

    say(port, HELLO, sizeof HELLO);
    arrival = arrival_at(listener);
    OK(amt_arrival_address(arrival, &text, &len, &err));
    CHECK(check_text(text, len, "127.0.0.1"));
    OK(amt_arrival_received(arrival, &received, &err));
    CHECK(received > 1600000000000u);
    OK(amt_arrival_repeat(arrival, &repeat, &err));
    CHECK(repeat == 0);
    OK(amt_arrival_hello(arrival, &hello, &err));
    CHECK(amt_arrival_free(arrival) == AMT_OK);
    CHECK(amt_listener_free(listener) == AMT_OK);
    OK(amt_hello_kind(hello, &kind, &err));
    CHECK(kind == AMT_HELLO_PSK);
    CHECK(amt_hello_free(hello) == AMT_OK);
}

static void a_virtual_machine_is_heard(void)
{
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    amt_arrival *arrival;
    const char *text;
    size_t len;
    uint16_t port;
    char to[32];
    amt_listener *listener = listening(&port);
    struct machine machine;

    snprintf(to, sizeof to, "127.0.0.1:%u", port);
    machine = machine_start_saying("127.71.0.21", to);
    arrival = arrival_at(listener);
    OK(amt_arrival_address(arrival, &text, &len, &err));
    CHECK(check_text(text, len, machine.address));
    OK(amt_arrival_hello(arrival, &hello, &err));
    OK(amt_hello_uuid(hello, &text, &len, &err));
    CHECK(check_text(text, len, machine.uuid));
    CHECK(amt_hello_free(hello) == AMT_OK);
    CHECK(amt_arrival_free(arrival) == AMT_OK);
    CHECK(amt_listener_free(listener) == AMT_OK);
    machine_stop();
}

static void mistakes_are_told(void)
{
    amt_error *err = NULL;
    amt_listener *listener = NULL, *second = NULL;
    amt_arrival *arrival = NULL;
    amt_hello *hello = NULL;
    const char *text;
    size_t len;
    uint16_t port;
    char taken[32];

    FAILS(amt_listener_new("here", 4, &listener, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_listener_new("127.0.0.1:0,", 12, &listener, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_listener_new("192.0.2.1:9971", 14, &listener, &err), AMT_E_LISTEN);
    FAILS(amt_listener_new("127.0.0.1:0", 11, NULL, &err), AMT_E_NULL_POINTER);
    CHECK(listener == NULL);
    listener = listening(&port);
    snprintf(taken, sizeof taken, "127.0.0.1:%u", port);
    FAILS(amt_listener_new(taken, strlen(taken), &second, &err), AMT_E_LISTEN);
    FAILS(amt_listener_next(NULL, 0, &arrival, &err), AMT_E_NULL_POINTER);
    FAILS(amt_listener_next(listener, 0, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_listener_next((amt_listener *)"12345678", 0, &arrival, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_arrival_hello((const amt_arrival *)listener, &hello, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_arrival_address(NULL, &text, &len, &err), AMT_E_NULL_POINTER);
    CHECK(amt_arrival_free((amt_arrival *)listener) == AMT_E_BAD_HANDLE);
    CHECK(amt_listener_free(NULL) == AMT_OK && amt_arrival_free(NULL) == AMT_OK);
    CHECK(amt_listener_free(listener) == AMT_OK);
}

static void *wait_for_ever(void *listener)
{
    amt_arrival *arrival = NULL;
    static amt_status status;
    do {
        status = amt_listener_next(listener, 600000, &arrival, NULL);
    } while (status == AMT_E_BUSY); /* the other thread was inside */
    CHECK(arrival == NULL);
    return &status;
}

static void one_call_at_a_time_and_cancelled_from_outside(void)
{
    amt_error *err = NULL;
    amt_arrival *arrival = NULL;
    uint16_t port;
    amt_listener *listener = listening(&port);
    pthread_t thread;
    void *status;
    amt_status busy;

    CHECK(pthread_create(&thread, NULL, wait_for_ever, listener) == 0);
    while ((busy = amt_listener_next(listener, 0, &arrival, &err)) != AMT_E_BUSY) {
        OK(busy);
        CHECK(arrival == NULL);
        usleep(1000);
    }
    CHECK(amt_error_free(err) == AMT_OK);
    err = NULL;
    CHECK(amt_listener_free(listener) == AMT_E_BUSY);
    OK(amt_listener_cancel(listener, &err));
    CHECK(pthread_join(thread, &status) == 0);
    CHECK(*(amt_status *)status == AMT_E_CANCELLED);
    FAILS(amt_listener_next(listener, 0, &arrival, &err), AMT_E_CANCELLED);
    CHECK(amt_listener_free(listener) == AMT_OK);
}

int main(void)
{
    hellos_and_rubbish_arrive_in_turn();
    mistakes_are_told();
    one_call_at_a_time_and_cancelled_from_outside();
    a_virtual_machine_is_heard();
    return 0;
}
