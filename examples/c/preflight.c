/* Says whether firmware will take a provisioning certificate, before a machine is asked. */
#include "example.h"

int main(int argc, char **argv)
{
    amt_error *err = NULL;
    amt_certificate *certificate = NULL;
    amt_findings *findings = NULL;
    const char *password = secret("AMT_CERTIFICATE_PASSWORD"), *code, *message;
    size_t len, code_len, message_len, count, at;
    uint32_t severity, worst = 0;
    uint8_t *pfx;

    if (argc != 3) {
        usage("preflight PFX DNS-SUFFIX");
    }
    pfx = read_file(argv[1], &len);
    MUST(amt_certificate_parse_pfx(pfx, len, password, strlen(password), &certificate, &err));
    free(pfx);

    MUST(amt_certificate_preflight(certificate, NULL, argv[2], strlen(argv[2]), NULL, 0, 0, &findings, &err));
    MUST(amt_findings_count(findings, &count, &err));
    for (at = 0; at < count; at++) {
        MUST(amt_findings_severity(findings, at, &severity, &err));
        MUST(amt_findings_code(findings, at, &code, &code_len, &err));
        MUST(amt_findings_message(findings, at, &message, &message_len, &err));
        printf("%s %.*s: %.*s\n", severity == AMT_SEVERITY_ERROR ? "error" : "note", (int)code_len, code,
               (int)message_len, message);
        worst = severity > worst ? severity : worst;
    }
    printf("%s\n", worst == AMT_SEVERITY_ERROR ? "machines will refuse it" : "nothing stands against it");
    amt_findings_free(findings);
    amt_certificate_free(certificate);
    return worst == AMT_SEVERITY_ERROR;
}
