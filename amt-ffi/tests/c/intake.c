/* A client on the machine reports to the intake beside the setup server, with a token of the host's; a rule lets the machine in by that. curl is the
 * client. POSIX. */
#define _DEFAULT_SOURCE
#include "served.h"

#include <fcntl.h>

typedef amt_status reader(const amt_server *, const char **, size_t *, amt_error **);

static const char *lent(const amt_server *server, reader *read, char *text, size_t size)
{
    amt_error *err = NULL;
    const char *data;
    size_t len;
    OK(read(server, &data, &len, &err));
    snprintf(text, size, "%.*s", (int)len, data);
    return text;
}

/* A token for `uses` machines, and its number. */
static int64_t new_token(amt_fleet *fleet, uint32_t uses, char *token, size_t size)
{
    amt_error *err = NULL;
    amt_credentials *made = NULL;
    const char *data;
    size_t len, count = 0;
    int64_t number;
    OK(amt_fleet_new_token(fleet, uses, 3600, NULL, 0, "floor 3", 7, &made, &err));
    OK(amt_credentials_count(made, &count, &err));
    CHECK(count == 1);
    OK(amt_credentials_kind(made, 0, &data, &len, &err));
    CHECK(len == 5 && memcmp(data, "token", 5) == 0);
    OK(amt_credentials_account(made, 0, &data, &len, &err));
    number = strtoll(data, NULL, 10);
    CHECK(number > 0);
    OK(amt_credentials_password(made, 0, &data, &len, &err));
    CHECK(len > 30);
    snprintf(token, size, "%.*s", (int)len, data);
    CHECK(amt_credentials_free(made) == AMT_OK);
    return number;
}

/* Reports for `uuid`; what the intake answers is in the file `answer` when the process has ended. The token goes by a file, as it should. */
static pid_t report(const char *address, const char *token, const char *uuid, char key, const char *answer)
{
    char text[512], client_key[44], headers[160], body[160], url[96], out[160];
    pid_t client;
    snprintf(text, sizeof text, "Authorization: Bearer %s\nContent-Type: application/json\n", token);
    write_file("headers", text);
    /* 32 bytes as base64url: any character 42 times, and one that leaves no bits over. */
    memset(client_key, key, 42);
    memcpy(client_key + 42, "A", 2);
    snprintf(text, sizeof text,
             "{\"uuid\":\"%s\",\"client_key\":\"%s\",\"sequence\":1,\"facts\":{\"fqdn\":\"pc8.example.com\",\"serial\":\"ABC-8\",\"environment\":\"live\"}}",
             uuid, client_key);
    write_file("body", text);
    snprintf(headers, sizeof headers, "@%s", in_folder("headers"));
    snprintf(body, sizeof body, "@%s", in_folder("body"));
    snprintf(out, sizeof out, "%s", in_folder(answer));
    snprintf(url, sizeof url, "https://%s/v1/enroll", address);
    client = fork();
    CHECK(client >= 0);
    if (client == 0) {
        execlp("curl", "curl", "--silent", "--show-error", "--insecure", "--noproxy", "*", "--header", headers, "--data-binary", body, "--output", out, url,
               (char *)NULL);
        perror("curl");
        _exit(127);
    }
    return client;
}

/* Serves until the client has its answer, and returns it. */
static const char *answered(amt_server *server, pid_t client, const char *answer)
{
    static char text[4096];
    amt_error *err = NULL;
    int status = 0, turns = 0;
    ssize_t len;
    int file;
    while (waitpid(client, &status, WNOHANG) == 0) {
        amt_document *event = NULL;
        OK(amt_server_next(server, 50, &event, &err));
        CHECK(amt_document_free(event) == AMT_OK);
        CHECK(++turns < 2000);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    file = open(in_folder(answer), O_RDONLY);
    CHECK(file >= 0);
    len = read(file, text, sizeof text - 1);
    CHECK(len > 0 && close(file) == 0);
    text[len] = '\0';
    return text;
}

static void mistakes_are_told(amt_fleet *fleet, const amt_server *plain)
{
    amt_error *err = NULL;
    amt_credentials *made = NULL;
    const char *data;
    size_t len;
    char text[64];
    static const char ID[] = "4c4c4544-0034-5210-8036-b3c04f4e3333";

    FAILS(amt_fleet_new_token(fleet, 0, 0, NULL, 0, NULL, 0, &made, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_fleet_new_token(fleet, 2, 0, ID, sizeof ID - 1, NULL, 0, &made, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_fleet_new_token(fleet, 1, 0, "x", 1, NULL, 0, &made, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_fleet_new_token(fleet, 1, 0, NULL, 0, NULL, 0, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_fleet_new_token(NULL, 1, 0, NULL, 0, NULL, 0, &made, &err), AMT_E_NULL_POINTER);
    FAILS(amt_fleet_revoke_token(fleet, 4711, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_server_intake_pin(NULL, &data, &len, &err), AMT_E_NULL_POINTER);
    CHECK(strcmp(lent(plain, amt_server_intake_addresses, text, sizeof text), "") == 0);
    CHECK(strcmp(lent(plain, amt_server_intake_pin, text, sizeof text), "") == 0);
}

int main(void)
{
    amt_error *err = NULL;
    amt_fleet *fleet;
    amt_server *server;
    struct machine machine;
    char token[128], revoked[128], address[64], pin[80];
    const char *text;

    served_begin();
    served_config("plain.toml", "", "");
    served_config("intake.toml", "", "[[rule]]\nwhen = \"fact.agent.serial ~ 'ABC-*'\"\nentry = \"admit\"\n[intake]\nlisten = \"127.0.0.1:0\"\n");
    fleet = opened();
    server = bound(fleet, "plain.toml");
    mistakes_are_told(fleet, server);
    CHECK(amt_server_free(server) == AMT_OK);

    server = bound(fleet, "intake.toml");
    lent(server, amt_server_intake_addresses, address, sizeof address);
    CHECK(strncmp(address, "127.0.0.1:", 10) == 0 && strcmp(address, "127.0.0.1:0") != 0);
    CHECK(strlen(lent(server, amt_server_intake_pin, pin, sizeof pin)) == 64);
    machine = machine_start_saying("127.71.0.36", listening(server));
    OK(amt_fleet_revoke_token(fleet, new_token(fleet, 5, revoked, sizeof revoked), &err));
    new_token(fleet, 1, token, sizeof token);

    served_until(server, "\"event\":\"parked\"");
    text = answered(server, report(address, revoked, machine.uuid, 'a', "revoked"), "revoked");
    CHECK(strstr(text, "\"REVOKED\"") != NULL);
    text = answered(server, report(address, token, machine.uuid, 'a', "taken"), "taken");
    CHECK(strstr(text, machine.uuid) != NULL && strstr(text, "\"stage\"") != NULL);
    /* One use: nobody else enrols with it. */
    text = answered(server, report(address, token, "4c4c4544-0034-5210-8036-b3c04f4e3333", 'b', "again"), "again");
    CHECK(strstr(text, "\"USED-UP\"") != NULL);

    served_until(server, "\"event\":\"verified\"");
    CHECK(strstr(machines(fleet, "verified"), "pc8.example.com") != NULL);
    CHECK(machine_says(&machine, "\"control_mode\":\"admin\""));

    /* Stopped, the intake ends with the hellos. */
    OK(amt_server_stop(server, &err));
    served_stopped(server);
    CHECK(amt_server_free(server) == AMT_OK);
    CHECK(amt_fleet_free(fleet) == AMT_OK);
    machine_stop();
    served_end();
    return 0;
}
