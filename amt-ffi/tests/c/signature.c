/* A setup server with a provisioning certificate whose key this program does not have: the process of OpenSSL's program signs. POSIX. */
#define _DEFAULT_SOURCE
#include "served.h"
#include "signer.h"

#include <time.h>

static amt_certificate *parsed(const char *name)
{
    amt_error *err = NULL;
    amt_certificate *certificate = NULL;
    size_t len;
    uint8_t *pem = check_file(name, &len);

    OK(amt_certificate_parse_pem(pem, len, NULL, 0, NULL, 0, &certificate, &err));
    free(pem);
    return certificate;
}

/* A server that has no certificate but the one for which the host signs. */
static amt_server *bound_with_chain(amt_fleet *fleet)
{
    amt_error *err = NULL;
    amt_server *server = bound(fleet, "bare.toml");
    amt_certificate *chain = parsed("chain.pem"), *none = parsed("key.pem");

    FAILS(amt_server_add_chain(server, none, &err), AMT_E_CERTIFICATE_PARSE);
    FAILS(amt_server_add_chain(server, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_server_add_chain(NULL, chain, &err), AMT_E_NULL_POINTER);
    OK(amt_server_add_chain(server, chain, &err));
    CHECK(amt_certificate_free(chain) == AMT_OK);
    CHECK(amt_certificate_free(none) == AMT_OK);
    return server;
}

/* Serves until a signature is needed. Returns its number. */
static uint64_t needed(amt_server *server, amt_event **asked)
{
    amt_error *err = NULL;
    amt_event *more = NULL;
    uint64_t number = 0, none = 7;
    uint32_t kind;

    served_until(server, "\"event\":\"signature\"");
    OK(amt_server_signature(server, &number, asked, &err));
    CHECK(number > 0 && *asked != NULL);
    OK(amt_event_kind(*asked, &kind, &err));
    CHECK(kind == AMT_EVENT_SIGN);
    OK(amt_server_signature(server, &none, &more, &err));
    CHECK(none == 0 && more == NULL);
    return number;
}

static void mistakes_are_told(amt_server *server, uint64_t number)
{
    amt_error *err = NULL;
    amt_event *asked = NULL;
    amt_certificate *chain = parsed("chain.pem");
    uint8_t signature[2049] = {0};
    uint64_t none;

    FAILS(amt_server_add_chain(server, chain, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_sign(server, number, signature, 0, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_sign(server, number, signature, 2049, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_sign(server, number + 1, signature, 256, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_sign(NULL, number, signature, 256, &err), AMT_E_NULL_POINTER);
    FAILS(amt_server_sign_failed(server, number + 1, "no", 2, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_signature(server, NULL, &asked, &err), AMT_E_NULL_POINTER);
    FAILS(amt_server_signature(server, &none, NULL, &err), AMT_E_NULL_POINTER);
    CHECK(amt_certificate_free(chain) == AMT_OK);
}

/* Refused at first: it is told, and the machine waits on; then signed: it is set up. */
static void the_host_signs(const char *key)
{
    amt_error *err = NULL;
    amt_fleet *fleet = opened();
    amt_server *server = bound_with_chain(fleet);
    struct machine machine = machine_start_saying("127.71.0.62", listening(server));
    amt_document *event = NULL;
    amt_event *asked = NULL;
    uint64_t number = needed(server, &asked);
    const char *text;
    int verified = 0, signatures = 0;

    mistakes_are_told(server, number);
    CHECK(amt_event_free(asked) == AMT_OK);
    OK(amt_server_sign_failed(server, number, "the module is locked", 20, &err));
    FAILS(amt_server_sign_failed(server, number, "again", 5, &err), AMT_E_INVALID_ARGUMENT);
    text = served_until(server, "\"event\":\"failed\"");
    CHECK(strstr(text, "the module is locked") != NULL && strstr(text, "SIGNER") != NULL);
    CHECK(strstr(machines(fleet, "not verified"), machine.uuid) != NULL);
    CHECK(machine_says(&machine, "\"control_mode\":\"none\""));

    for (int events = 0; !verified && events < 2000; events++) {
        OK(amt_server_next(server, 60000, &event, &err));
        verified = strstr(text_of(event), "\"event\":\"verified\"") != NULL;
        event = NULL;
        asked = NULL;
        OK(amt_server_signature(server, &number, &asked, &err));
        if (number != 0) {
            size_t len;
            uint8_t *signature = signer_makes(asked, key, folder, &len);
            OK(amt_server_sign(server, number, signature, len, &err));
            FAILS(amt_server_sign(server, number, signature, len, &err), AMT_E_INVALID_ARGUMENT);
            free(signature);
            signatures++;
        }
        CHECK(amt_event_free(asked) == AMT_OK);
    }
    CHECK(verified && signatures > 0 && machine_says(&machine, "\"control_mode\":\"admin\""));
    machine_stop();
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
}

/* Nobody waits for a signature any more when the server is stopped or freed. */
static void a_signature_does_not_hold_the_server_up(int stopped)
{
    amt_error *err = NULL;
    amt_fleet *fleet = opened_as(stopped ? "stopped.db" : "freed.db");
    amt_server *server = bound_with_chain(fleet);
    struct machine machine = machine_start_saying(stopped ? "127.71.0.63" : "127.71.0.64", listening(server));
    amt_event *asked = NULL;
    uint64_t number = needed(server, &asked);
    time_t begin = time(NULL);
    uint8_t signature[256] = {0};

    CHECK(amt_event_free(asked) == AMT_OK);
    if (stopped) {
        OK(amt_server_stop(server, &err));
        FAILS(amt_server_sign(server, number, signature, sizeof signature, &err), AMT_E_INVALID_ARGUMENT);
        served_stopped(server);
    }
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
    CHECK(time(NULL) - begin < 15);
    CHECK(machine_says(&machine, "\"control_mode\":\"none\""));
    machine_stop();
}

static void without_any_certificate_nothing_is_served(void)
{
    amt_error *err = NULL;
    amt_fleet *fleet = opened_as("bare.db");
    amt_server *server = bound(fleet, "bare.toml");
    amt_document *event = NULL;

    FAILS(amt_server_next(server, 1000, &event, &err), AMT_E_CONFIG);
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
}

int main(void)
{
    const char *end = strstr(__FILE__, "amt-ffi/tests/c/");
    char key[1024];

    CHECK(end != NULL);
    snprintf(key, sizeof key, "%.*stestdata/provisioning/key.pem", (int)(end - __FILE__), __FILE__);
    served_begin();
    write_file("bare.toml", "listen = \"127.0.0.1:0\"\ndatabase = \"unused.db\"\nseal_key_file = \"unused.key\"\ndns_suffixes = [\"example.com\"]\n"
                            "admit = \"auto\"\n[retry]\nfirst = \"1s\"\n");
    without_any_certificate_nothing_is_served();
    the_host_signs(key);
    a_signature_does_not_hold_the_server_up(1);
    a_signature_does_not_hold_the_server_up(0);
    served_end();
    return 0;
}
