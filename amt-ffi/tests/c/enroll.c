/* A console passes on what its own agents say: the fleet knows it, and a rule lets the machine in by it, under its name. POSIX. */
#define _DEFAULT_SOURCE
#include "served.h"

static const char FACTS[] = "{\"mac\": [\"00:1B:21:aa:bb:cc\"], \"fqdn\": \"PC7.example.com\", \"serial\": \"ABC-7\", \"environment\": \"live\"}";

static uint32_t told(amt_fleet *fleet, const char *uuid, const char *facts)
{
    amt_error *err = NULL;
    uint32_t changed = 7;
    OK(amt_fleet_enroll(fleet, uuid, strlen(uuid), facts, strlen(facts), "console", 7, &changed, &err));
    return changed;
}

static void mistakes_are_told(amt_fleet *fleet, const char *uuid)
{
    static const char SHARED[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    static const char *const wrong[] = {"", "[]", "{\"fqdn\": 1}", "{\"profile\": \"desk\"}", "{\"fqdn\": \"a b\"}", "{\"mac\": \"00:1b:21:aa:bb:cc\"}"};
    amt_error *err = NULL;
    uint32_t changed = 7;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        FAILS(amt_fleet_enroll(fleet, uuid, strlen(uuid), wrong[i], strlen(wrong[i]), "console", 7, &changed, &err), AMT_E_PARSE_TEXT);
        CHECK(changed == 0);
    }
    FAILS(amt_fleet_enroll(fleet, uuid, strlen(uuid), "{}", 2, NULL, 0, &changed, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_fleet_enroll(fleet, SHARED, strlen(SHARED), "{}", 2, "console", 7, &changed, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_fleet_enroll(fleet, "x", 1, "{}", 2, "console", 7, &changed, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_fleet_enroll(NULL, uuid, strlen(uuid), "{}", 2, "console", 7, &changed, &err), AMT_E_NULL_POINTER);
    FAILS(amt_fleet_enroll(fleet, uuid, strlen(uuid), "{}", 2, "console", 7, NULL, &err), AMT_E_NULL_POINTER);
}

int main(void)
{
    amt_error *err = NULL;
    amt_fleet *fleet;
    amt_server *server;
    amt_document *document = NULL;
    struct machine machine;
    const char *text;

    served_begin();
    served_config("rule.toml", "", "[[rule]]\nwhen = \"fact.agent.serial ~ 'ABC-*'\"\nentry = \"admit\"\n");
    fleet = opened();
    server = bound(fleet, "rule.toml");
    machine = machine_start_saying("127.71.0.35", listening(server));
    mistakes_are_told(fleet, machine.uuid);

    /* Its hello waits in the system's queue: nobody knows the machine yet. */
    CHECK(strcmp(machines(fleet, ""), "[]") == 0);
    CHECK(told(fleet, machine.uuid, FACTS) == 1);
    CHECK(told(fleet, machine.uuid, FACTS) == 0);
    text = machines(fleet, "fact.agent.serial = 'ABC-7'");
    CHECK(strstr(text, machine.uuid) != NULL && strstr(text, "\"verified\":true") == NULL);
    OK(amt_fleet_facts(fleet, machine.uuid, strlen(machine.uuid), &document, &err));
    text = text_of(document);
    CHECK(strstr(text, "\"agent\"") != NULL && strstr(text, "pc7.example.com") != NULL && strstr(text, "00:1b:21:aa:bb:cc") != NULL);
    document = NULL;

    /* Now it is heard, and let in by what was said of it. */
    served_until(server, "\"event\":\"verified\"");
    CHECK(machine_says(&machine, "\"control_mode\":\"admin\""));
    CHECK(strstr(machines(fleet, "verified"), "pc7.example.com") != NULL);
    OK(amt_fleet_diary(fleet, machine.uuid, strlen(machine.uuid), 200, &document, &err));
    CHECK(strstr(text_of(document), "came by console") != NULL);

    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
    machine_stop();
    served_end();
    return 0;
}
