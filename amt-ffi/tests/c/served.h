/* A folder with the database of a fleet and configurations of its setup server. POSIX. */
#ifndef SERVED_H
#define SERVED_H

#include "machine.h"

static char folder[] = "/tmp/amt-fleet-XXXXXX";

static inline const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0 && fclose(file) == 0);
}

static inline void served_begin(void)
{
    CHECK(mkdtemp(folder) != NULL);
    write_file("pfx-password", "Provision.1");
}

static inline void served_end(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
}

/* A configuration with the test's provisioning certificate; `keys` of the top and `sections` are added. */
static inline void served_config(const char *name, const char *keys, const char *sections)
{
    const char *end = strstr(__FILE__, "amt-ffi/tests/c/");
    char text[2048];
    CHECK(end != NULL);
    CHECK(snprintf(text, sizeof text,
                   "listen = \"127.0.0.1:0\"\ndatabase = \"unused.db\"\nseal_key_file = \"unused.key\"\ndns_suffixes = [\"example.com\"]\n%s"
                   "[[provisioning_certificate]]\npfx = \"%.*stestdata/provisioning/chain.pfx\"\npassword_file = \"pfx-password\"\n%s",
                   keys, (int)(end - __FILE__), __FILE__, sections)
          < (int)sizeof text);
    write_file(name, text);
}

static inline amt_fleet *opened_as(const char *database)
{
    amt_error *err = NULL;
    amt_fleet *fleet = NULL;
    const char *path = in_folder(database);
    OK(amt_fleet_open(path, strlen(path), NULL, 0, &fleet, &err));
    return fleet;
}

static inline amt_fleet *opened(void)
{
    return opened_as("fleet.db");
}

static inline amt_server *bound(amt_fleet *fleet, const char *config)
{
    amt_error *err = NULL;
    amt_server *server = NULL;
    const char *path = in_folder(config);
    OK(amt_server_new(fleet, path, strlen(path), &server, &err));
    return server;
}

/* The first address that a server listens at. */
static inline const char *listening(const amt_server *server)
{
    static char address[64];
    amt_error *err = NULL;
    const char *text;
    size_t len;
    OK(amt_server_addresses(server, &text, &len, &err));
    snprintf(address, sizeof address, "%.*s", (int)len, text);
    return address;
}

/* The document as text, which is valid until the next call; it is freed. */
static inline const char *text_of(amt_document *document)
{
    static char text[1 << 20];
    amt_error *err = NULL;
    const char *data;
    size_t len;
    CHECK(document != NULL);
    OK(amt_document_json(document, &data, &len, &err));
    CHECK(len < sizeof text);
    memcpy(text, data, len);
    text[len] = '\0';
    CHECK(amt_document_free(document) == AMT_OK);
    return text;
}

static inline const char *machines(amt_fleet *fleet, const char *conditions)
{
    amt_error *err = NULL;
    amt_document *document = NULL;
    OK(amt_fleet_machines(fleet, conditions, strlen(conditions), "-hello", 6, 0, &document, &err));
    return text_of(document);
}

/* What the server says until it has stopped, which it was asked to. */
static inline void served_stopped(amt_server *server)
{
    amt_status status;
    do {
        amt_document *event = NULL;
        status = amt_server_next(server, 60000, &event, NULL);
        CHECK(amt_document_free(event) == AMT_OK);
    } while (status == AMT_OK);
    CHECK(status == AMT_E_CANCELLED);
}

/* Serves until an event has this part; the event's text is valid until the next document. */
static inline const char *served_until(amt_server *server, const char *part)
{
    for (int events = 0; events < 2000; events++) {
        amt_error *err = NULL;
        amt_document *event = NULL;
        const char *text;
        OK(amt_server_next(server, 60000, &event, &err));
        text = text_of(event);
        if (strstr(text, part) != NULL) {
            return text;
        }
    }
    CHECK(!"such an event comes");
    return NULL;
}

#endif
