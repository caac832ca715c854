/* Writes a setup.bin for a USB stick: it gives a machine of AMT 2 to 10 a password, put into JSON as it is, and a fresh pre-shared pair. */
#include "example.h"

int main(int argc, char **argv)
{
    amt_error *err = NULL;
    amt_psk *pair = NULL;
    amt_setupbin *setup = NULL;
    const char *pid, *pps, *password = secret("AMT_PASSWORD");
    const uint8_t *bytes;
    size_t pid_len, pps_len, len;
    char wanted[512];
    FILE *file;

    if (argc != 2) {
        usage("setupbin FILE");
    }
    MUST(amt_psk_generate(NULL, 0, &pair, &err));
    MUST(amt_psk_pid(pair, 0, &pid, &pid_len, &err));
    MUST(amt_psk_pps(pair, 0, &pps, &pps_len, &err));
    snprintf(wanted, sizeof wanted,
             "{\"records\": [{\"entries\": {\"current_password\": \"admin\", \"new_password\": \"%s\","
             " \"pid\": \"%.*s\", \"pps\": \"%.*s\"}}]}",
             password, (int)pid_len, pid, (int)pps_len, pps);
    MUST(amt_setupbin_from_json(wanted, strlen(wanted), &setup, &err));
    memset(wanted, 0, sizeof wanted);

    MUST(amt_setupbin_bytes(setup, &bytes, &len, &err));
    file = fopen(argv[1], "wb");
    if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0) {
        perror(argv[1]);
        return 1;
    }
    printf("%s: %zu bytes, PID %.*s; the setup server needs its PPS\n", argv[1], len, (int)pid_len, pid);
    amt_setupbin_free(setup);
    amt_psk_free(pair);
    return 0;
}
