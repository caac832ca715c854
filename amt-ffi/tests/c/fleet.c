/* A fleet's database and its setup server: a virtual machine says hello and is taken to proven admin control mode. POSIX. */
#define _DEFAULT_SOURCE
#include "served.h"

#include <pthread.h>

static void configured(void)
{
    served_begin();
    served_config("amt.toml", "admit = \"auto\"\n", "");
    write_file("wrong.toml", "[profile]\nno_such_thing = 1\n");
}

static void a_machine_that_says_hello_is_provisioned(void)
{
    amt_error *err = NULL;
    amt_fleet *fleet = opened();
    amt_server *server = bound(fleet, "amt.toml");
    amt_document *event = NULL, *document = NULL;
    amt_credentials *credentials = NULL;
    const char *text;
    size_t len, count = 0;
    uint32_t changed = 0;
    int refused = 0;
    struct machine machine;

    CHECK(strcmp(machines(fleet, ""), "[]") == 0);
    machine = machine_start_saying("127.71.0.22", listening(server));
    served_until(server, "\"event\":\"verified\"");
    CHECK(machine_says(&machine, "\"control_mode\":\"admin\""));

    /* While it serves, the fleet is asked. */
    CHECK(strstr(machines(fleet, "verified and version >= 16"), machine.uuid) != NULL);
    CHECK(strcmp(machines(fleet, "not verified"), "[]") == 0);
    OK(amt_fleet_machine(fleet, machine.uuid, strlen(machine.uuid), &document, &err));
    CHECK(strstr(text_of(document), machine.address) != NULL);
    OK(amt_fleet_diary(fleet, machine.uuid, strlen(machine.uuid), 5, &document, &err));
    CHECK(strchr(text_of(document), '{') != NULL);
    OK(amt_fleet_credentials(fleet, machine.uuid, strlen(machine.uuid), &credentials, &err));
    OK(amt_credentials_count(credentials, &count, &err));
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
        OK(amt_credentials_kind(credentials, i, &text, &len, &err));
        if (check_text(text, len, "admin")) {
            OK(amt_credentials_account(credentials, i, &text, &len, &err));
            CHECK(check_text(text, len, "admin"));
            OK(amt_credentials_password(credentials, i, &text, &len, &err));
            CHECK(machine_has_admin_password(&machine, text, len));
        }
    }
    FAILS(amt_credentials_password(credentials, count, &text, &len, &err), AMT_E_INVALID_ARGUMENT);

    static const char SAYS[] = "{\"fqdn\": \"pc1.example.com\", \"label\": [\"desk\", \"new\"]}";
    OK(amt_fleet_report(fleet, machine.uuid, strlen(machine.uuid), "operator", 8, SAYS, strlen(SAYS), &changed, &err));
    CHECK(changed == 1);
    OK(amt_fleet_report(fleet, machine.uuid, strlen(machine.uuid), "operator", 8, SAYS, strlen(SAYS), &changed, &err));
    CHECK(changed == 0);
    OK(amt_fleet_facts(fleet, machine.uuid, strlen(machine.uuid), &document, &err));
    CHECK(strstr(text_of(document), "pc1.example.com") != NULL);
    FAILS(amt_fleet_report(fleet, machine.uuid, strlen(machine.uuid), "rumour", 6, SAYS, strlen(SAYS), &changed, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_fleet_report(fleet, machine.uuid, strlen(machine.uuid), "operator", 8, "{\"fqdn\": 1}", 11, &changed, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_fleet_report(fleet, machine.uuid, strlen(machine.uuid), "operator", 8, "{\"shoe\": \"1\"}", 13, &changed, &err), AMT_E_PARSE_TEXT);

    /* Freed before the server: neither needs the other. */
    CHECK(amt_fleet_free(fleet) == AMT_OK);
    OK(amt_server_stop(server, &err));
    for (int events = 0; !refused && events < 1000; events++) {
        amt_status status = amt_server_next(server, 60000, &event, NULL);
        refused = status == AMT_E_CANCELLED;
        CHECK(refused || status == AMT_OK);
        CHECK(amt_document_free(event) == AMT_OK);
        event = NULL;
    }
    CHECK(refused);
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_credentials_free(credentials) == AMT_OK);
    machine_stop();

    /* What was answered is durable. */
    fleet = opened();
    CHECK(strstr(machines(fleet, "verified"), machine.uuid) != NULL);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
}

static void mistakes_are_told(void)
{
    amt_error *err = NULL;
    amt_fleet *fleet = NULL, *other = NULL;
    amt_server *server = NULL, *second = NULL;
    amt_document *document = NULL;
    const char *text, *path;
    size_t len;
    static const char UNKNOWN[] = "00112233-4455-6677-8899-aabbccddeeff";

    FAILS(amt_fleet_open(NULL, 0, NULL, 0, &fleet, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_fleet_open("/nowhere/at/all.db", 18, NULL, 0, &fleet, &err), AMT_E_SEAL_KEY);
    path = in_folder("pfx-password");
    CHECK(amt_fleet_open(path, strlen(path), NULL, 0, &fleet, NULL) != AMT_OK && fleet == NULL);
    fleet = opened();
    FAILS(amt_fleet_machines(fleet, "version >=", 10, NULL, 0, 0, &document, &err), AMT_E_FILTER);
    FAILS(amt_fleet_machines(NULL, NULL, 0, NULL, 0, 0, &document, &err), AMT_E_NULL_POINTER);
    FAILS(amt_fleet_machine(fleet, UNKNOWN, strlen(UNKNOWN), &document, &err), AMT_E_MACHINE_UNKNOWN);
    FAILS(amt_fleet_machine(fleet, "x", 1, &document, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_fleet_release(fleet, UNKNOWN, strlen(UNKNOWN), "me", 2, &err), AMT_E_MACHINE_UNKNOWN);
    CHECK(document == NULL);

    path = in_folder("wrong.toml");
    FAILS(amt_server_new(fleet, path, strlen(path), &server, &err), AMT_E_CONFIG);
    path = in_folder("none.toml");
    FAILS(amt_server_new(fleet, path, strlen(path), &server, &err), AMT_E_FILE_READ);
    FAILS(amt_server_new((amt_fleet *)"12345678", path, strlen(path), &server, &err), AMT_E_BAD_HANDLE);
    CHECK(server == NULL);
    server = bound(fleet, "amt.toml");
    /* One server for one database. */
    other = opened();
    path = in_folder("amt.toml");
    CHECK(amt_server_new(other, path, strlen(path), &second, NULL) != AMT_OK && second == NULL);
    FAILS(amt_server_addresses((amt_server *)fleet, &text, &len, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_server_next(server, 0, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_credentials_kind(NULL, 0, &text, &len, &err), AMT_E_NULL_POINTER);
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(other) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
    CHECK(amt_fleet_free(NULL) == AMT_OK && amt_server_free(NULL) == AMT_OK && amt_credentials_free(NULL) == AMT_OK);
}

static void *serve(void *server)
{
    static amt_status status;
    amt_document *event = NULL;
    do {
        status = amt_server_next(server, 600000, &event, NULL);
        amt_document_free(event);
        event = NULL;
    } while (status == AMT_OK || status == AMT_E_BUSY);
    return &status;
}

static void one_call_at_a_time_and_stopped_from_outside(void)
{
    amt_error *err = NULL;
    amt_document *event = NULL;
    amt_fleet *fleet = opened();
    amt_server *server = bound(fleet, "amt.toml");
    pthread_t thread;
    void *status;
    amt_status busy;

    CHECK(pthread_create(&thread, NULL, serve, server) == 0);
    while ((busy = amt_server_next(server, 0, &event, &err)) != AMT_E_BUSY) {
        OK(busy);
        CHECK(amt_document_free(event) == AMT_OK);
        event = NULL;
        usleep(1000);
    }
    CHECK(amt_error_free(err) == AMT_OK);
    err = NULL;
    CHECK(amt_server_free(server) == AMT_E_BUSY);
    OK(amt_server_stop(server, &err));
    CHECK(pthread_join(thread, &status) == 0);
    CHECK(*(amt_status *)status == AMT_E_CANCELLED);
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
}

int main(void)
{
    configured();
    a_machine_that_says_hello_is_provisioned();
    mistakes_are_told();
    one_call_at_a_time_and_stopped_from_outside();
    served_end();
    return 0;
}
