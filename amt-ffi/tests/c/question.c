/* The host decides what shall become of a machine that nobody knows: asked, answered late, refused, let in. POSIX. */
#define _DEFAULT_SOURCE
#include "served.h"

#include <time.h>

/* Serves until the host is asked, and takes the question. Returns its number. */
static uint64_t asked(amt_server *server, const struct machine *machine)
{
    amt_error *err = NULL;
    amt_document *document = NULL;
    uint64_t number = 0, none = 7;
    const char *text = served_until(server, "\"event\":\"question\"");

    CHECK(strstr(text, machine->uuid) != NULL && strstr(text, machine->address) != NULL);
    OK(amt_server_question(server, &number, &document, &err));
    CHECK(number > 0);
    text = text_of(document);
    CHECK(strstr(text, machine->uuid) != NULL && strstr(text, "\"facts\"") != NULL && strstr(text, "\"verified\":false") != NULL);
    document = NULL;
    OK(amt_server_question(server, &none, &document, &err));
    CHECK(none == 0 && document == NULL);
    return number;
}

static void answer(amt_server *server, uint64_t number, const char *text)
{
    amt_error *err = NULL;
    OK(amt_server_answer(server, number, text, strlen(text), &err));
}

/* What is no answer is refused, and the question waits on. */
static void mistakes_are_told(amt_server *server, uint64_t number)
{
    static const char *const wrong[] = {"", "[]", "{", "{\"colour\": \"red\"}", "{\"entry\": \"perhaps\"}", "{\"name\": \"a b\"}"};
    amt_error *err = NULL;
    uint64_t none = 0;
    amt_document *document = NULL;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        FAILS(amt_server_answer(server, number, wrong[i], strlen(wrong[i]), &err), AMT_E_PARSE_TEXT);
    }
    FAILS(amt_server_answer(server, number + 1, "{}", 2, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_answer(server, 0, "{}", 2, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_answer(NULL, number, "{}", 2, &err), AMT_E_NULL_POINTER);
    FAILS(amt_server_question(server, NULL, &document, &err), AMT_E_NULL_POINTER);
    FAILS(amt_server_question(server, &none, NULL, &err), AMT_E_NULL_POINTER);
}

static void a_machine_becomes_what_the_host_says(void)
{
    amt_error *err = NULL;
    amt_fleet *fleet = opened();
    amt_server *server = bound(fleet, "known.toml");
    struct machine machine = machine_start_saying("127.71.0.32", listening(server));
    amt_document *event = NULL;
    uint64_t number;
    int verified = 0;

    /* Nobody asked for it: only who is known is let in. */
    served_until(server, "\"event\":\"parked\"");
    CHECK(strstr(machines(fleet, "parked"), "UNKNOWN") != NULL);

    /* Not answered in time, and that the host cannot say: it waits, and is asked about again. */
    OK(amt_server_ask_host(server, 300, &err));
    number = asked(server, &machine);
    CHECK(strstr(served_until(server, "\"event\":\"parked\""), "did not answer within 0.3 s") != NULL);
    FAILS(amt_server_answer(server, number, "{}", 2, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_server_ask_host(server, 60000, &err));
    number = asked(server, &machine);
    OK(amt_server_answer_failed(server, number, "the inventory is down", 21, &err));
    CHECK(strstr(served_until(server, "\"event\":\"parked\""), "the inventory is down") != NULL);

    /* Refused. */
    number = asked(server, &machine);
    mistakes_are_told(server, number);
    answer(server, number, "{\"entry\": \"park\", \"reason\": \"not ours\"}");
    FAILS(amt_server_answer(server, number, "{}", 2, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(strstr(served_until(server, "\"event\":\"parked\""), "not ours") != NULL);
    CHECK(machine_says(&machine, "\"control_mode\":\"none\""));

    /* Let in, under a name. What is new of it brings the question again. */
    for (int events = 0; !verified && events < 2000; events++) {
        amt_document *document = NULL;
        OK(amt_server_next(server, 60000, &event, &err));
        verified = strstr(text_of(event), "\"event\":\"verified\"") != NULL;
        event = NULL;
        OK(amt_server_question(server, &number, &document, &err));
        CHECK(amt_document_free(document) == AMT_OK);
        if (number != 0) {
            answer(server, number, "{\"entry\": \"admit\", \"name\": \"pc9.example.com\", \"labels\": [\"asked\"]}");
        }
    }
    CHECK(verified && machine_says(&machine, "\"control_mode\":\"admin\""));
    CHECK(strstr(machines(fleet, "verified and label = asked"), "pc9.example.com") != NULL);
    machine_stop();
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
}

/* Nobody waits for the host any more when the server is stopped or freed. */
static void a_question_does_not_hold_the_server_up(int stopped)
{
    amt_error *err = NULL;
    amt_fleet *fleet = opened_as(stopped ? "stopped.db" : "freed.db"); /* all virtual machines here have one UUID */
    amt_server *server = bound(fleet, "known.toml");
    struct machine machine = machine_start_saying(stopped ? "127.71.0.33" : "127.71.0.34", listening(server));
    uint64_t number;
    time_t begin;

    OK(amt_server_ask_host(server, 600000, &err));
    number = asked(server, &machine);
    begin = time(NULL);
    if (stopped) {
        OK(amt_server_stop(server, &err));
        FAILS(amt_server_answer(server, number, "{}", 2, &err), AMT_E_INVALID_ARGUMENT);
        served_stopped(server);
    }
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(time(NULL) - begin < 8);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
    machine_stop();
}

int main(void)
{
    served_begin();
    served_config("known.toml", "", "");
    a_machine_becomes_what_the_host_says();
    a_question_does_not_hold_the_server_up(1);
    a_question_does_not_hold_the_server_up(0);
    served_end();
    return 0;
}
